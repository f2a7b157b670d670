#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "soma/backend.hpp"
#include "soma/op_catalogue.hpp"
#include "soma/plugins.hpp"
#include "table.hpp"

namespace {

using soma::Numerics;

/// What a backend makes of one op under one class of numerics.
struct Verdict {
  std::string exactness;  // empty: not supported
  std::string implementation, reason;
};

struct OpReport {
  std::string id;
  Verdict fast, exact, bf16;

  std::string reason() const {
    if (!fast.reason.empty()) return fast.reason;
    return exact.reason.empty() ? "" : "under exact numerics: " + exact.reason;
  }
};

struct BackendReport {
  std::string name, status, code, reason, summary, runtime, path;
  std::vector<OpReport> ops;
};

Verdict ask(const soma::Backend& backend, const soma::Op& op) {
  try {
    const soma::Kernel kernel = backend.prepare(op);
    const bool exact = kernel.info().exactness == soma::Exactness::exact;
    return {exact ? "exact" : "bounded", kernel.info().implementation, ""};
  } catch (const soma::Error& e) {
    // The backend's bare reason reads better in a table than a message that repeats backend and op.
    std::string why;
    return {"", "", backend.supports(op, &why) ? e.what() : why};
  }
}

/// One verdict for each example op. A backend may lack a whole class of numerics.
std::vector<Verdict> ask_all(const std::string& name, Numerics numerics) {
  std::vector<Verdict> verdicts;
  try {
    const soma::Backend backend = soma::backend(name, {.numerics = numerics});
    for (const soma::Op& op : soma::example_ops()) verdicts.push_back(ask(backend, op));
  } catch (const soma::Error& e) {
    verdicts.assign(soma::example_ops().size(), Verdict{"", "", e.what()});
  }
  return verdicts;
}

BackendReport report_on(const std::string& name, bool with_ops) {
  BackendReport report;
  report.name = name;
  report.status = "ready";
  try {
    const soma::Backend fast = soma::backend(name, {.numerics = Numerics::fast});
    report.summary = fast.summary();
    report.runtime = fast.runtime();
    report.path = fast.path().string();
    if (!with_ops) return report;
    const std::vector<Verdict> under_exact = ask_all(name, Numerics::exact);
    const std::vector<Verdict> under_fast = ask_all(name, Numerics::fast);
    const std::vector<Verdict> under_bf16 = ask_all(name, Numerics::bf16);
    const std::vector<soma::Op> ops = soma::example_ops();
    for (std::size_t i = 0; i < ops.size(); ++i) {
      report.ops.push_back({ops[i].id, under_fast[i], under_exact[i], under_bf16[i]});
    }
  } catch (const soma::Error& e) {
    report.status = "rejected";
    report.code = "open_failed";
    report.reason = e.what();
  }
  return report;
}

/// The ready backends, and the rejected files that are backends or might have been.
std::vector<BackendReport> reports(bool with_ops) {
  std::vector<BackendReport> all;
  for (const std::string& name : soma::backend_names()) all.push_back(report_on(name, with_ops));
  for (const soma::PluginRecord& plugin : soma::list_plugins()) {
    const bool maybe_backend =
        plugin.kind.empty() || plugin.kind.find("backend") != std::string::npos;
    if (plugin.status == soma::PluginStatus::rejected && maybe_backend) {
      BackendReport report;
      report.name = plugin.name;
      report.status = "rejected";
      report.code = plugin.code;
      report.reason = plugin.reason;
      report.path = plugin.path.string();
      all.push_back(std::move(report));
    }
  }
  return all;
}

nlohmann::ordered_json text_or_null(const std::string& text) {
  return text.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(text);
}

void print_json(const std::vector<BackendReport>& all, bool with_ops) {
  auto backends = nlohmann::ordered_json::array();
  for (const BackendReport& report : all) {
    nlohmann::ordered_json entry{{"name", report.name},       {"status", report.status},
                                 {"code", report.code},       {"reason", report.reason},
                                 {"summary", report.summary}, {"runtime", report.runtime},
                                 {"path", report.path}};
    if (with_ops) {
      entry["ops"] = nlohmann::ordered_json::array();
      for (const OpReport& op : report.ops) {
        entry["ops"].push_back({{"id", op.id},
                                {"supported", !op.fast.exactness.empty()},
                                {"reason", op.reason()},
                                {"class",
                                 {{"fast", text_or_null(op.fast.exactness)},
                                  {"exact", text_or_null(op.exact.exactness)},
                                  {"bf16", text_or_null(op.bf16.exactness)}}},
                                {"impl", op.fast.implementation}});
      }
    }
    backends.push_back(std::move(entry));
  }
  std::cout << nlohmann::ordered_json{{"backends", backends}}.dump() << "\n";
}

void print_ops(const BackendReport& report) {
  const auto shown = [](const std::string& text) -> std::string {
    return text.empty() ? "-" : text;
  };
  std::cout << "\n" << report.name << "\n";
  Table table({{"op"}, {"fast"}, {"exact"}, {"bf16"}, {"implementation"}});
  for (const OpReport& op : report.ops) {
    const std::string reason = op.reason();
    table.add({op.id, shown(op.fast.exactness), shown(op.exact.exactness), shown(op.bf16.exactness),
               op.fast.implementation + (reason.empty() ? "" : "  " + reason)});
  }
  table.print(std::cout);
}

void print_text(const std::vector<BackendReport>& all, bool with_ops) {
  Table table({{"backend"}, {"status"}, {"loops"}, {"what"}});
  std::string rejected;
  for (const BackendReport& report : all) {
    if (report.status == "ready") {
      table.add({report.name, report.status, report.runtime, report.summary});
    } else {
      rejected += "  " + (report.path.empty() ? report.name : report.path) + "\n    " +
                  report.code + ": " + report.reason + "\n";
    }
  }
  table.print(std::cout);
  if (!rejected.empty()) std::cout << "\nRejected files\n" << rejected;
  if (!with_ops) return;
  for (const BackendReport& report : all) {
    if (!report.ops.empty()) print_ops(report);
  }
}

}  // namespace

int run_backends(Arguments args) {
  bool with_ops = false, json = false;
  CommandLine line("backends", "[options]",
                   "The compute backends that are ready, and the plugin files that were rejected.");
  line.flag("ops", &with_ops,
            "for every op: is it supported, exact or bounded under fast, exact and bf16 numerics, "
            "and "
            "what computes it (asked at the sizes of LeNet-5)")
      .flag("json", &json, "print one line of JSON");
  if (!line.parse(args)) return 0;

  const std::vector<BackendReport> all = reports(with_ops);
  if (json) {
    print_json(all, with_ops);
    return 0;
  }
  if (all.empty()) {
    std::cout << "no backend found; looked in\n";
    for (const auto& folder : soma::plugin_search_path())
      std::cout << "  " << folder.string() << "\n";
    return 0;
  }
  print_text(all, with_ops);
  return 0;
}
