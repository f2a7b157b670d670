#include "soma/schedule.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>
#include <optional>
#include <vector>

#include "soma/error.hpp"
#include "train/rate.hpp"

namespace soma {
namespace {

/// The options of one type: name and least value, whether it must be given.
struct Option {
  const char* name;
  double least;
  bool required = false;
};
struct Type {
  const char* name;
  std::vector<Option> options;
};

const std::vector<Type>& types() {
  static const std::vector<Type> list = {
      {"constant", {{"warmup", 0}}},
      {"step", {{"every", 1, true}, {"factor", 0}, {"warmup", 0}}},
      {"multistep", {{"at", 0, true}, {"factor", 0}, {"warmup", 0}}},
      {"exponential", {{"factor", 0, true}, {"warmup", 0}}},
      {"cosine", {{"total", 0}, {"min", 0}, {"warmup", 0}}},
      {"one_cycle", {{"total", 0}, {"peak_at", 0}, {"start", 0}, {"end", 0}}},
      {"plateau", {{"factor", 0}, {"patience", 0}, {"threshold", 0}, {"min", 0}, {"warmup", 0}}},
  };
  return list;
}

[[noreturn]] void fail(std::string_view text, const std::string& problem) {
  throw ShapeError("schedule \"" + std::string(text) + "\": " + problem);
}

std::optional<double> number(std::string_view text) {
  double x = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), x);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(x)) return {};
  return x;
}

std::string shortest(double x) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, x).ptr};
}

/// The pieces between separators.
std::vector<std::string_view> pieces(std::string_view text, char separator) {
  std::vector<std::string_view> list;
  for (;;) {
    const std::size_t end = text.find(separator);
    list.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return list;
    text.remove_prefix(end + 1);
  }
}

std::vector<double> milestones(const Schedule& schedule) {
  const std::string at = schedule.options.text("at", "");
  std::vector<double> list;
  for (const auto piece : pieces(at, '/')) list.push_back(number(piece).value_or(0));
  return list;
}

void read_option(std::string_view text, std::string_view piece, const Type& type,
                 Attributes& options) {
  const std::size_t equals = piece.find('=');
  const std::string name(piece.substr(0, equals));
  const auto option =
      std::ranges::find(type.options, name, [](const Option& o) { return std::string(o.name); });
  if (option == type.options.end() || equals == std::string_view::npos) {
    std::string known;
    for (const Option& o : type.options) known += (known.empty() ? "" : ", ") + std::string(o.name);
    fail(text, "unknown option '" + name + "'; known are " + known + ", each as name=value");
  }
  for (const auto& [key, value] : options.entries()) {
    if (key == name) fail(text, name + ": given twice");
  }
  const std::string_view value = piece.substr(equals + 1);
  if (name == "at") {
    for (const auto milestone : pieces(value, '/')) {
      if (!number(milestone)) fail(text, "at: expected update numbers as in 100/200");
    }
    options.set(name, std::string(value));
    return;
  }
  const auto x = number(value);
  if (!x || *x < option->least) {
    fail(text, name + ": expected a number of " + shortest(option->least) + " or more, got \"" +
                   std::string(value) + "\"");
  }
  options.set(name, *x);
}

/// From 1 at x = 0 down to 0 at x = 1.
double half_cosine(double x) { return 0.5 * (1 + std::cos(std::numbers::pi * x)); }

}  // namespace

Schedule::Schedule(std::string_view text) {
  const std::size_t open = text.find('(');
  const std::string_view name = text.substr(0, open);
  const auto known = std::ranges::find(types(), name, &Type::name);
  if (known == types().end()) {
    std::string list;
    for (const Type& t : types()) list += (list.empty() ? "" : ", ") + std::string(t.name);
    fail(text, "unknown schedule; known are " + list);
  }
  type = name;
  if (open != std::string_view::npos) {
    if (text.back() != ')') fail(text, "expected ')' at the end");
    const std::string_view inside = text.substr(open + 1, text.size() - open - 2);
    if (!inside.empty()) {
      for (const auto piece : pieces(inside, ',')) read_option(text, piece, *known, options);
    }
  }
  for (const Option& option : known->options) {
    const bool given = std::ranges::any_of(options.entries(),
                                           [&](const auto& e) { return e.first == option.name; });
    if (option.required && !given) fail(text, std::string("expected ") + option.name + "=...");
  }
}

std::string Schedule::str() const {
  std::string inside;
  for (const auto& [name, value] : options.entries()) {
    const auto* x = std::get_if<double>(&value);
    inside += (inside.empty() ? "" : ",") + name + "=" +
              (x != nullptr ? shortest(*x) : std::get<std::string>(value));
  }
  return inside.empty() ? type : type + "(" + inside + ")";
}

Rate::Rate(const Schedule& schedule) : text_(schedule.str()) {
  constexpr std::pair<std::string_view, Type> kTypes[] = {
      {"step", Type::step},     {"multistep", Type::multistep}, {"exponential", Type::exponential},
      {"cosine", Type::cosine}, {"one_cycle", Type::one_cycle}, {"plateau", Type::plateau}};
  for (const auto& [name, type] : kTypes) {
    if (name == schedule.type) type_ = type;
  }
  const Attributes& o = schedule.options;
  warmup_ = o.real("warmup", 0);
  factor_ = o.real("factor", type_ == Type::exponential ? 1 : 0.1);
  every_ = o.real("every", 1);
  total_ = o.real("total", 0);
  min_ = o.real("min", 0);
  start_ = o.real("start", 0.04);
  end_ = o.real("end", 4e-6);
  peak_at_ = o.real("peak_at", 0.3);
  if (type_ == Type::multistep) milestones_ = milestones(schedule);
}

double Rate::total(std::int64_t total_steps) const {
  if (total_ > 0) return total_;
  if (total_steps > 0) return static_cast<double>(total_steps);
  throw StateError("schedule \"" + text_ +
                   "\": expected total=..., since the number of updates is not known");
}

double Rate::one_cycle(double base, double i, double total) const {
  const double start = start_ * base, end = end_ * base;
  const double last = total - 1, peak = peak_at_ * total - 1;
  if (i < peak) return base + (start - base) * half_cosine(i / peak);
  if (i >= last) return end;
  return end + (base - end) * half_cosine((i - peak) / (last - peak));
}

double Rate::at(const ScheduleState& state, double base, std::int64_t step,
                std::int64_t total_steps) const {
  double i = static_cast<double>(step - 1);
  if (type_ == Type::one_cycle) return one_cycle(base, i, total(total_steps));
  if (i < warmup_) return base * ((i + 1) / warmup_);
  i -= warmup_;
  switch (type_) {
    case Type::step:
      return base * std::pow(factor_, std::floor(i / every_));
    case Type::multistep: {
      const auto reached = std::ranges::count_if(milestones_, [&](double m) { return m <= i; });
      return base * std::pow(factor_, static_cast<double>(reached));
    }
    case Type::exponential:
      return base * std::pow(factor_, i);
    case Type::cosine: {
      const double left = total(total_steps) - warmup_;
      return i < left ? min_ + (base - min_) * half_cosine(i / left) : min_;
    }
    case Type::plateau:
      return std::max(base * state.scale, std::min(base, min_));
    case Type::constant:
    case Type::one_cycle:
      break;
  }
  return base;
}

double learning_rate(const Schedule& schedule, const ScheduleState& state, double base,
                     std::int64_t step, std::int64_t total_steps) {
  return Rate(schedule).at(state, base, step, total_steps);
}

void observe(const Schedule& schedule, ScheduleState& state, double loss) {
  if (schedule.type != "plateau") return;
  const Attributes& o = schedule.options;
  if (loss < state.best * (1 - o.real("threshold", 1e-4)) || std::isinf(state.best)) {
    state.best = loss;
    state.waited = 0;
  } else if (static_cast<double>(++state.waited) > o.real("patience", 10)) {
    state.scale *= o.real("factor", 0.1);
    state.waited = 0;
  }
}

}  // namespace soma
