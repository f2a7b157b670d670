#include "inspect/pull.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>

#include "inspect/subject.hpp"
#include "neuron/data_batches.hpp"

namespace soma {
namespace {

constexpr std::string_view kGradient = "gradient of ";

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

/// The gradients of one step and what its update changed.
class Pull final : public StepObserver {
 public:
  std::map<std::string, std::vector<float>> gradients;  // of parameters
  std::map<std::string, double> outputs;                // norms, by layer

  void after(const StepKernel& kernel) override {
    if (kernel.phase == KernelTime::Phase::update) return;
    for (const StepTensor& t : kernel.outputs) {
      if (t.type != DType::f32 || !t.name.starts_with(kGradient)) continue;
      const std::string name(t.name.substr(kGradient.size()));
      const auto numbers = t.floats();
      constexpr std::string_view kOutput = ".output";
      if (name.ends_with(kOutput)) {
        // Changed in place where several paths meet: the last one counts.
        outputs[name.substr(0, name.size() - kOutput.size())] = std::sqrt(dot(numbers, numbers));
      } else {
        gradients[name].assign(numbers.begin(), numbers.end());
      }
    }
  }
};

void put_back(const Model& from, Model& to) {
  for (std::size_t i = 0; i < from.parameters().size(); ++i) {
    Parameter& p = to.parameters()[i];
    std::ranges::copy(from.parameters()[i].value.as<float>(), p.value.as<float>().begin());
    ++p.version;
  }
}

/// Of one layer, its weights' gradient in each batch as one row.
struct Rows {
  std::vector<std::vector<float>> of_batch;

  void summarize(GradientExamination& to) const {
    double norms = 0, cosines = 0, squares = 0, count = 0;
    std::vector<double> norm;
    for (const auto& row : of_batch) {
      norm.push_back(std::sqrt(dot(row, row)));
      norms += norm.back();
      squares += dot(row, row);
      count += static_cast<double>(row.size());
    }
    to.weights = norms / static_cast<double>(std::max<std::size_t>(1, of_batch.size()));
    to.deviation = count > 0 ? std::sqrt(squares / count) : 0;
    int pairs = 0;
    for (std::size_t a = 0; a < of_batch.size(); ++a) {
      for (std::size_t b = a + 1; b < of_batch.size(); ++b) {
        if (!(norm[a] > 0) || !(norm[b] > 0)) continue;
        cosines += dot(of_batch[a], of_batch[b]) / (norm[a] * norm[b]);
        ++pairs;
      }
    }
    if (pairs > 0) to.cosine = cosines / pairs;
  }
};

}  // namespace

void examine_pull(const Model& model, const Backend& backend, const Dataset& data,
                  const ExaminationOptions& options, Examination& to) {
  if (options.gradient_batches < 1 || model.losses().empty()) return;
  Model copy = copy_of(model);
  TrainerOptions training = options.training;
  training.nan_check = NanCheck::none;  // what is not finite is a finding
  Trainer trainer(copy, backend, training);
  if (!options.checkpoint.empty()) trainer.load_checkpoint(options.checkpoint);
  trainer.use_schedule({});
  const std::int64_t count = std::min(options.gradient_batch, data.size());
  const std::int64_t batches =
      std::max<std::int64_t>(1, std::min(options.gradient_batches, data.size() / count));
  DataBatches reader(model, data);
  std::vector<std::int64_t> samples(static_cast<std::size_t>(count));
  const auto subjects = subjects_of(model);
  std::map<std::string, Rows> rows;
  std::map<std::string, double> norms;
  const auto layer_named = [&](const std::string& name) {
    return std::ranges::find(to.layers, name, &LayerExamination::name);
  };
  for (std::int64_t b = 0; b < batches; ++b) {
    put_back(model, copy);
    std::iota(samples.begin(), samples.end(), b * count);
    Pull pull;
    trainer.observe(&pull);
    to.gradient_loss += trainer.step(reader.inputs(samples), reader.targets(samples)) /
                        static_cast<double>(batches);
    trainer.observe(nullptr);
    for (const auto& [layer, norm] : pull.outputs)
      norms[layer] += norm / static_cast<double>(batches);
    for (const LayerSubject& s : subjects) {
      std::vector<float> row;
      for (const std::size_t p : s.weights) {
        const auto& gradient = pull.gradients[model.parameters()[p].name];
        row.insert(row.end(), gradient.begin(), gradient.end());
      }
      const auto layer = layer_named(s.name);
      if (b == 0 && layer != to.layers.end()) layer->update = change_of(model, copy, s.weights);
      if (!row.empty()) rows[s.name].of_batch.push_back(std::move(row));
    }
  }
  to.gradient_batches = batches;
  LayerExamination* before = nullptr;
  for (LayerExamination& layer : to.layers) {
    const bool has_output = norms.contains(layer.name), has_rows = rows.contains(layer.name);
    if (!has_output && !has_rows) continue;
    GradientExamination& gradient = layer.gradient.emplace();
    if (has_rows) rows[layer.name].summarize(gradient);
    if (!has_output) continue;
    gradient.output = norms[layer.name];
    if (!layer.is_judged) continue;
    if (before != nullptr && *gradient.output > 0) {
      before->gradient->to_next = *before->gradient->output / *gradient.output;
    }
    before = &layer;
  }
}

}  // namespace soma
