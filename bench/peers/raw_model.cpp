#include "raw_model.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "raw.hpp"
#include "soma/random_step.hpp"
#include "soma/sdk/ops/activation.hpp"
#include "soma/sdk/ops/batch_norm.hpp"
#include "workload.hpp"

namespace soma::bench {
namespace {

struct Part {
  Case work;
  int count = 1;
};

/// What the step consists of. The reference backend runs it once, to tell.
StepTimes observe(const Model& net, Mode mode, std::int64_t batch) {
  RandomStep step(net, soma::backend("reference"),
                  {.purpose = mode == Mode::train ? Purpose::train : Purpose::infer,
                   .batch = batch,
                   .optimizer = workload_of(net.name()).optimizer});
  return step.timed_run();
}

/// A batch norm and the relu behind it, which the peer counts apart.
std::vector<Op> apart(const Op& op) {
  if (op.family() != "batch_norm/1") return {op};
  auto norm = ops::BatchNorm::from(op.attributes);
  const bool relu = norm.relu, forward = op.direction() == "fwd";
  norm.relu = norm.residual = false;
  const Shape& x = op.in(0);
  std::vector<Op> list = {forward ? norm.forward(x, op.purpose) : norm.backward(x)};
  const ops::Activation activation{"relu"};
  if (relu) list.push_back(forward ? activation.forward(x, op.purpose) : activation.backward(x));
  return list;
}

bool recurrent(const Op& op) { return op.family() == "lstm/1"; }

/// Equal ops once, with their number. A recurrent op takes the products of its layer with it, as
/// oneDNN's primitive does.
std::vector<Part> parts_of(const StepTimes& step) {
  std::vector<KernelTime> kernels;
  for (const KernelTime& k : step.kernels) {
    if (!k.pack && k.phase != KernelTime::Phase::update) kernels.push_back(k);
  }
  std::vector<Part> parts;
  const auto add = [&](Case work) {
    const auto same =
        std::ranges::find_if(parts, [&](const Part& p) { return p.work.ops == work.ops; });
    if (same != parts.end()) {
      ++same->count;
    } else {
      parts.push_back({std::move(work)});
    }
  };
  std::vector<bool> taken(kernels.size(), false);
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    if (!recurrent(kernels[i].op)) continue;
    Case work{kernels[i].op.id, {kernels[i].op}};
    taken[i] = true;
    for (std::size_t j = 0; j < kernels.size(); ++j) {
      const bool belongs = kernels[j].layer == kernels[i].layer &&
                           kernels[j].phase == kernels[i].phase &&
                           kernels[j].op.family() == "linear/1";
      if (!belongs || taken[j]) continue;
      taken[j] = true;
      work.ops.push_back(kernels[j].op);
    }
    add(std::move(work));
  }
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    if (taken[i]) continue;
    for (const Op& op : apart(kernels[i].op)) add({op.id, {op}});
  }
  return parts;
}

}  // namespace

std::string time_raw_model(const std::string& model, Mode mode, std::int64_t batch,
                           double seconds) {
  const Model net = Model::named(model);
  const auto parts = parts_of(observe(net, mode, batch));
  const double share = std::max(0.02, seconds / static_cast<double>(parts.size()));
  Timing sum;
  int with = 0, all = 0;
  auto list = nlohmann::ordered_json::array();
  for (const Part& part : parts) {
    std::optional<Measured> measured;
    try {
      measured = time_raw(part.work, share);
    } catch (const dnnl::error&) {
      // No implementation: it does not count.
    }
    all += part.count;
    std::string ops;
    for (const Op& op : part.work.ops) ops += (ops.empty() ? "" : " + ") + op.str();
    list.push_back({{"op", ops}, {"count", part.count}, {"ms", nullptr}, {"implementation", ""}});
    if (!measured) continue;
    with += part.count;
    list.back()["ms"] = measured->timing.median;
    list.back()["implementation"] = measured->implementation;
    sum.median += part.count * measured->timing.median;
    sum.least += part.count * measured->timing.least;
    sum.most += part.count * measured->timing.most;
  }
  Measured total;
  total.timing = sum;
  total.implementation =
      "oneDNN, " + std::to_string(with) + " of " + std::to_string(all) + " kernels";
  auto json = nlohmann::ordered_json::parse(to_json(total));
  json["kernels"] = list;
  return json.dump();
}

}  // namespace soma::bench
