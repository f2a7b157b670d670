#include <algorithm>
#include <cmath>
#include <span>

#include "lint.hpp"
#include "soma/error.hpp"

using enum Finding::Severity;
using Kind = soma::Init::Kind;

namespace {

constexpr int kDeep = 8;            // from so many layers on a mismatch of scale adds up
constexpr double kFarOff = 10;      // times the scale that keeps the variance
constexpr double kNeverActive = 3;  // standard deviations below which a unit never wakes up
constexpr double kManyDead = 0.1;

/// Inputs of one unit: weights without bias over units.
double fan_in(const LintSubject& s, std::size_t i) {
  const auto units = static_cast<double>(s.layers[i].output.back());
  return std::max(1.0, (static_cast<double>(s.layers[i].parameters) - units) / units);
}

/// The deviation that an initialiser gives, where it states one.
std::optional<double> deviation_of(const soma::Init& init) {
  if (init.kind == Kind::normal) return init.a;
  if (init.kind == Kind::uniform) return (init.b - init.a) / std::sqrt(12.0);
  return std::nullopt;
}

bool is_constant(const soma::Init& init) {
  return init.kind == Kind::zeros || init.kind == Kind::ones || init.kind == Kind::constant ||
         deviation_of(init) == 0.0;
}

void look_at_init(const LintSubject& s, std::size_t i, int depth, std::vector<Finding>& findings) {
  const std::string& name = s.layers[i].name;
  const std::string text = s.text(i, "init");
  const soma::Init init = text.empty() ? soma::Init::automatic : soma::init_from_name(text);
  const LintSubject::After after = s.after(i);
  if (is_constant(init)) {
    if (s.is_output(i)) return;  // the gradient of the loss tells its units apart
    const bool zero = init.kind == Kind::zeros || (init.kind != Kind::ones && init.a == 0);
    findings.push_back({error, zero ? "zero-init" : "constant-init", name,
                        "all units start equal and get equal gradients, so they stay one unit" +
                            std::string(zero ? ", and nothing before them learns" : ""),
                        "leave init out, or use he_normal or xavier_uniform"});
    return;
  }
  const bool matters = !after.normalised && s.model.initialized() == false;
  if (const auto deviation = deviation_of(init); deviation && matters) {
    const double wanted = std::sqrt((rectifies(after.activation) ? 2 : 1) / fan_in(s, i));
    const double factor = *deviation / wanted;
    if (factor > kFarOff || factor < 1 / kFarOff) {
      findings.push_back({warning, "init-scale", name,
                          "weights start with deviation " + short_number(*deviation) + " where " +
                              short_number(wanted) +
                              " keeps the scale of what passes through: it " +
                              (factor > 1 ? "grows" : "shrinks") + " " +
                              short_number(std::max(factor, 1 / factor)) + "-fold",
                          "use he_normal or xavier_uniform"});
    }
  }
  const bool he = init.kind == Kind::he_normal || init.kind == Kind::he_uniform;
  const bool xavier = init.kind == Kind::xavier_normal || init.kind == Kind::xavier_uniform ||
                      init.kind == Kind::lecun_normal || init.kind == Kind::lecun_uniform;
  // Left to the layer, it fits the layer's own activation, but not one of a layer behind it.
  const bool unknowing = init.kind == Kind::automatic && s.text(i, "activation").empty();
  if (!matters || after.activation.empty()) return;
  if (rectifies(after.activation) && (xavier || unknowing)) {
    findings.push_back({depth >= kDeep ? warning : info, "init-activation", name,
                        "weights for a symmetric activation before " + after.activation +
                            ", which lets half of the variance through",
                        "\"init\": \"he_normal\"" + std::string(unknowing ? ", or give the layer "
                                                                            "the activation itself"
                                                                          : "")});
  } else if (saturates(after.activation) && he) {
    findings.push_back({depth >= kDeep ? warning : info, "init-activation", name,
                        "he initialisation before " + after.activation +
                            " is too wide: units start in its flat parts",
                        "\"init\": \"xavier_uniform\""});
  }
}

/// Of weights that are there already: units that no usual input activates.
void look_at_biases(const LintSubject& s, std::size_t i, std::vector<Finding>& findings) {
  if (!rectifies(s.after(i).activation) || s.after(i).normalised) return;
  const soma::Parameter *weight = nullptr, *bias = nullptr;
  for (const soma::Parameter& p : s.model.parameters()) {
    if (p.name == s.layers[i].name + ".weight") weight = &p;
    if (p.name == s.layers[i].name + ".bias") bias = &p;
  }
  if (weight == nullptr || bias == nullptr || s.is(i, "conv_transpose2d")) return;
  const auto biases = bias->value.as<float>();
  const auto weights = weight->value.as<float>();
  const std::size_t width = weights.size() / std::max<std::size_t>(1, biases.size());
  std::size_t dead = 0;
  for (std::size_t unit = 0; unit < biases.size(); ++unit) {
    double squares = 0;
    for (const float w : weights.subspan(unit * width, width)) squares += double{w} * w;
    dead += biases[unit] < -kNeverActive * std::sqrt(squares);
  }
  const double share = static_cast<double>(dead) / static_cast<double>(biases.size());
  if (share < kManyDead) return;
  findings.push_back({warning, "dead-units", s.layers[i].name,
                      short_number(100 * share) +
                          " % of the units have biases so far below zero "
                          "that " +
                          s.after(i).activation +
                          " gives 0 for any usual input, and no "
                          "gradient",
                      "initialise the layer anew, lower the learning rate, or use leaky_relu"});
}

}  // namespace

void lint_initialisation(const LintSubject& s, std::vector<Finding>& findings) {
  int depth = 0;
  for (std::size_t i = 0; i < s.layers.size(); ++i) depth += s.is_linear(i);
  for (std::size_t i = 0; i < s.layers.size(); ++i) {
    if (!s.is_linear(i)) continue;
    look_at_init(s, i, depth, findings);
    if (s.model.initialized()) look_at_biases(s, i, findings);
  }
}
