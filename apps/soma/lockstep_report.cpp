#include <bit>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "lockstep.hpp"
#include "session.hpp"
#include "table.hpp"

using nlohmann::ordered_json;

namespace {

std::string number(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// "-7 (0xc0e00000)": a float32 with its bits.
std::string value_text(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.9g (0x%08x)", value,
                std::bit_cast<std::uint32_t>(static_cast<float>(value)));
  return text;
}

const char* class_name(bool exact) { return exact ? "exact" : "bounded"; }

std::string index_text(const std::vector<std::int64_t>& index) {
  std::string text = "[";
  for (std::size_t i = 0; i < index.size(); ++i) {
    text += (i > 0 ? "," : "") + std::to_string(index[i]);
  }
  return text + "]";
}

std::string bound_text(const Divergence& at) {
  if (!at.limit) return at.note;
  const auto place = [](const char* name, const Divergence::Of& of) {
    if (!of.share) return std::string();
    const std::string side = std::string("; ") + name;
    if (*of.share <= 1) return side + " inside, at " + number("%.2g", *of.share) + " of it";
    if (!std::isfinite(*of.share)) return side + " OUTSIDE";
    return side + " OUTSIDE, at " + number("%.3g", *of.share) + " times it";
  };
  return "a priori " + number("%.9g", *at.float64) + " +- " + number("%.3g", *at.limit) +
         place("a", at.a) + place("b", at.b);
}

void print_divergence(const Divergence& at, const Comparison& comparison, std::ostream& out) {
  const auto side = [&](const char* name, const Side& is, const Divergence::Of& of) {
    out << "  " << name << "        " << value_text(of.value) << "  " << is.str() << ", "
        << of.implementation << ", class " << class_name(of.exact)
        << (of.canonical ? ", the canonical bits" : "") << "\n";
  };
  out << "  step     " << at.step << " (epoch " << at.epoch << ", its step " << at.step_in_epoch
      << "), kernel " << at.kernel << " of " << at.kernels << "\n"
      << "  layer    " << at.layer << ", " << at.phase << "\n"
      << "  op       " << at.op << "\n"
      << "  element  " << at.element << ", " << index_text(at.index) << " of output " << at.output
      << "; " << at.differing << " of " << at.elements << " elements differ\n";
  side("a", comparison.a, at.a);
  side("b", comparison.b, at.b);
  out << "  apart    "
      << (at.ulp ? grouped(*at.ulp) + " ulp, relative " + number("%.2g", at.relative)
                 : "not comparable as numbers")
      << "\n"
      << "  allowed  " << (at.a.exact && at.b.exact ? "nothing: both claim the class exact; " : "")
      << bound_text(at) << "\n";
  if (at.limit && !at.note.empty()) out << "  note     " << at.note << "\n";
}

void print_ops(const std::vector<OpComparison>& ops, std::ostream& out) {
  using enum Table::Align;
  Table table({{"op"}, {"differed", right}, {"worst ulp", right}, {"worst share of bound", right}});
  for (const OpComparison& op : ops) {
    table.add(
        {op.op_id, grouped(op.differing), grouped(op.worst_ulp), number("%.2g", op.worst_share)});
  }
  table.print(out);
}

/// JSON has no other numbers.
ordered_json finite(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? ordered_json(*value) : ordered_json();
}

ordered_json json_of(const Divergence::Of& of) {
  return {{"value", finite(of.value)},
          {"bits", value_text(of.value).substr(value_text(of.value).find('(') + 1, 10)},
          {"class", class_name(of.exact)},
          {"implementation", of.implementation},
          {"canonical", of.canonical},
          {"share_of_bound", finite(of.share)}};
}

ordered_json json_of(const std::optional<Divergence>& divergence) {
  if (!divergence) return nullptr;
  const Divergence& at = *divergence;
  return {{"step", at.step},
          {"epoch", at.epoch},
          {"step_in_epoch", at.step_in_epoch},
          {"kernel", at.kernel},
          {"kernels", at.kernels},
          {"layer", at.layer},
          {"phase", at.phase},
          {"op", at.op_id},
          {"shapes", at.op},
          {"output", at.output},
          {"element", at.element},
          {"index", at.index},
          {"differing", at.differing},
          {"elements", at.elements},
          {"a", json_of(at.a)},
          {"b", json_of(at.b)},
          {"ulp", at.ulp ? ordered_json(*at.ulp) : ordered_json()},
          {"relative", finite(at.relative)},
          {"float64", finite(at.float64)},
          {"bound", finite(at.limit)},
          {"note", at.note}};
}

ordered_json json_of(const Side& side) {
  return {{"backend", side.backend},
          {"fallback", side.fallback},
          {"numerics", name_of(side.numerics)},
          {"threads", side.threads}};
}

}  // namespace

void print_comparison(const Comparison& comparison, std::ostream& out) {
  out << "a  " << comparison.a.str() << "\nb  " << comparison.b.str() << "\n\n";
  const std::string compared =
      grouped(comparison.kernels) + " kernels of " + grouped(comparison.steps) + " steps";
  if (comparison.failed) {
    out << "DIVERGED\n";
    print_divergence(*comparison.failed, comparison, out);
  } else if (!comparison.trouble.empty()) {
    out << "STOPPED: " << comparison.trouble << "\n";
  } else if (!comparison.first) {
    out << "same bits in all " << compared << "\n";
  } else {
    out << "inside the bounds in all " << compared
        << ", each with the same inputs; bits first differ at\n";
    print_divergence(*comparison.first, comparison, out);
  }
  if (!comparison.ops.empty()) print_ops(comparison.ops, out << "\n");
}

ordered_json comparison_json(const Comparison& comparison) {
  auto ops = ordered_json::array();
  for (const OpComparison& op : comparison.ops) {
    ops.push_back({{"op", op.op_id},
                   {"differing", op.differing},
                   {"worst_ulp", op.worst_ulp},
                   {"worst_share", finite(op.worst_share)}});
  }
  return {{"passed", comparison.passed()},
          {"identical", comparison.passed() && !comparison.first},
          {"a", json_of(comparison.a)},
          {"b", json_of(comparison.b)},
          {"steps", comparison.steps},
          {"kernels", comparison.kernels},
          {"divergence", json_of(comparison.failed)},
          {"first_difference", json_of(comparison.first)},
          {"trouble", comparison.trouble},
          {"ops", ops}};
}
