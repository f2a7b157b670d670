// TensorBoard's event files of a run, read by protobuf from the messages' definitions, with CRCs by
// Boost: nothing here is shared with what writes them.
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <boost/crc.hpp>
#include <map>
#include <sstream>

#include "small_task.hpp"

namespace {

namespace fs = std::filesystem;
namespace pb = google::protobuf;

// The part of tensorflow/core/util/event.proto and framework/summary.proto that a reader needs, as
// a FileDescriptorProto.
constexpr const char* kDefinition = R"(
name: "event.proto" syntax: "proto3"
message_type {
  name: "Value"
  field { name: "tag" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "simple_value" number: 2 type: TYPE_FLOAT label: LABEL_OPTIONAL }
}
message_type {
  name: "Summary"
  field { name: "value" number: 1 type: TYPE_MESSAGE type_name: ".Value" label: LABEL_REPEATED }
}
message_type {
  name: "SessionLog"
  field { name: "status" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
}
message_type {
  name: "Event"
  field { name: "wall_time" number: 1 type: TYPE_DOUBLE label: LABEL_OPTIONAL }
  field { name: "step" number: 2 type: TYPE_INT64 label: LABEL_OPTIONAL }
  field { name: "file_version" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "summary" number: 5 type: TYPE_MESSAGE type_name: ".Summary" label: LABEL_OPTIONAL }
  field {
    name: "session_log" number: 7 type: TYPE_MESSAGE type_name: ".SessionLog" label: LABEL_OPTIONAL
  }
}
)";

/// Messages of the type Event, made from its definition.
class EventReader {
 public:
  EventReader() {
    pb::FileDescriptorProto file;
    EXPECT_TRUE(pb::TextFormat::ParseFromString(kDefinition, &file));
    event_ = pool_.BuildFile(file)->FindMessageTypeByName("Event");
  }
  std::unique_ptr<pb::Message> read(const std::string& bytes) {
    std::unique_ptr<pb::Message> event(factory_.GetPrototype(event_)->New());
    EXPECT_TRUE(event->ParseFromString(bytes));
    EXPECT_EQ(event->GetReflection()->GetUnknownFields(*event).field_count(), 0);
    return event;
  }

 private:
  pb::DescriptorPool pool_;
  pb::DynamicMessageFactory factory_{&pool_};
  const pb::Descriptor* event_ = nullptr;
};

std::uint64_t little_endian(const std::string& bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes.at(at + i));
  }
  return value;
}

std::uint32_t masked_crc(const std::string& bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  const std::uint32_t sum = crc.checksum();
  return ((sum >> 15) | (sum << 17)) + 0xa282ead8u;
}

std::vector<std::string> records_of(const fs::path& file) {
  const std::string bytes = read_text(file);
  std::vector<std::string> records;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::uint64_t length = little_endian(bytes, at, 8);
    EXPECT_EQ(little_endian(bytes, at + 8, 4), masked_crc(bytes.substr(at, 8)));
    records.push_back(bytes.substr(at + 12, length));
    EXPECT_EQ(little_endian(bytes, at + 12 + length, 4), masked_crc(records.back()));
    at += 12 + length + 4;
  }
  return records;
}

/// What TensorBoard shows of a run folder: tag -> step -> value. A session that starts at a step
/// takes away what earlier ones have from there on.
struct Board {
  std::map<std::string, std::map<std::int64_t, float>> scalars;
  int sessions = 0;

  explicit Board(const fs::path& folder) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().filename().string().starts_with("events.out.tfevents.")) {
        files.push_back(entry.path());
      }
    }
    std::ranges::sort(files, {}, [](const fs::path& file) { return fs::last_write_time(file); });
    for (const fs::path& file : files) read(file);
  }

  void read(const fs::path& file) {
    EventReader reader;
    bool first = true;
    for (const std::string& record : records_of(file)) {
      const auto event = reader.read(record);
      const pb::Reflection& of = *event->GetReflection();
      const auto field = [&](const char* name) {
        return event->GetDescriptor()->FindFieldByName(name);
      };
      EXPECT_GT(of.GetDouble(*event, field("wall_time")), 1.6e9);
      const std::int64_t step = of.GetInt64(*event, field("step"));
      if (first) {
        EXPECT_EQ(of.GetString(*event, field("file_version")), "brain.Event:2");
        first = false;
      }
      if (of.HasField(*event, field("session_log"))) {
        const pb::Message& log = of.GetMessage(*event, field("session_log"));
        EXPECT_EQ(log.GetReflection()->GetInt32(log, log.GetDescriptor()->FindFieldByNumber(1)), 1);
        ++sessions;
        for (auto& [tag, values] : scalars) values.erase(values.lower_bound(step), values.end());
      }
      if (of.HasField(*event, field("summary"))) add(step, of.GetMessage(*event, field("summary")));
    }
  }

  void add(std::int64_t step, const pb::Message& summary) {
    const pb::FieldDescriptor* values = summary.GetDescriptor()->FindFieldByNumber(1);
    const pb::Reflection& of = *summary.GetReflection();
    for (int i = 0; i < of.FieldSize(summary, values); ++i) {
      const pb::Message& value = of.GetRepeatedMessage(summary, values, i);
      const std::string tag =
          value.GetReflection()->GetString(value, value.GetDescriptor()->FindFieldByName("tag"));
      scalars[tag][step] = value.GetReflection()->GetFloat(
          value, value.GetDescriptor()->FindFieldByName("simple_value"));
    }
  }
};

/// A CSV file with a header: column -> numbers, empty cells as NaN.
std::map<std::string, std::vector<double>> read_csv(const fs::path& file) {
  std::istringstream in(read_text(file));
  std::string line, cell;
  std::getline(in, line);
  std::vector<std::string> names;
  for (std::istringstream row(line); std::getline(row, cell, ',');) names.push_back(cell);
  std::map<std::string, std::vector<double>> table;
  while (std::getline(in, line)) {
    std::istringstream row(line + ",");
    for (const std::string& name : names) {
      std::getline(row, cell, ',');
      table[name].push_back(cell.empty() ? std::nan("") : std::stod(cell));
    }
  }
  return table;
}

TEST(EventFile, HasTheScalarsOfTheRunAcrossItsSessions) {
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("run", {"--steps", "30"})).exit_code, 0);
  const fs::path run = task.run_path("run");
  EXPECT_EQ(Board(run).scalars.at("loss/test").rbegin()->first, 30);  // of the epoch cut short
  ASSERT_EQ(task.execute(task.resume("run", {"--epochs", "3"})).exit_code, 0);
  // A session that does nothing leaves no file.
  ASSERT_EQ(task.execute(task.resume("run", {})).exit_code, 0);
  const Board board(run);
  EXPECT_EQ(board.sessions, 2);
  const auto metrics = read_csv(run / "metrics.csv");
  const std::pair<const char*, const char*> kPairs[] = {{"loss/train", "train_loss"},
                                                        {"loss/test", "test_loss"},
                                                        {"accuracy/train", "train_accuracy"},
                                                        {"accuracy/test", "test_accuracy"},
                                                        {"f1/test", "test_f1"}};
  for (const auto& [tag, column] : kPairs) {
    const auto& drawn = board.scalars.at(tag);
    for (std::size_t i = 0; i < metrics.at("step").size(); ++i) {
      const auto step = static_cast<std::int64_t>(metrics.at("step")[i]);
      ASSERT_TRUE(drawn.contains(step)) << tag << " " << step;
      EXPECT_EQ(drawn.at(step), static_cast<float>(metrics.at(column)[i])) << tag << " " << step;
    }
  }
  const auto steps = read_csv(run / "steps.csv");
  const auto& losses = board.scalars.at("loss/step");
  ASSERT_EQ(losses.size(), steps.at("step").size());
  for (std::size_t i = 0; i < losses.size(); ++i) {
    EXPECT_EQ(losses.at(static_cast<std::int64_t>(steps.at("step")[i])),
              static_cast<float>(steps.at("train_loss")[i]));
  }
  EXPECT_EQ(board.scalars.at("learning_rate").size(), losses.size());
}

}  // namespace
