#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "graph/gradients.hpp"
#include "io/safetensors.hpp"
#include "io/sha256.hpp"
#include "train/trainer_state.hpp"

namespace soma {
namespace {

// Metadata of a checkpoint; numbers as text, floating-point ones in hexadecimal so that they come
// back bit for bit.
constexpr const char* kFormat = "soma_checkpoint";
constexpr const char* kFormatVersion = "1";

std::string exact(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%a", value);
  return text;
}

/// Reads the metadata of one file, with its name in every complaint.
class MetadataReader {
 public:
  explicit MetadataReader(const io::SafetensorsReader& file) : file_(file) {}

  bool has(const char* key) const { return file_.metadata().contains(key); }
  const std::string& text(const char* key) const {
    const auto it = file_.metadata().find(key);
    if (it == file_.metadata().end())
      fail(std::string("metadata '") + key + "' is missing: this is not a checkpoint");
    return it->second;
  }
  std::int64_t integer(const char* key) const {
    char* end = nullptr;
    const std::int64_t n = std::strtoll(text(key).c_str(), &end, 10);
    if (*end != '\0' || n < 0)
      fail(std::string("metadata '") + key + "': expected a count, found \"" + text(key) + "\"");
    return n;
  }
  double real(const char* key) const {
    char* end = nullptr;
    const double x = std::strtod(text(key).c_str(), &end);
    if (*end != '\0')
      fail(std::string("metadata '") + key + "': expected a number, found \"" + text(key) + "\"");
    return x;
  }
  [[noreturn]] void fail(const std::string& sentence) const {
    throw FormatError(file_.file().string() + ": " + sentence);
  }

 private:
  const io::SafetensorsReader& file_;
};

/// Every tensor of a training state by name, weights first.
std::vector<std::pair<std::string, Tensor*>> tensors_of(Trainer::State& s) {
  std::vector<std::pair<std::string, Tensor*>> list;
  auto& parameters = s.model.parameters();
  auto slots = optimizer_slots(s.options.optimizer);
  slots.emplace_back("average");
  for (Parameter& p : parameters) list.emplace_back(p.name, &p.value);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    for (std::size_t slot = 0; slot < s.optimizer.slots[i].size(); ++slot) {
      list.emplace_back("optimizer." + slots[slot] + "." + parameters[i].name,
                        &s.optimizer.slots[i][slot]);
    }
  }
  return list;
}

std::string content_hash(std::span<const io::TensorEntry> entries) {
  io::Sha256 hash;
  for (const auto& e : entries) {
    hash.update(std::as_bytes(std::span(e.name)));
    hash.update({e.data, e.bytes()});
  }
  return hash.hex();
}

/// What a checkpoint says, but for the hash of its tensors.
struct Content {
  std::vector<io::TensorEntry> entries;
  io::Metadata metadata;
  std::function<void()> write_best;

  void write(const std::filesystem::path& file) const {
    // What the checkpoint says is the best has to be there.
    if (write_best) write_best();
    io::Metadata hashed = metadata;
    hashed.emplace("sha256", content_hash(entries));
    io::write_safetensors(file, entries, hashed, io::Predecessor::keep);
  }
};

Content content_of(Trainer::State& s) {
  const Habits& h = s.habits;
  std::vector<io::TensorEntry> entries;
  for (const auto& [name, tensor] : tensors_of(s)) {
    const auto dims = tensor->shape().dims();
    entries.push_back({name, io::Element::f32, {dims.begin(), dims.end()}, tensor->data()});
  }
  const Progress& p = s.progress;
  const io::Metadata metadata = {
      {kFormat, kFormatVersion},
      {"model", s.model.to_json()},
      {"optimizer", s.options.optimizer.type},
      {"seed", std::to_string(s.options.seed)},
      {"epoch", std::to_string(p.epoch)},
      {"step", std::to_string(p.step)},
      {"step_in_epoch", std::to_string(p.step_in_epoch)},
      {"samples", std::to_string(p.samples)},
      {"seconds", exact(p.seconds)},
      {"data_seconds", exact(p.data_seconds)},
      {"loss", exact(p.loss)},
      {"mean_loss", exact(p.mean_loss)},
      {"accuracy", exact(p.accuracy)},
      {"loss_sum", exact(s.loss_sum)},
      {"correct", std::to_string(s.correct)},
      {"answers", std::to_string(s.answers)},
      {"seen", std::to_string(s.seen)},
      {"schedule", s.options.schedule.str()},
      {"schedule_scale", exact(s.schedule.scale)},
      {"schedule_best", exact(s.schedule.best)},
      {"schedule_waited", std::to_string(s.schedule.waited)},
      {"best_epoch", std::to_string(p.best_epoch + 1)},
      {"best", exact(p.best)},
      {"rewinds", std::to_string(p.rewinds)},
      {"stopped_early", p.stopped_early ? "1" : "0"},
      {"early_best", exact(h.early_best)},
      {"early_waited", std::to_string(h.early_waited + 1)},
      {"usual_loss", exact(h.usual_loss)},
      {"usual_steps", std::to_string(h.usual_steps)},
      {"rate_scale", exact(h.rate_scale)},
  };
  return {std::move(entries), metadata,
          s.best_file.empty() ? std::function<void()>() : s.best.writer(s.best_file)};
}

}  // namespace

void Trainer::save_checkpoint(const std::filesystem::path& file) const {
  content_of(*state_).write(file);
}

std::function<void(const std::filesystem::path&)> Trainer::snapshot() const {
  struct Copy {
    Content content;
    std::vector<std::unique_ptr<std::byte[]>> tensors;
  };
  const auto copy = std::make_shared<Copy>();
  copy->content = content_of(*state_);
  for (io::TensorEntry& entry : copy->content.entries) {
    auto& bytes =
        copy->tensors.emplace_back(std::make_unique_for_overwrite<std::byte[]>(entry.bytes()));
    if (entry.bytes() > 0) std::memcpy(bytes.get(), entry.data, entry.bytes());
    entry.data = bytes.get();
  }
  return [copy](const std::filesystem::path& file) { copy->content.write(file); };
}

void Trainer::load_checkpoint(const std::filesystem::path& file) {
  State& s = *state_;
  const io::SafetensorsReader reader(file);
  const MetadataReader metadata(reader);
  if (metadata.text(kFormat) != kFormatVersion) {
    metadata.fail("checkpoint format: expected " + std::string(kFormatVersion) + ", found " +
                  metadata.text(kFormat));
  }
  if (metadata.text("model") != s.model.to_json()) {
    throw ShapeError(file.string() + ": the checkpoint is of another model than '" +
                     s.model.name() + "'");
  }
  if (metadata.text("optimizer") != s.options.optimizer.type ||
      metadata.text("seed") != std::to_string(s.options.seed)) {
    throw ShapeError(file.string() + ": the checkpoint was trained with " +
                     metadata.text("optimizer") + " and seed " + metadata.text("seed") + ", not " +
                     s.options.optimizer.type + " and seed " + std::to_string(s.options.seed));
  }
  if (metadata.text("schedule") != s.options.schedule.str()) {
    throw ShapeError(file.string() + ": the checkpoint was trained with the schedule " +
                     metadata.text("schedule") + ", not " + s.options.schedule.str());
  }
  // Everything is checked before anything is changed.
  const auto targets = tensors_of(s);
  std::vector<io::TensorEntry> entries;
  for (const auto& [name, tensor] : targets) {
    const io::TensorEntry* entry = reader.find(name);
    if (entry == nullptr || entry->element != io::Element::f32 ||
        Shape(entry->shape) != tensor->shape()) {
      metadata.fail("tensor '" + name + "': expected F32 " + tensor->shape().str() + ", found " +
                    (entry == nullptr ? "none"
                                      : std::string(io::name_of(entry->element)) + " " +
                                            Shape(entry->shape).str()));
    }
    entries.push_back(*entry);
  }
  if (content_hash(entries) != metadata.text("sha256"))
    metadata.fail("the tensors are damaged: their SHA-256 differs");
  Progress p;
  p.epoch = metadata.integer("epoch");
  p.step = metadata.integer("step");
  p.step_in_epoch = metadata.integer("step_in_epoch");
  p.samples = metadata.integer("samples");
  p.seconds = metadata.real("seconds");
  p.data_seconds = metadata.has("data_seconds") ? metadata.real("data_seconds") : 0;  // since 0.1
  p.loss = metadata.real("loss");
  p.mean_loss = metadata.real("mean_loss");
  p.accuracy = metadata.real("accuracy");
  Habits habits;
  if (metadata.has("best_epoch")) {  // since 0.1, like all of these; counts are from 1, 0 is none
    p.best_epoch = metadata.integer("best_epoch") - 1;
    p.best = metadata.real("best");
    p.rewinds = metadata.integer("rewinds");
    p.stopped_early = metadata.integer("stopped_early") != 0;
    habits.early_best = metadata.real("early_best");
    habits.early_waited = metadata.integer("early_waited") - 1;
    habits.usual_loss = metadata.real("usual_loss");
    habits.usual_steps = metadata.integer("usual_steps");
    habits.rate_scale = metadata.real("rate_scale");
  }
  const double loss_sum = metadata.real("loss_sum");
  const std::int64_t correct = metadata.integer("correct"), answers = metadata.integer("answers"),
                     seen = metadata.integer("seen");
  const ScheduleState schedule{metadata.real("schedule_scale"), metadata.real("schedule_best"),
                               metadata.integer("schedule_waited")};

  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (entries[i].bytes() > 0)
      std::memcpy(targets[i].second->data(), entries[i].data, entries[i].bytes());
  }
  for (Parameter& parameter : s.model.parameters()) ++parameter.version;
  s.progress = p;
  s.loss_sum = loss_sum;
  s.correct = correct;
  s.answers = answers;
  s.seen = seen;
  s.schedule = schedule;
  s.habits = habits;
  s.best.forget();
}

}  // namespace soma
