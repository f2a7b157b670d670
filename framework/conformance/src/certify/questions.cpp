#include "certify/questions.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "soma/error.hpp"
#include "soma/plugins.hpp"

namespace soma::conformance {
namespace {

constexpr int kSteps = 12, kFullSteps = 200;
constexpr std::int64_t kBatch = 17;

std::int64_t whole_number(const soma_option& option) {
  constexpr std::int64_t kSome = 5;
  if (option.least == option.most) return kSome;
  return static_cast<std::int64_t>(
      std::clamp<double>(kSome, std::ceil(option.least), std::floor(option.most)));
}

double real_number(const soma_option& option) {
  constexpr double kSome = 0.5;
  return option.least == option.most ? kSome : std::clamp(kSome, option.least, option.most);
}

}  // namespace

std::vector<Item> Questions::items() const {
  std::vector<Item> list;
  for (const Level level : kLevels) {
    for (const Question& q : questions_) {
      if (q.item.level == level) list.push_back(q.item);
    }
  }
  return list;
}

Verdict Questions::examine(const Item& item, const Notice& notice) {
  Verdict verdict;
  for (const Question& q : questions_) {
    if (q.item.level != item.level || q.item.name != item.name) continue;
    const std::size_t slash = item.name.find('/');
    const std::string check = item.name.substr(slash == std::string::npos ? 0 : slash + 1);
    notice(check.substr(0, check.find('_')));
    try {
      q.ask(verdict);
    } catch (const UnsupportedError& error) {
      verdict.refused = error.what();
    } catch (const std::exception& error) {
      ++verdict.checks;
      verdict.fail(check, std::string("threw: ") + error.what());
    }
  }
  return verdict;
}

void Questions::add(Level level, const std::string& op, const std::string& name, Ask ask) {
  questions_.push_back({{level, op, name}, std::move(ask)});
}

void Questions::add_routine(Level values, const std::string& op, const std::string& size,
                            const MakeRoutine& make, Size kind) {
  const std::uint64_t seed = options_.seed;
  const auto name = [&](const char* question) { return op + "/" + question + "_" + size; };
  add(Level::contract, op, name("pages"), [=](Verdict& v) { check_memory(*make(), seed, v); });
  if (kind == Size::empty) return;
  const std::uint64_t seeds = options_.full ? 20 : 2;
  add(values, op, name("float64"), [=](Verdict& v) {
    const auto routine = make();
    for (std::uint64_t s = seed; s < seed + seeds && v.failures.empty(); ++s) {
      check_values(*routine, routine->make_inputs(s), v);
    }
  });
  add(Level::determinism, op, name("pieces"), [=](Verdict& v) { check_pieces(*make(), seed, v); });
  add(Level::determinism, op, name("together"),
      [=](Verdict& v) { check_two_at_once(*make(), seed, v); });
  add(Level::determinism, op, name("loops"), [=, threads = options_.threads](Verdict& v) {
    const auto routine = make();
    for (const std::string& backend : backend_names()) {
      check_loops(*routine, soma::backend(backend), threads, seed, v);
    }
  });
}

void Questions::add_trainings(const std::string& name, const std::function<Model()>& make,
                              const std::function<Optimizer()>& optimizer) {
  const int steps = options_.full ? kFullSteps : kSteps;
  const auto run = [=, seed = options_.seed](const std::string& on, int threads) {
    return train(make(), optimizer(), kBatch, soma::backend(on, {.numerics = Numerics::exact}),
                 threads, steps, seed);
  };
  for (const std::string& backend : backend_names()) {
    add(Level::training, "training", name + "_on_" + backend, [=](Verdict& v) {
      const Trained expected = run("reference", 1);
      ++v.checks;
      if (!std::ranges::all_of(expected.losses, [](double loss) { return std::isfinite(loss); })) {
        v.fail("training", "expected losses that are numbers, found " +
                               std::to_string(expected.losses.back()) + " after " +
                               std::to_string(steps) + " steps");
      }
      for (const int threads : {1, 2, 3}) {
        const Trained got = run(backend, threads);
        ++v.checks;
        if (got.weights_sha256 == expected.weights_sha256) continue;
        v.fail("training", std::to_string(steps) + " steps on " + backend + ", " +
                               std::to_string(threads) +
                               " threads: expected the weights of the reference, SHA-256 " +
                               expected.weights_sha256 + ", found " + got.weights_sha256);
      }
    });
  }
}

std::vector<soma_attribute> option_values(const soma_option* options, std::int32_t count,
                                          const Attributes& given) {
  std::vector<soma_attribute> values;
  for (std::int32_t i = 0; i < count; ++i) {
    const soma_option& o = options[i];
    soma_attribute a{o.name, o.kind, 0, o.integer, o.real, o.text};
    if (o.required != 0) {
      a.integer = whole_number(o);
      a.real = real_number(o);
      a.text = "relu";
    }
    for (const auto& [key, value] : given.entries()) {
      if (key != o.name) continue;
      if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        a.integer = *integer;
        a.real = static_cast<double>(*integer);
      }
      if (const auto* real = std::get_if<double>(&value)) a.real = *real;
      if (const auto* text = std::get_if<std::string>(&value)) a.text = text->c_str();
    }
    values.push_back(a);
  }
  return values;
}

Attributes chosen_options(const soma_option* options, std::int32_t count, const Attributes& given) {
  Attributes chosen;
  for (std::int32_t i = 0; i < count; ++i) {
    const soma_option& o = options[i];
    const auto same = [&](const Attributes::Entry& entry) { return entry.first == o.name; };
    if (o.required == 0 || std::ranges::any_of(given.entries(), same)) continue;
    if (o.kind == SOMA_INTEGER) chosen.set(o.name, whole_number(o));
    if (o.kind == SOMA_REAL) chosen.set(o.name, real_number(o));
    if (o.kind == SOMA_STRING) chosen.set(o.name, std::string("relu"));
  }
  for (const auto& [key, value] : given.entries()) {
    const auto known = [&](const soma_option& o) { return key == o.name; };
    if (std::any_of(options, options + count, known)) chosen.set(key, value);
  }
  return chosen;
}

std::string unknown_field(const std::vector<Brought>& brings, const Attributes& given) {
  std::set<std::string> known;
  const auto learn = [&](const auto* table) {
    if (table == nullptr) return;
    for (std::int32_t i = 0; i < table->option_count; ++i) known.insert(table->options[i].name);
  };
  for (const Brought& b : brings) {
    if (b.kind == "layer") learn(find_layer_plugin(b.name));
    if (b.kind == "loss") learn(find_loss_plugin(b.name));
    if (b.kind == "optimizer") learn(find_optimizer_plugin(b.name));
  }
  for (const auto& [key, value] : given.entries()) {
    if (!known.contains(key)) return key;
  }
  return "";
}

}  // namespace soma::conformance
