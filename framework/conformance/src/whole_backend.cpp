#include "soma/conformance/whole_backend.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <vector>

#include "helping_thread.hpp"
#include "process_state.hpp"
#include "soma/conformance/case.hpp"
#include "soma/conformance/threads.hpp"
#include "soma/sdk/ops/linear.hpp"

namespace soma::conformance {

std::string fault_in_declared_ops(const Backend& backend) {
  const std::vector<std::string> declared = backend.op_ids();
  std::map<std::string, bool> taken;
  for (const Case& c : cases()) {
    bool& any = taken[c.op.id];
    if (!any && std::ranges::find(declared, c.op.id) != declared.end()) {
      any = backend.supports(c.op);
    }
  }
  for (const std::string& id : declared) {
    const auto known = taken.find(id);
    if (known != taken.end() && !known->second) {
      return "it declares " + id + ", but refuses every case of it";
    }
    if (std::ranges::count(declared, id) > 1) return "it declares " + id + " more than once";
  }
  return declared.empty() ? "it declares no op at all" : "";
}

std::string fault_in_refusal(const Backend& backend) {
  Op op = ops::Linear{}.forward({2, 3}, {4, 3}, Purpose::train);
  op.id = "linear/1.sideways";
  std::string why;
  if (backend.supports(op, &why)) return "it says that it supports " + op.id + ", which is no op";
  if (why.empty()) return "it refuses " + op.id + " without a reason";
  try {
    backend.prepare(op);
  } catch (const UnsupportedError&) {
    return "";
  } catch (const Error& error) {
    return std::string("expected prepare to refuse ") + op.id +
           " as unsupported, found: " + error.what();
  }
  return "it prepares " + op.id + ", which is no op";
}

std::string fault_in_loop_coverage(const Backend& backend) {
  for (const std::int64_t n : {0, 1, 2, 7, 64, 1000}) {
    for (const std::int64_t grain : {1, 3, 64, 5000}) {
      for (const int threads : {1, 2, 3, 8}) {
        std::vector<std::atomic<int>> seen(static_cast<std::size_t>(n));
        std::atomic<bool> outside{false};
        backend.parallel_for(threads, n, grain, [&](std::int64_t begin, std::int64_t end) {
          if (begin < 0 || end > n) {
            outside = true;
            return;
          }
          for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
        });
        const std::string where = "parallel_for of " + std::to_string(n) + ", grain " +
                                  std::to_string(grain) + ", on " + std::to_string(threads) +
                                  " threads: ";
        if (outside) return where + "a piece lies outside the loop";
        for (std::size_t i = 0; i < seen.size(); ++i) {
          if (seen[i] != 1) {
            return where + "expected index " + std::to_string(i) + " once, found it " +
                   std::to_string(seen[i]) + " times";
          }
        }
      }
    }
  }
  return "";
}

std::string fault_in_thread_count(const Backend& backend) {
  // Up and down again: a runtime that keeps its first size is found out.
  for (const int threads : {1, 2, 3, 4, 8, 2, 1}) {
    const int expected = backend.runtime() == "serial" ? 1 : threads;
    const int found = distinct_threads(backend, threads);
    if (found != expected) {
      return "parallel_for told to use " + std::to_string(threads) + " threads: expected " +
             std::to_string(expected) + " to take part, found " + std::to_string(found);
    }
  }
  return "";
}

std::string fault_in_opening(const std::string& name, Numerics numerics) {
  constexpr int kRounds = 100;
  const auto open = [&] { return soma::backend(name, {.numerics = numerics}); };
  const Backend held = open();
  if (const Kept kept = kept_by_every(open)) {
    return "it keeps " + kept.text() + " of every context that was opened and closed";
  }
  std::size_t ids = 0;
  HelpingThread other;
  for (int i = 0; i < kRounds; ++i) {
    other.start([&] { ids = open().op_ids().size(); });
    const Backend here = open();
    other.finish();
    if (ids != here.op_ids().size()) return "contexts opened on two threads at once differ";
  }
  return "";
}

}  // namespace soma::conformance
