#include "backend_run.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>

#include "soma/conformance/compare.hpp"
#include "soma/conformance/data.hpp"
#include "soma/sdk/ops/activation.hpp"
#include "soma/tensor.hpp"

namespace soma::bench {
namespace {

/// A prepared op with all its buffers.
class Call {
 public:
  Call(const Op& op, const Backend& backend, const std::string& name, int threads)
      : kernel_(backend.prepare(op)),
        workspace_(kernel_.info().workspace_bytes),
        pack_(kernel_.info().pack_bytes) {
    const conformance::Case c{std::string(op.family()), name, op};
    auto operands = conformance::make_operands(c, conformance::Fill::random, 1);
    // What enters an activation reaches into its tails in the conformance cases; peers draw from
    // [-1, 1), where no result is denormal.
    if (std::ranges::count(ops::activation_ids(), op.id) > 0) {
      for (float& x : operands.inputs[0].as<float>()) x *= 1.0f / 16;
    }
    for (const auto& from : operands.inputs) inputs_.push_back(hold(from));
    for (const auto& from : operands.old_outputs) outputs_.push_back(hold(from));
    buffers_ = {inputs_.data(), outputs_.data(), workspace_.data(), pack_.data()};
    if (pack_.size() > 0) kernel_.pack(buffers_, pack_.data(), threads);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  void run(int threads) const { kernel_.execute(buffers_, threads); }
  const Kernel::Info& info() const { return kernel_.info(); }

  std::uint64_t hash(std::uint64_t start) const {
    std::vector<conformance::Array> arrays;
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      conformance::Array& array = arrays.emplace_back(kernel_.op().outputs[i]);
      if (!array.bytes.empty()) {
        std::memcpy(array.bytes.data(), outputs_[i], array.bytes.size());
      }
    }
    return conformance::hash_of(arrays, start);
  }

 private:
  std::byte* hold(const conformance::Array& from) {
    const AlignedBytes& to = held_.emplace_back(from.bytes.size());
    if (!from.bytes.empty()) std::memcpy(to.data(), from.bytes.data(), from.bytes.size());
    return to.data();
  }

  Kernel kernel_;
  AlignedBytes workspace_, pack_;
  std::vector<AlignedBytes> held_;
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
  Kernel::Buffers buffers_;
};

}  // namespace

Measured time_ops(const Case& c, const Backend& backend, int threads, double seconds) {
  std::vector<std::unique_ptr<Call>> calls;
  for (const Op& op : c.ops) {
    const std::string name = c.name + "/" + std::to_string(calls.size());
    calls.push_back(std::make_unique<Call>(op, backend, name, threads));
  }
  Measured measured;
  bool exact = true;
  std::uint64_t hash = 0;
  for (const auto& call : calls) {
    call->run(threads);
    hash = call->hash(hash);
    exact = exact && call->info().exactness == Exactness::exact;
    measured.implementation +=
        (measured.implementation.empty() ? "" : " + ") + call->info().implementation;
  }
  measured.exactness = exact ? "exact" : "bounded";
  if (exact) {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
    measured.fingerprint = text;
  }
  measured.timing = time(seconds, [&] {
    for (const auto& call : calls) call->run(threads);
  });
  return measured;
}

}  // namespace soma::bench
