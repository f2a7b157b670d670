#include "model/parameters.hpp"

#include <algorithm>

#include "io/sha256.hpp"
#include "model/init.hpp"
#include "model/state.hpp"
#include "soma/error.hpp"

namespace soma {

namespace {

void add_parameters(Model::State& s) {
  if (s.layers.empty()) throw StateError("model '" + s.name + "' has no layers");
  if (!s.parameters.empty()) return;
  for (const auto& p : s.probe.parameters)
    s.parameters.push_back({p.name, Tensor(p.shape), 1, p.trainable});
}

}  // namespace

void make_parameters(Model& model) {
  // state() is const for those who only look; the model is the caller's to change.
  auto& state = const_cast<Model::State&>(model.state());
  add_parameters(state);
  state.initialized = true;
}

void Model::initialize(std::uint64_t seed) {
  State& s = *state_;
  add_parameters(s);
  for (std::size_t i = 0; i < s.parameters.size(); ++i) {
    const auto& info = s.probe.parameters[i];
    draw(s.parameters[i].value.as<float>(), info, seed);
    for (const Graph::Preset& preset : info.presets) {
      const auto values = s.parameters[i].value.as<float>();
      std::fill(values.begin() + preset.begin, values.begin() + preset.end, preset.value);
    }
    ++s.parameters[i].version;
  }
  s.initialized = true;
}

bool Model::initialized() const noexcept { return state_->initialized; }

std::vector<Parameter>& Model::parameters() {
  if (!state_->initialized)
    throw StateError("model '" + state_->name + "' has no weights yet: initialize or load it");
  return state_->parameters;
}

const std::vector<Parameter>& Model::parameters() const {
  return const_cast<Model*>(this)->parameters();
}

Parameter& Model::parameter(std::string_view name) {
  std::string list;
  for (Parameter& p : parameters()) {
    if (p.name == name) return p;
    list += (list.empty() ? "" : ", ") + p.name;
  }
  throw ShapeError("model '" + state_->name + "' has no parameter '" + std::string(name) +
                   "'; it has " + list);
}

std::int64_t Model::parameter_count() const {
  std::int64_t n = 0;
  for (const auto& p : state_->probe.parameters) n += p.trainable ? p.shape.elements() : 0;
  return n;
}

std::string Model::weights_sha256() const {
  io::Sha256 hash;
  for (const Parameter& p : parameters()) {
    hash.update(std::as_bytes(std::span(p.name)));
    const std::string shape = p.value.shape().str();
    hash.update(std::as_bytes(std::span(shape)));
    hash.update({p.value.data(), p.value.size_bytes()});
  }
  return hash.hex();
}

}  // namespace soma
