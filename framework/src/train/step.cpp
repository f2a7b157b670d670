// The programs of a trainer and what one update does with them.
#include <algorithm>
#include <cmath>

#include "graph/rewrites.hpp"
#include "model/state.hpp"
#include "program/timeline.hpp"
#include "train/trainer_state.hpp"

namespace soma {

Graph Trainer::State::gradient_graph(std::int64_t batch, bool plain, bool share_of_batch) const {
  Graph graph = build_graph(model.state(), batch, Purpose::train);
  if (!plain) {
    fuse_epilogues(graph, Purpose::train, [&](const Op& op) { return backend.supports(op); });
  }
  freeze_layers(graph, frozen);
  append_losses(graph, model, Purpose::train);
  append_backward(graph, {.apart = layers_with_gradient_hooks(graph, hooks),
                          .share_of_batch = share_of_batch,
                          .frozen = frozen});
  return graph;
}

Trainer::State::Compiled& Trainer::State::training_program(std::int64_t batch) {
  Compiled& compiled = training[batch];
  const bool plain = is_watched();
  if (compiled.program && compiled.plain == plain) return compiled;
  compiled = {.batch = batch, .plain = plain};
  Graph graph = gradient_graph(batch, plain, false);
  append_update(graph, options.optimizer, options.regularization, options.average > 0);
  if (!plain) {
    mask_before_pooling(graph);
    remove_dead_nodes(graph);
    // The guard needs all gradients before the first update.
    compiled.hasty = options.nan_check == NanCheck::none;
    if (compiled.hasty) {
      hasten_updates(graph);
    } else {
      postpone_gradients(graph);
    }
  }
  finish(compiled, std::move(graph), {&model.parameters(), &optimizer});
  return compiled;
}

Trainer::State::Compiled& Trainer::State::summing_program(std::int64_t batch) {
  Compiled& compiled = summing[batch];
  const bool plain = is_watched();
  if (compiled.program && compiled.plain == plain) return compiled;
  compiled = {.batch = batch, .plain = plain, .summed = true};
  if (optimizer.sums.empty()) {
    for (const auto& p : model.parameters()) {
      optimizer.sums.emplace_back(p.trainable ? p.value.shape() : Shape{0});
    }
  }
  Graph graph = gradient_graph(batch, plain, true);
  const Storage storage{&model.parameters(), &optimizer};
  if (!summed_update.program) {
    Graph update =
        soma::summed_update(graph, options.optimizer, options.regularization, options.average > 0);
    summed_update.program = std::make_unique<Program>(std::move(update), backend, storage);
    summed_update.instance = summed_update.program->make_instance();
  }
  append_gradient_sums(graph);
  if (!plain) {
    mask_before_pooling(graph);
    remove_dead_nodes(graph);
  }
  finish(compiled, std::move(graph), storage);
  return compiled;
}

Trainer::State::Compiled& Trainer::State::evaluation_program(std::int64_t batch) {
  Compiled& compiled = evaluation[batch];
  if (compiled.program) return compiled;
  Graph graph = build_graph(model.state(), batch, Purpose::infer);
  if (!is_watched()) {
    fuse_epilogues(graph, Purpose::infer, [&](const Op& op) { return backend.supports(op); });
    remove_dead_nodes(graph);
  }
  append_losses(graph, model, Purpose::infer);
  finish(compiled, std::move(graph), {&model.parameters(), nullptr});
  return compiled;
}

void Trainer::State::finish(Compiled& compiled, Graph graph, Storage storage) {
  std::unique_ptr<HookCalls> calls;
  if (!hooks.empty()) calls = std::make_unique<HookCalls>(graph, hooks);
  auto program = std::make_unique<Program>(std::move(graph), backend, storage);
  compiled.instance = program->make_instance();
  compiled.hooks = std::move(calls);
  compiled.program = std::move(program);
}

void Trainer::State::forget_programs() {
  training.clear();
  summing.clear();
  evaluation.clear();
  summed_update = {};
}

void Trainer::State::add_hook(const std::string& layer, KernelTime::Phase phase, Hook hook) {
  std::vector<std::string> layers;
  for (const Model::LayerView& view : model.layers()) layers.push_back(view.name);
  require_layer(layers, layer);
  forget_programs();  // they are compiled anew, with the hooks
  hooks.push_back({layer, phase, std::move(hook)});
}

std::size_t Trainer::State::average_slot() const {
  return optimizer_slots(options.optimizer).size();
}

std::vector<std::string> Trainer::State::names(const Compiled& compiled) const {
  auto slots = optimizer_slots(options.optimizer);
  slots.emplace_back("average");
  return value_names(compiled.program->graph(), model, slots);
}

std::unique_ptr<Observation> Trainer::State::make_observation(const Compiled& compiled) const {
  return std::make_unique<Observation>(*compiled.program, names(compiled));
}

std::uint64_t Trainer::State::versions() const {
  std::uint64_t sum = 0;
  for (const Parameter& p : model.parameters()) sum += p.version;
  return sum;
}

void Trainer::State::keep_statistics() {
  for (std::size_t i = 0; i < statistics.size(); ++i) {
    std::ranges::copy(std::as_const(model.parameters()[statistics[i]].value).as<float>(),
                      statistics_before[i].as<float>().begin());
  }
}

void Trainer::State::restore_statistics() {
  for (std::size_t i = 0; i < statistics.size(); ++i) {
    std::ranges::copy(std::as_const(statistics_before[i]).as<float>(),
                      model.parameters()[statistics[i]].value.as<float>().begin());
  }
}

bool Trainer::State::statistics_finite() const {
  return std::ranges::all_of(statistics, [&](std::size_t p) {
    const auto numbers = std::as_const(model.parameters()[p].value).as<float>();
    return largest_bits(backend, threads, numbers) < kNonFinite;
  });
}

void Trainer::State::run_part(Compiled& compiled, Program::Part part, Program::Timeline* timeline,
                              StepObserver* check) {
  const std::int64_t step = progress.step + 1;
  Observers observers;
  if (compiled.hooks) {
    compiled.hooks->set_step(step);
    observers.add(compiled.hooks.get());
  }
  if (observer != nullptr) {
    if (!compiled.observation) compiled.observation = make_observation(compiled);
    compiled.observation->show(*observer, step, kernels_shown);
    observers.add(compiled.observation.get());
  }
  if (check != nullptr) {
    if (!compiled.check) compiled.check = make_observation(compiled);
    compiled.check->show(*check, step);
    observers.add(compiled.check.get());
  }
  compiled.program->run(compiled.instance, threads, timeline, observers.get(), part);
}

void Trainer::State::begin_update() {
  if (options.average > 0 && progress.step == 0) {
    for (std::size_t p = 0; p < optimizer.slots.size(); ++p) {
      if (optimizer.slots[p].empty()) continue;
      std::ranges::copy(std::as_const(model.parameters()[p].value).as<float>(),
                        optimizer.slots[p].back().as<float>().begin());
    }
  }
  progress.learning_rate = habits.rate_scale * rate.at(schedule, options.optimizer.learning_rate,
                                                       progress.step + 1, progress.total_steps);
  memory_changed = versions() != known_versions;
  if (memory_changed) guard.forget();
  guard.begin_update();
  kernels_shown = 0;
}

void Trainer::State::write_scalars(Compiled& compiled, std::int64_t draw) {
  if (std::int32_t* random = compiled.instance.random()) {
    random[0] = static_cast<std::int32_t>(options.seed);
    random[1] = static_cast<std::int32_t>(options.seed >> 32);
    random[2] = static_cast<std::int32_t>(draw);
    random[3] = 0;
  }
  const std::int64_t step = progress.step + 1;
  if (float* to = compiled.instance.scalars()) scalars.write(step, progress.learning_rate, to);
  if (float* share = compiled.instance.scalars(ScalarSet::average)) {
    const auto t = static_cast<double>(step);
    *share = static_cast<float>(1 - std::min(options.average, (1 + t) / (10 + t)));
  }
  if (float* share = compiled.instance.scalars(ScalarSet::batch_share)) *share = batch_share;
}

double Trainer::State::run_batch(Compiled& compiled, std::int64_t draw, const Reload& reload,
                                 Program::Timeline* timeline) {
  write_scalars(compiled, draw);
  compiled.program->refresh_packs(threads, timeline);
  if (options.nan_check != NanCheck::none) keep_statistics();
  FirstNonFinite first(compiled.program->graph(), scope(), backend, threads);
  try {
    run_part(compiled, compiled.hasty ? Program::Part::all : Program::Part::gradients, timeline,
             looks() ? &first : nullptr);
    const double loss = compiled.instance.loss();
    if (options.nan_check == NanCheck::step) {
      const bool finite =
          guard.gradients_finite(*compiled.program, compiled.instance, backend, threads);
      if (!finite || !std::isfinite(loss) || !statistics_finite()) {
        name_non_finite(compiled, draw, reload);
      }
    }
    if (compiled.summed) {
      run_part(compiled, Program::Part::update, timeline, nullptr);
      if (observer != nullptr) kernels_shown += compiled.observation->kernels();
    }
    return loss;
  } catch (const NonFiniteError&) {
    restore_statistics();
    throw;
  }
}

void Trainer::State::name_non_finite(Compiled& compiled, std::int64_t draw, const Reload& reload) {
  const double loss = compiled.instance.loss();
  restore_statistics();
  const struct Replay {
    explicit Replay(bool& flag) : on(flag) { on = true; }
    ~Replay() { on = false; }
    bool& on;
  } replay(replaying);
  // In the place of the rewritten program, so that whoever holds it reloads this one.
  if (compiled.summed) {
    summing_program(compiled.batch);
  } else {
    training_program(compiled.batch);
  }
  write_scalars(compiled, draw);
  compiled.program->refresh_packs(threads);
  reload();
  FirstNonFinite first(compiled.program->graph(), FirstNonFinite::Scope::everything, backend,
                       threads);
  run_part(compiled, Program::Part::gradients, nullptr, &first);
  // Not again: a hook or a plugin does not give the same numbers twice.
  throw NonFiniteError({.step = progress.step + 1,
                        .layer = "loss",
                        .op = "a kernel",
                        .tensor = std::isfinite(loss) ? "a gradient" : "loss",
                        .value = static_cast<float>(loss)});
}

void Trainer::State::end_update(Compiled& compiled, Program::Timeline* timeline) {
  const std::int64_t step = progress.step + 1;
  if (&compiled == &summed_update) write_scalars(compiled, 0);
  FirstNonFinite first(compiled.program->graph(), scope(), backend, threads);
  if (!compiled.hasty) {
    run_part(compiled, Program::Part::update, timeline, looks() ? &first : nullptr);
  }
  for (Parameter& p : model.parameters()) ++p.version;
  if (options.nan_check == NanCheck::step) {
    NonFinite found = guard.after_update(*compiled.program, compiled.instance, backend, threads,
                                         progress.learning_rate, [&] { return names(compiled); });
    if (!found.tensor.empty()) {
      found.step = step;
      throw NonFiniteError(std::move(found));
    }
    known_versions = versions();
  }
  ++progress.step;
}

double Trainer::State::update(Compiled& compiled, const Reload& reload,
                              Program::Timeline* timeline) {
  begin_update();
  progress.loss = run_batch(compiled, progress.step + 1, reload, timeline);
  end_update(compiled, timeline);
  return progress.loss;
}

}  // namespace soma
