#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// A number under a name, as TensorBoard draws it.
struct Scalar {
  std::string tag;  ///< "loss/train": what stands before the slash is drawn together
  double value;
};

/// TensorBoard's event file of one session in a run folder, events.out.tfevents.*: records of
/// [length u64][masked CRC-32C of it][a tensorflow.Event in protobuf's wire format][its masked
/// CRC-32C], little-endian, after tensorflow/core/lib/io/record_writer.h and
/// tensorflow/core/util/event.proto. The file is made with the first scalars; each record goes out
/// in one write, so that a kill leaves whole ones.
class EventFile {
 public:
  /// A session that goes on behind `step`: TensorBoard then drops what an earlier one has of later
  /// steps.
  EventFile(std::filesystem::path folder, std::int64_t step)
      : folder_(std::move(folder)), first_step_(step + 1) {}
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  /// Leaves out what is not finite. Throws soma::FormatError.
  void add(std::int64_t step, const std::vector<Scalar>& scalars);

 private:
  void open();
  void write(const std::string& event) const;

  std::filesystem::path folder_, file_;
  std::int64_t first_step_;
  int descriptor_ = -1;
};
