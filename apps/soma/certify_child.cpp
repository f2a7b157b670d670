// The process that runs the subject's code. It says, one line each,
//   list {json}     what it can be asked, when it was sent "list"
//   check NAME      what it is about to do
//   done {json}     the verdict on the item whose number it was sent
// and nothing else: whatever the plugin prints goes to stderr.
#include <sys/prctl.h>

#include <cmath>
#include <csignal>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "certify_words.hpp"
#include "certify_work.hpp"
#include "run_config.hpp"
#include "soma/plugins.hpp"
#include "wire.hpp"

using namespace soma::conformance;
using nlohmann::json;

namespace {

constexpr double kBeyond = 1e9;  // JSON knows no infinity

struct Entry {
  Item item;
  Examination* examination;
};

/// All examinations of a file in one list of items.
class Exam {
 public:
  /// `load`: through the framework; otherwise only the entry point is asked.
  Exam(const std::filesystem::path& file, const CertifyOptions& options, bool load) {
    add(examination_of_entry(file));
    if (!load) return;
    record_ = soma::load_plugin(file);
    if (record_.status != soma::PluginStatus::ready) {
      rejection_ = record_.code + ": " + record_.reason;
      return;
    }
    if (const std::string field = unknown_field(record_.brings, options.fields); !field.empty()) {
      rejection_ = "--fields: it has no field or option '" + field + "'";
      return;
    }
    for (const soma::Brought& brought : record_.brings) {
      auto examination = examination_of({file, brought.kind, brought.name}, options);
      if (examination == nullptr) {
        rejection_ = "this build cannot examine a " + brought.kind + " ('" + brought.name + "')";
        return;
      }
      add(std::move(examination));
    }
  }

  std::string list() const {
    json items = json::array(), unclaimed = json::array();
    for (const Entry& entry : entries_) {
      items.push_back({code_of(entry.item.level), entry.item.op, entry.item.name});
    }
    for (const auto& examination : examinations_) {
      for (const std::string& op : examination->unclaimed()) unclaimed.push_back(op);
    }
    return json{{"name", record_.name}, {"version", record_.version},
                {"kind", record_.kind}, {"rejection", rejection_},
                {"items", items},       {"unclaimed", unclaimed}}
        .dump(-1, ' ', false, json::error_handler_t::replace);
  }

  std::string answer(std::size_t number, const Notice& notice) const {
    const Entry& entry = entries_.at(number);
    const Verdict verdict = entry.examination->examine(entry.item, notice);
    json failures = json::array();
    for (const Failure& f : verdict.failures) failures.push_back({f.check, f.message});
    return json{{"checks", verdict.checks},
                {"share", std::isfinite(verdict.worst_share) ? verdict.worst_share : kBeyond},
                {"failures", failures},
                {"refused", verdict.refused}}
        .dump(-1, ' ', false, json::error_handler_t::replace);
  }

 private:
  void add(std::unique_ptr<Examination> examination) {
    for (const Item& item : examination->items()) entries_.push_back({item, examination.get()});
    examinations_.push_back(std::move(examination));
  }

  std::vector<std::unique_ptr<Examination>> examinations_;
  std::vector<Entry> entries_;
  soma::PluginRecord record_;
  std::string rejection_;
};

}  // namespace

int run_certify_child(std::span<const std::string> args) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody would read the answer
  const Wire wire;
  CertifyOptions options;
  options.numerics = numerics_from_name(args[1]);
  options.seed = std::stoull(args[2]);
  options.threads = json::parse(args[3]).get<std::vector<int>>();
  options.full = args[4] == "full";
  const bool load = args[5] == "load";
  options.fields = parse_fields(args[6]);
  options.inputs = parse_inputs(args[7]);
  wire.say("check load");
  const Exam exam(args[0], options, load);
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "list") {
      wire.say("list " + exam.list());
      continue;
    }
    const auto notice = [&](std::string_view check) { wire.say("check " + std::string(check)); };
    wire.say("done " + exam.answer(std::stoul(line), notice));
  }
  return 0;
}
