#include "data/npy.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <utility>

#include "data/cell.hpp"
#include "soma/error.hpp"

namespace soma::data {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

/// What stands behind "'key':" in a header, without blanks in front; empty if it is not there.
std::string_view value_of(std::string_view header, std::string_view key) {
  const auto at = header.find("'" + std::string(key) + "'");
  if (at == std::string_view::npos) return {};
  std::string_view rest = header.substr(at + key.size() + 2);
  while (!rest.empty() && (rest[0] == ' ' || rest[0] == ':')) rest.remove_prefix(1);
  return rest;
}

template <class T>
T element(const char* from, bool swapped) {
  std::array<char, sizeof(T)> raw;
  std::copy_n(from, sizeof(T), raw.data());
  if (swapped) std::ranges::reverse(raw);
  return std::bit_cast<T>(raw);
}

}  // namespace

NpyArray::NpyArray(std::string bytes, const std::string& origin)
    : bytes_(std::move(bytes)), origin_(origin) {
  if (!bytes_.starts_with(kMagic) || bytes_.size() < 10) {
    fail(0, "expected an array in NumPy's format, found other bytes");
  }
  const auto byte = [&](std::size_t i) {
    return std::size_t{static_cast<unsigned char>(bytes_[i])};
  };
  const std::size_t version = byte(6);
  if (version < 1 || version > 3) {
    fail(6, "expected version 1 to 3 of the format, found " + std::to_string(version));
  }
  std::size_t begin = 10, length = byte(8) | byte(9) << 8;
  if (version > 1) {
    if (bytes_.size() < 12) fail(8, "expected the length of a header, found the file's end");
    begin = 12;
    length |= byte(10) << 16 | byte(11) << 24;
  }
  if (length > bytes_.size() - begin) {
    fail(begin, "expected a header of " + std::to_string(length) + " bytes, found the file's end");
  }
  parse_header(std::string_view(bytes_).substr(begin, length), begin);
  data_ = begin + length;
  const auto needed = static_cast<std::uint64_t>(shape_.elements()) * size_;
  if (bytes_.size() - data_ != needed) {
    fail(data_, "expected " + std::to_string(needed) + " bytes for an array " + shape_.str() +
                    ", found " + std::to_string(bytes_.size() - data_));
  }
}

void NpyArray::fail(std::size_t offset, const std::string& problem) const {
  throw FormatError(origin_ + ": offset " + std::to_string(offset) + ": " + problem);
}

void NpyArray::parse_header(std::string_view header, std::size_t offset) {
  const std::string_view type = value_of(header, "descr");
  constexpr std::string_view kTypes[] = {"f4", "f8", "i1", "i2", "i4", "i8",
                                         "u1", "u2", "u4", "u8", "b1"};
  if (type.size() < 5 || type[0] != '\'' || type[4] != '\'' ||
      std::string_view("<>|=").find(type[1]) == std::string_view::npos ||
      std::ranges::find(kTypes, type.substr(2, 2)) == std::end(kTypes)) {
    fail(offset, "expected an array of floats of 32 or 64 bits, integers or bools, found " +
                     shown(type.substr(0, std::min<std::size_t>(12, type.find(',')))));
  }
  order_ = type[1];
  kind_ = type[2];
  size_ = static_cast<std::size_t>(type[3] - '0');
  const bool c_order = value_of(header, "fortran_order").starts_with("False");
  std::string_view dims = value_of(header, "shape");
  if (dims.empty() || dims[0] != '(') fail(offset, "expected a shape in the header, found none");
  dims.remove_prefix(1);
  std::uint64_t elements = 1;
  while (true) {
    while (!dims.empty() && (dims[0] == ' ' || dims[0] == ',')) dims.remove_prefix(1);
    if (!dims.empty() && dims[0] == ')') break;
    std::int64_t dim = 0;
    const auto read = std::from_chars(dims.data(), dims.data() + dims.size(), dim);
    constexpr std::int64_t kMost = std::int64_t{1} << 40;  // keeps the product within 64 bits
    if (read.ec != std::errc() || dim < 0 || dim > kMost || shape_.rank() == 8 ||
        (elements *= static_cast<std::uint64_t>(std::max<std::int64_t>(dim, 1))) > kMost) {
      fail(offset, "expected a shape of up to 8 extents, found (" + shown(dims));
    }
    shape_.append(dim);
    dims.remove_prefix(static_cast<std::size_t>(read.ptr - dims.data()));
  }
  if (!c_order && shape_.rank() > 1) {
    fail(offset,
         "expected an array in C order, found one in Fortran's; save "
         "np.ascontiguousarray(array)");
  }
}

template <class Visit>
void NpyArray::each(Visit visit) const {
  const char* at = bytes_.data() + data_;
  const bool swapped = order_ == '>';
  const auto all = [&]<class T>(T) {
    for (std::int64_t i = 0; i < shape_.elements(); ++i, at += size_) {
      visit(i, element<T>(at, swapped));
    }
  };
  const auto sized = [&](auto one, auto two, auto four, auto eight) {
    size_ == 1 ? all(one) : size_ == 2 ? all(two) : size_ == 4 ? all(four) : all(eight);
  };
  if (kind_ == 'f') return size_ == 4 ? all(float()) : all(double());
  if (kind_ == 'i') {
    return sized(std::int8_t(), std::int16_t(), std::int32_t(), std::int64_t());
  }
  sized(std::uint8_t(), std::uint16_t(), std::uint32_t(), std::uint64_t());
}

Tensor NpyArray::floats() const {
  Tensor tensor(shape_);
  float* to = tensor.as<float>().data();
  each([&](std::int64_t i, auto x) { to[i] = static_cast<float>(x); });
  return tensor;
}

std::vector<std::int32_t> NpyArray::integers() const {
  std::vector<std::int32_t> list(static_cast<std::size_t>(shape_.elements()));
  each([&](std::int64_t i, auto x) {
    if constexpr (std::is_integral_v<decltype(x)>) {
      if (!std::in_range<std::int32_t>(x)) {
        fail(data_ + static_cast<std::size_t>(i) * size_,
             "element " + std::to_string(i) + ": expected an integer of 32 bits, found " +
                 std::to_string(x));
      }
      list[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(x);
    }
  });
  return list;
}

std::vector<std::uint8_t> NpyArray::bytes() const {
  return {bytes_.begin() + static_cast<std::ptrdiff_t>(data_), bytes_.end()};
}

}  // namespace soma::data
