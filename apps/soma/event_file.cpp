#include "event_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>

#include "soma/error.hpp"

namespace {

/// CRC-32C (Castagnoli), reflected, a byte at a time.
std::uint32_t crc32c(std::string_view bytes) {
  static constexpr auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0u);
      table[i] = crc;
    }
    return table;
  }();
  std::uint32_t crc = ~0u;
  for (const char c : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

/// As records carry it, since a CRC over bytes that hold their own CRC is worth little.
std::uint32_t masked(std::uint32_t crc) { return std::rotr(crc, 15) + 0xa282ead8u; }

void append_little(std::string& to, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to += static_cast<char>(value >> 8 * i);
}

// Protobuf's wire format: a varint of (field number << 3 | type), then the value.
enum WireType : std::uint64_t { varint = 0, fixed64 = 1, length = 2, fixed32 = 5 };

void append_varint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) to += static_cast<char>(value | 0x80);
  to += static_cast<char>(value);
}
void append_key(std::string& to, std::uint64_t field, WireType type) {
  append_varint(to, field << 3 | type);
}
void append_bytes(std::string& to, std::uint64_t field, std::string_view bytes) {
  append_key(to, field, length);
  append_varint(to, bytes.size());
  to += bytes;
}
void append_integer(std::string& to, std::uint64_t field, std::int64_t value) {
  append_key(to, field, varint);
  append_varint(to, static_cast<std::uint64_t>(value));
}

/// Event { double wall_time = 1; int64 step = 2; }
std::string event_at(std::int64_t step) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  std::string event;
  append_key(event, 1, fixed64);
  append_little(event, std::bit_cast<std::uint64_t>(now.count()), 8);
  append_integer(event, 2, step);
  return event;
}

/// Summary { repeated Value value = 1; }, Value { string tag = 1; float simple_value = 2; }
std::string summary_of(const std::vector<Scalar>& scalars) {
  std::string summary;
  for (const Scalar& scalar : scalars) {
    if (!std::isfinite(scalar.value)) continue;
    std::string value;
    append_bytes(value, 1, scalar.tag);
    append_key(value, 2, fixed32);
    append_little(value, std::bit_cast<std::uint32_t>(static_cast<float>(scalar.value)), 4);
    append_bytes(summary, 1, value);
  }
  return summary;
}

std::string record_of(const std::string& event) {
  std::string record;
  append_little(record, event.size(), 8);
  append_little(record, masked(crc32c(record)), 4);
  record += event;
  append_little(record, masked(crc32c(event)), 4);
  return record;
}

std::string host_name() {
  char name[256] = "";
  return gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "localhost";
}

}  // namespace

EventFile::~EventFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

void EventFile::open() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::string stem =
      "events.out.tfevents." +
      std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count()) + "." +
      host_name() + "." + std::to_string(getpid()) + ".";
  for (int n = 0; descriptor_ < 0; ++n) {
    file_ = folder_ / (stem + std::to_string(n));
    descriptor_ = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST) {
      throw soma::FormatError("cannot create " + file_.string() + ": " + std::strerror(errno));
    }
  }
  std::string version = event_at(0);
  append_bytes(version, 3, "brain.Event:2");  // file_version
  write(version);
  std::string start = event_at(first_step_), log;
  append_integer(log, 1, 1);  // SessionLog { status = START }
  append_bytes(start, 7, log);
  write(start);
}

void EventFile::write(const std::string& event) const {
  const std::string record = record_of(event);
  if (::write(descriptor_, record.data(), record.size()) != static_cast<ssize_t>(record.size())) {
    throw soma::FormatError("cannot write " + file_.string() + ": " + std::strerror(errno));
  }
}

void EventFile::add(std::int64_t step, const std::vector<Scalar>& scalars) {
  const std::string summary = summary_of(scalars);
  if (summary.empty()) return;
  if (descriptor_ < 0) open();
  std::string event = event_at(step);
  append_bytes(event, 5, summary);
  write(event);
}
