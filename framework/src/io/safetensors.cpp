#include "io/safetensors.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <set>
#include <system_error>
#include <utility>

#include "io/json_text.hpp"
#include "soma/error.hpp"

namespace soma::io {

namespace fs = std::filesystem;
static_assert(std::endian::native == std::endian::little, "tensors are stored little-endian");

namespace {

using Json = JsonText::Json;

constexpr Element kElements[] = {Element::f32, Element::f64, Element::i32, Element::i64,
                                 Element::u8};
constexpr std::size_t kLengthBytes = 8;              // of the header's length
constexpr std::size_t kLongestHeader = 100'000'000;  // as the format's own reader has it
constexpr std::size_t kAlignment = 64;

std::span<const std::byte> map(const fs::path& file) {
  const auto fail = [&](int error) -> FormatError {
    return FormatError("cannot read " + file.string() + ": " +
                       std::generic_category().message(error));
  };
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw fail(errno);
  struct stat status {};
  const bool known = ::fstat(fd, &status) == 0;
  int error = errno;
  void* data = nullptr;
  const bool regular = known && S_ISREG(status.st_mode);
  const auto size = static_cast<std::size_t>(status.st_size);
  if (regular && size > 0) {
    data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    error = errno;
  }
  ::close(fd);
  if (!known || data == MAP_FAILED) throw fail(error);
  if (!regular) throw FormatError("cannot read " + file.string() + ": not a regular file");
  return {static_cast<const std::byte*>(data), data == nullptr ? 0 : size};
}

/// Reads the header of one file; every complaint names the file and the tensor.
class HeaderReader {
 public:
  HeaderReader(const fs::path& file, std::span<const std::byte> bytes)
      : file_(file.string()), bytes_(bytes) {}

  void read(std::vector<TensorEntry>& tensors, Metadata& metadata) {
    const JsonText header(header_text(), file_ + ": header");
    if (!header.root().is_object()) fail("header: expected an object, found an array or value");
    for (const auto& [name, value] : header.root().items()) {
      if (name == "__metadata__") {
        read_metadata(value, metadata);
      } else {
        read_tensor(name, value, tensors);
      }
    }
    check_cover(tensors);
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw FormatError(file_ + ": not a whole safetensors file: " + problem);
  }

  std::string_view header_text() {
    if (bytes_.size() < kLengthBytes) {
      fail("expected at least 8 bytes, found " + std::to_string(bytes_.size()));
    }
    std::uint64_t length = 0;
    std::memcpy(&length, bytes_.data(), kLengthBytes);
    if (length > kLongestHeader || length > bytes_.size() - kLengthBytes) {
      fail("header: expected at most " +
           std::to_string(std::min(bytes_.size() - kLengthBytes, kLongestHeader)) +
           " bytes, found a length of " + std::to_string(length));
    }
    data_ = bytes_.subspan(kLengthBytes + length);
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + kLengthBytes,
                                length);
    if (!text.starts_with('{')) fail("header: expected '{' as its first byte");
    return text;
  }

  void read_metadata(const Json& value, Metadata& metadata) {
    if (!value.is_object()) fail("__metadata__: expected an object, found " + describe(value));
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) {
        fail("__metadata__." + key + ": expected a string, found " + describe(text));
      }
      metadata.emplace(key, text.get<std::string>());
    }
  }

  void read_tensor(const std::string& name, const Json& value, std::vector<TensorEntry>& tensors) {
    const std::string at = "tensor '" + name + "': ";
    if (!value.is_object()) fail(at + "expected an object, found " + describe(value));
    for (const auto& [key, ignored] : value.items()) {
      if (key != "dtype" && key != "shape" && key != "data_offsets") {
        fail(at + "expected dtype, shape and data_offsets, found '" + key + "'");
      }
    }
    for (const char* key : {"dtype", "shape", "data_offsets"}) {
      if (!value.contains(key)) fail(at + "expected a field " + key + ", found none");
    }
    TensorEntry entry;
    entry.name = name;
    entry.element = element(at, value["dtype"]);
    std::uint64_t expected = size_bytes(entry.element);
    if (!value["shape"].is_array()) {
      fail(at + "shape: expected an array, found " + describe(value["shape"]));
    }
    for (const Json& extent : value["shape"]) {
      const std::uint64_t dim = whole_number(at + "shape: ", extent);
      // An empty tensor has zero bytes whatever the other extents, but these must still fit.
      if (dim > INT64_MAX || __builtin_mul_overflow(expected, dim, &expected)) {
        fail(at + "shape: the size in bytes does not fit 64 bits");
      }
      entry.shape.push_back(static_cast<std::int64_t>(dim));
    }
    const Json& offsets = value["data_offsets"];
    if (!offsets.is_array() || offsets.size() != 2) {
      fail(at + "data_offsets: expected two numbers, found " + describe(offsets));
    }
    const std::uint64_t begin = whole_number(at + "data_offsets: ", offsets[0]);
    const std::uint64_t end = whole_number(at + "data_offsets: ", offsets[1]);
    if (begin > end || end > data_.size()) {
      fail(at + "data_offsets: expected a range within [0," + std::to_string(data_.size()) +
           "], found [" + std::to_string(begin) + "," + std::to_string(end) + "]");
    }
    if (end - begin != expected) {
      fail(at + "data_offsets: expected " + std::to_string(expected) +
           " bytes for its shape, found " + std::to_string(end - begin));
    }
    entry.data = data_.data() + begin;
    tensors.push_back(std::move(entry));
  }

  Element element(const std::string& at, const Json& value) const {
    for (const Element e : kElements) {
      if (value == name_of(e)) return e;
    }
    fail(at + "dtype: expected F32, F64, I32, I64 or U8, found " + describe(value));
  }

  std::uint64_t whole_number(const std::string& at, const Json& value) const {
    if (!value.is_number_unsigned()) {
      fail(at + "expected a whole number >= 0, found " + describe(value));
    }
    return value.get<std::uint64_t>();
  }

  void check_cover(std::vector<TensorEntry>& tensors) const {
    // Empty tensors first among those that begin at one place, whatever the header's order.
    std::ranges::stable_sort(tensors, [](const TensorEntry& a, const TensorEntry& b) {
      return std::pair(a.data, a.bytes()) < std::pair(b.data, b.bytes());
    });
    const std::byte* at = data_.data();
    for (const TensorEntry& tensor : tensors) {
      if (tensor.data != at) {
        fail("tensor '" + tensor.name + "': expected to begin at byte " +
             std::to_string(at - data_.data()) + ", found " +
             std::to_string(tensor.data - data_.data()) +
             (tensor.data > at ? ", which leaves a gap" : ", which overlaps another"));
      }
      at += tensor.bytes();
    }
    const auto covered = static_cast<std::size_t>(at - data_.data());
    if (covered != data_.size()) {
      fail("expected " + std::to_string(covered) + " bytes of tensors, found " +
           std::to_string(data_.size()));
    }
  }

  std::string file_;
  std::span<const std::byte> bytes_, data_;
};

}  // namespace

std::size_t size_bytes(Element element) noexcept {
  switch (element) {
    case Element::f64:
    case Element::i64:
      return 8;
    case Element::u8:
      return 1;
    default:
      return 4;
  }
}

const char* name_of(Element element) noexcept {
  constexpr const char* kNames[] = {"F32", "F64", "I32", "I64", "U8"};
  return kNames[static_cast<std::size_t>(element)];
}

std::size_t TensorEntry::bytes() const noexcept {
  std::size_t n = size_bytes(element);
  for (const std::int64_t dim : shape) n *= static_cast<std::size_t>(dim);
  return n;
}

void write_safetensors(const fs::path& file, std::span<const TensorEntry> tensors,
                       const Metadata& metadata, Predecessor predecessor) {
  std::vector<const TensorEntry*> order;
  std::set<std::string_view> names = {"__metadata__"};
  for (const TensorEntry& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      throw FormatError("cannot write " + file.string() + ": two tensors are named '" +
                        tensor.name + "'");
    }
    order.push_back(&tensor);
  }
  std::ranges::stable_sort(order, std::greater{},
                           [](const TensorEntry* t) { return size_bytes(t->element); });

  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::size_t offset = 0;
  for (const TensorEntry* tensor : order) {
    const std::size_t end = offset + tensor->bytes();
    header[tensor->name] = {{"dtype", name_of(tensor->element)},
                            {"shape", tensor->shape},
                            {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    throw FormatError("cannot write " + file.string() + ": a name or text is not UTF-8");
  }
  // The format allows spaces behind the header.
  while ((kLengthBytes + text.size()) % kAlignment != 0) text += ' ';
  const std::uint64_t length = text.size();
  write_atomically(
      file,
      [&](FileSink& sink) {
        sink.write(std::as_bytes(std::span(&length, 1)));
        sink.write(text);
        for (const TensorEntry* tensor : order) sink.write({tensor->data, tensor->bytes()});
      },
      predecessor);
}

SafetensorsReader::SafetensorsReader(const fs::path& file) : file_(file), mapping_(map(file)) {
  try {
    HeaderReader(file_, mapping_).read(tensors_, metadata_);
  } catch (...) {
    if (!mapping_.empty()) ::munmap(const_cast<std::byte*>(mapping_.data()), mapping_.size());
    throw;
  }
}

SafetensorsReader::SafetensorsReader(SafetensorsReader&& other) noexcept
    : file_(std::move(other.file_)),
      mapping_(std::exchange(other.mapping_, {})),
      tensors_(std::move(other.tensors_)),
      metadata_(std::move(other.metadata_)) {}

SafetensorsReader& SafetensorsReader::operator=(SafetensorsReader&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(mapping_, other.mapping_);
  std::swap(tensors_, other.tensors_);
  std::swap(metadata_, other.metadata_);
  return *this;
}

SafetensorsReader::~SafetensorsReader() {
  if (!mapping_.empty()) ::munmap(const_cast<std::byte*>(mapping_.data()), mapping_.size());
}

const TensorEntry* SafetensorsReader::find(std::string_view name) const noexcept {
  const auto it = std::ranges::find(tensors_, name, &TensorEntry::name);
  return it == tensors_.end() ? nullptr : &*it;
}

}  // namespace soma::io
