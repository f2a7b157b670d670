#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/atomic_file.hpp"

namespace soma::io {

/// Element types that are read and written: F32, F64, I32, I64, U8.
enum class Element { f32, f64, i32, i64, u8 };
std::size_t size_bytes(Element element) noexcept;
/// As in the file: "F32".
const char* name_of(Element element) noexcept;

/// A tensor of a file: little-endian elements, row-major, not owned.
struct TensorEntry {
  std::string name;
  Element element = Element::f32;
  std::vector<std::int64_t> shape;
  const std::byte* data = nullptr;

  std::size_t bytes() const noexcept;
};

using Metadata = std::map<std::string, std::string>;

/// Writes a safetensors file through write_atomically. Tensors stand in the given order, wider
/// element types first, so that each is aligned to its elements; the first begins on a 64-byte
/// boundary. Throws FormatError, also for two tensors of one name.
/// Source: https://github.com/huggingface/safetensors, section "Format".
void write_safetensors(const std::filesystem::path& file, std::span<const TensorEntry> tensors,
                       const Metadata& metadata, Predecessor predecessor = Predecessor::discard);

/// A safetensors file mapped into memory. Move-only; the entries point into the mapping. The file
/// may be replaced meanwhile (another file then has its name) but not be shortened in place.
class SafetensorsReader {
 public:
  /// Throws FormatError, one sentence with file, place, expected and found, unless the header is
  /// whole JSON of known fields, names are unique, and the tensors, each as long as its shape says,
  /// cover the rest of the file without gap or overlap.
  explicit SafetensorsReader(const std::filesystem::path& file);
  SafetensorsReader(SafetensorsReader&& other) noexcept;
  SafetensorsReader& operator=(SafetensorsReader&& other) noexcept;
  ~SafetensorsReader();

  const std::filesystem::path& file() const noexcept { return file_; }
  /// In the order of their bytes.
  const std::vector<TensorEntry>& tensors() const noexcept { return tensors_; }
  /// nullptr if there is none of that name.
  const TensorEntry* find(std::string_view name) const noexcept;
  const Metadata& metadata() const noexcept { return metadata_; }

 private:
  std::filesystem::path file_;
  std::span<const std::byte> mapping_;
  std::vector<TensorEntry> tensors_;
  Metadata metadata_;
};

}  // namespace soma::io
