#include "certify_work.hpp"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "session.hpp"
#include "soma/error.hpp"
#include "work_bar.hpp"
#include "worker_process.hpp"

using namespace soma::conformance;
using nlohmann::json;

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPollMilliseconds = 100;
// A machine that sleeps, or a process that is stopped, must not count as time that a child took.
constexpr double kLongestTick = 0.25;
// After so many deaths in one op the rest of its items is not asked: each costs a process.
constexpr int kMostDeaths = 4;
constexpr std::size_t kMostChildren = 8;

std::vector<std::string> child_words(const CertifyRequest& request, bool load) {
  const CertifyOptions& o = request.options;
  return {"certify",
          "--child",
          request.file.string(),
          name_of(o.numerics),
          std::to_string(o.seed),
          json(o.threads).dump(),
          o.full ? "full" : "default",
          load ? "load" : "entry",
          request.fields,
          request.inputs};
}

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%g s", seconds);
  return text;
}

/// What a child's death says about the check that it had in hand.
std::string death_sentence(const WorkerProcess& process, const std::string& check, bool too_long,
                           double limit) {
  if (too_long) return "did not come back within " + seconds_text(limit);
  std::string text = "ended the process with " + process.how_it_ended();
  if (process.how_it_ended().empty()) text = "ended the process, with exit code 0";
  if (check == "pages") text += ": it reads or writes outside its buffers";
  const std::string words = process.last_words();
  return words.empty() ? text : text + " (" + words + ")";
}

/// One child at work on the items of one level.
struct Child {
  std::unique_ptr<WorkerProcess> process;
  Level level = Level::lifecycle;
  std::size_t item = 0;   ///< in hand, or the last one
  bool given = false;     ///< it got an item at all
  bool in_hand = false;   ///< no verdict on it yet
  bool closing = false;   ///< was told to end
  bool silent = false;    ///< its output has ended
  bool too_long = false;  ///< was killed for taking too long
  double waited = 0;      ///< seconds since it last said something
  std::string check;      ///< it announced
};

class Work {
 public:
  explicit Work(Certificate& certificate) : certificate_(certificate) {}

  /// What there is to ask, from a child that loads the file. False if that child died.
  bool list(bool load) {
    WorkerProcess process(child_words(request(), load));
    process.send("list");
    double waited = 0;
    bool too_long = false;
    while (true) {
      if (!wait(process.output())) {
        waited += kPollMilliseconds / 1000.0;
        if (waited > request().timeout_seconds && !too_long) {
          too_long = true;
          process.kill();
        }
        continue;
      }
      if (!process.read_some()) break;
      while (const auto line = process.next_line()) {
        if (!line->starts_with("list ")) continue;
        take_list(json::parse(line->substr(5)));
        return true;
      }
    }
    while (!process.ended()) wait(-1);
    died_ = death_sentence(process, "load", too_long, request().timeout_seconds);
    return false;
  }
  const std::string& how_the_list_died() const { return died_; }
  const std::string& rejection() const { return rejection_; }

  void run() {
    std::size_t total = 0;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (!request().wants(items_[i])) continue;
      queues_[items_[i].level].push_back(i);
      ++total;
    }
    results_.resize(items_.size());
    WorkBar bar(total, "cases");
    const std::size_t most =
        std::clamp<std::size_t>(static_cast<std::size_t>(usable_cpus()), 1, kMostChildren);
    auto last = Clock::now();
    while (start_children(most), !children_.empty()) {
      poll_children();
      const auto now = Clock::now();
      const double tick = std::min(std::chrono::duration<double>(now - last).count(), kLongestTick);
      last = now;
      for (Child& child : children_) attend(child, tick);
      std::erase_if(children_, [](const Child& child) { return child.process == nullptr; });
      bar.show(done_, std::string(code_of(showing_)) + " " + title_of(showing_));
    }
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (results_[i]) certificate_.results.push_back({items_[i], std::move(*results_[i])});
    }
    for (ItemResult& late : late_) certificate_.results.push_back(std::move(late));
  }

 private:
  const CertifyRequest& request() const { return certificate_.request; }

  static bool wait(int descriptor) {
    pollfd one{descriptor, POLLIN, 0};
    return poll(&one, 1, kPollMilliseconds) > 0;
  }

  void take_list(const json& said) {
    certificate_.plugin = said["name"];
    certificate_.version = said["version"];
    certificate_.kind = said["kind"];
    rejection_ = said["rejection"];
    certificate_.unclaimed = said["unclaimed"].get<std::vector<std::string>>();
    for (const json& item : said["items"]) {
      items_.push_back({*level_of(item[0].get<std::string>()), item[1], item[2]});
    }
  }

  /// A child works on one level; the levels in order, so that the simple explanation comes first.
  void start_children(std::size_t most) {
    for (const Level level : kLevels) {
      while (children_.size() < most && !queues_[level].empty()) {
        Child child;
        child.level = level;
        showing_ = level;
        // What only the entry point is asked must not have been loaded by the framework before.
        const bool load =
            level != Level::lifecycle || items_[queues_[level].front()].op != "plugin";
        child.process = std::make_unique<WorkerProcess>(child_words(request(), load));
        give_next(child);
        children_.push_back(std::move(child));
      }
    }
  }

  void give_next(Child& child) {
    std::deque<std::size_t>& queue = queues_[child.level];
    // Each item of C1 has a process of its own: how that one ends is part of the verdict.
    const bool alone = child.level == Level::lifecycle && child.given;
    if (queue.empty() || alone) {
      child.closing = true;
      child.process->close_input();
      return;
    }
    child.item = queue.front();
    queue.pop_front();
    child.in_hand = child.given = true;
    child.check = "load";
    child.process->send(std::to_string(child.item));
  }

  void poll_children() {
    std::vector<pollfd> all;
    for (const Child& child : children_) {
      if (!child.silent) all.push_back({child.process->output(), POLLIN, 0});
    }
    // With nobody left to listen to, this is how long we sleep before looking for ended ones.
    poll(all.data(), all.size(), all.size() == children_.size() ? kPollMilliseconds : 1);
    readable_.clear();
    std::size_t at = 0;
    for (const Child& child : children_) {
      readable_.push_back(!child.silent && all[at++].revents != 0);
    }
  }

  void attend(Child& child, double tick) {
    const auto number = static_cast<std::size_t>(&child - children_.data());
    child.waited += tick;
    if (readable_[number]) {
      if (child.process->read_some()) {
        child.waited = 0;
      } else {
        child.silent = true;
      }
      while (const auto line = child.process->next_line()) hear(child, *line);
    }
    if (child.waited > request().timeout_seconds && !child.too_long) {
      child.too_long = true;
      child.process->kill();
    }
    if (child.silent && child.process->ended()) bury(child);
  }

  void hear(Child& child, const std::string& line) {
    if (line.starts_with("check ")) child.check = line.substr(6);
    if (!line.starts_with("done ") || !child.in_hand) return;
    const json said = json::parse(line.substr(5));
    Verdict verdict;
    verdict.checks = said["checks"];
    verdict.worst_share = said["share"];
    verdict.refused = said["refused"];
    for (const json& f : said["failures"]) verdict.fail(f[0], f[1]);
    child.in_hand = false;
    settle(child.item, std::move(verdict));
    give_next(child);
  }

  void settle(std::size_t item, Verdict verdict) {
    results_[item] = std::move(verdict);
    ++done_;
  }

  /// A child has ended: as it should, or with an item in hand, or wrongly after its last one.
  void bury(Child& child) {
    const std::string how =
        death_sentence(*child.process, child.check, child.too_long, request().timeout_seconds);
    if (child.in_hand) {
      Verdict verdict;
      verdict.checks = 1;
      verdict.fail(child.check, how);
      settle(child.item, std::move(verdict));
      give_up_on(child);
    } else if (!child.process->how_it_ended().empty() || child.too_long) {
      const std::string sentence =
          "all was answered, but then the process " +
          std::string(child.too_long ? "did not end" : "failed to end: it ") +
          (child.too_long ? "" : how);
      if (child.level == Level::lifecycle) {
        results_[child.item]->fail("exit", sentence);
      } else {
        Verdict verdict;
        verdict.checks = 1;
        verdict.fail("exit", sentence);
        late_.push_back({{child.level, "plugin", "exit"}, std::move(verdict)});
      }
    }
    child.process.reset();
  }

  /// Marks what is left of an op that keeps killing children, or of a level that cannot be loaded.
  void give_up_on(const Child& child) {
    const bool loading = child.check == "load";
    const std::string op = loading ? "" : items_[child.item].op;
    if (++deaths_[{child.level, op}] < kMostDeaths) return;
    std::deque<std::size_t> kept;
    for (const std::size_t item : queues_[child.level]) {
      if (!loading && items_[item].op != op) {
        kept.push_back(item);
        continue;
      }
      Verdict verdict;
      verdict.fail("not asked", "not asked, after " + std::to_string(kMostDeaths) +
                                    " processes had died or hung " +
                                    (loading ? "loading the file" : "in " + op));
      settle(item, std::move(verdict));
    }
    queues_[child.level] = std::move(kept);
  }

  Certificate& certificate_;
  std::vector<Item> items_;
  std::string rejection_, died_;
  std::map<Level, std::deque<std::size_t>> queues_;
  std::vector<std::optional<Verdict>> results_;
  std::vector<ItemResult> late_;
  std::vector<Child> children_;
  std::vector<bool> readable_;
  std::map<std::pair<Level, std::string>, int> deaths_;
  std::size_t done_ = 0;
  Level showing_ = Level::lifecycle;
};

void add(Certificate& certificate, const Item& item, const std::string& check,
         const std::string& message) {
  Verdict verdict;
  verdict.checks = 1;
  if (!message.empty()) verdict.fail(check, message);
  certificate.results.push_back({item, std::move(verdict)});
}

}  // namespace

bool do_certify_work(Certificate& certificate) {
  const CertifyRequest& request = certificate.request;
  const Item file{Level::file, "plugin", "admission"};
  Verdict verdict = examine_file(request.file);
  const bool readable = verdict.failures.empty();
  if (request.wants(file) || !readable) certificate.results.push_back({file, std::move(verdict)});
  if (!readable) return false;  // nothing of it may be executed

  Work work(certificate);
  const Item load{Level::lifecycle, "plugin", "load"};
  bool loaded = false;
  if (!work.list(true)) {
    add(certificate, load, "load", work.how_the_list_died());
    if (!work.list(false)) return false;
  } else if (!work.rejection().empty()) {
    add(certificate, load, "load", work.rejection());
  } else {
    loaded = true;
    if (request.wants(load)) add(certificate, load, "load", "");
  }
  work.run();
  return loaded;
}
