#include "data/zip.hpp"

#include <zlib.h>

#include <algorithm>

#include "data/cell.hpp"
#include "soma/error.hpp"

namespace soma::data {
namespace {

constexpr std::string_view kEnd = "PK\5\6", kEnd64 = "PK\6\6", kLocator64 = "PK\6\7",
                           kEntry = "PK\1\2", kLocal = "PK\3\4";
constexpr std::uint64_t kEndSize = 22, kLocatorSize = 20, kEntrySize = 46, kLocalSize = 30;
constexpr std::uint16_t kStored = 0, kDeflated = 8;
constexpr std::uint64_t kMostGrowth = 1032;  // of deflate

}  // namespace

void ZipArchive::fail(std::uint64_t offset, const std::string& problem) const {
  throw FormatError(origin_ + ": offset " + std::to_string(offset) + ": " + problem);
}

std::string_view ZipArchive::part(std::uint64_t offset, std::uint64_t size,
                                  const char* what) const {
  if (offset > bytes_.size() || size > bytes_.size() - offset) {
    fail(offset,
         "expected " + std::to_string(size) + " bytes of " + what + ", found the file's end");
  }
  return bytes_.substr(offset, size);
}

std::uint64_t ZipArchive::number(std::uint64_t offset, int size) const {
  const std::string_view field = part(offset, static_cast<std::uint64_t>(size), "the archive");
  std::uint64_t n = 0;
  for (int i = size; i-- > 0;) {
    n = n << 8 | static_cast<unsigned char>(field[static_cast<std::size_t>(i)]);
  }
  return n;
}

ZipArchive::ZipArchive(std::string_view bytes, std::string origin)
    : bytes_(bytes), origin_(std::move(origin)) {
  const std::size_t end = bytes.rfind(kEnd);
  if (end == std::string_view::npos) {
    throw FormatError(origin_ +
                      ": expected a ZIP archive, as .npz files are, found no end of its "
                      "directory");
  }
  part(end, kEndSize, "the directory's end");
  std::uint64_t count = number(end + 10, 2), at = number(end + 16, 4);
  if (end >= kLocatorSize && bytes.substr(end - kLocatorSize, 4) == kLocator64) {
    const std::uint64_t end64 = number(end - kLocatorSize + 8, 8);
    if (part(end64, 56, "the directory's end").substr(0, 4) != kEnd64) {
      fail(end64, "expected the end of a directory of 64 bits, found other bytes");
    }
    count = number(end64 + 32, 8);
    at = number(end64 + 48, 8);
  }
  read_directory(at, count);
}

void ZipArchive::read_directory(std::uint64_t at, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    if (part(at, kEntrySize, "a directory entry").substr(0, 4) != kEntry) {
      fail(at, "expected entry " + std::to_string(i + 1) + " of " + std::to_string(count) +
                   " of the directory, found other bytes");
    }
    const std::uint64_t name = number(at + 28, 2), extra = number(at + 30, 2),
                        comment = number(at + 32, 2);
    Entry entry;
    entry.name = part(at + kEntrySize, name, "a name");
    if ((number(at + 8, 2) & 1) != 0) fail(at, "'" + shown(entry.name) + "' is encrypted");
    entry.method = static_cast<std::uint16_t>(number(at + 10, 2));
    entry.crc = static_cast<std::uint32_t>(number(at + 16, 4));
    entry.packed = number(at + 20, 4);
    entry.size = number(at + 24, 4);
    entry.offset = number(at + 42, 4);
    // Fields that are full are in the extra field of type 1, in this order.
    std::uint64_t field = at + kEntrySize + name;
    const std::uint64_t end = field + extra;
    part(field, extra, "an extra field");
    while (end - field >= 4) {
      const std::uint64_t type = number(field, 2), size = number(field + 2, 2);
      if (size > end - field - 4) fail(field, "expected an extra field within its entry");
      std::uint64_t value = field + 4;
      for (std::uint64_t* full : {&entry.size, &entry.packed, &entry.offset}) {
        if (type != 1 || *full != 0xffffffff || value + 8 > field + 4 + size) continue;
        *full = number(value, 8);
        value += 8;
      }
      field += 4 + size;
    }
    entries_.push_back(std::move(entry));
    at = end + comment;
  }
}

std::string ZipArchive::read(const Entry& entry) const {
  const std::uint64_t at = entry.offset;
  const std::string quoted = "'" + shown(entry.name) + "'";
  if (part(at, kLocalSize, "a file header").substr(0, 4) != kLocal) {
    fail(at, "expected the header of " + quoted + ", found other bytes");
  }
  const std::uint64_t begin = at + kLocalSize + number(at + 26, 2) + number(at + 28, 2);
  const std::string_view packed = part(begin, entry.packed, "packed data");
  if (entry.method != kStored && entry.method != kDeflated) {
    fail(at, quoted + ": expected stored or deflated data, found method " +
                 std::to_string(entry.method));
  }
  const std::uint64_t most =
      entry.method == kStored ? entry.packed : entry.packed * kMostGrowth + 64;
  if (entry.size > most) {
    fail(at, quoted + ": expected no more than " + std::to_string(most) + " bytes out of " +
                 std::to_string(entry.packed) + ", found " + std::to_string(entry.size));
  }
  std::string content(entry.size, '\0');
  if (entry.method == kStored) {
    std::copy_n(packed.data(), content.size(), content.data());
  } else {
    z_stream stream{};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) fail(at, quoted + ": no memory to unpack it");
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.next_out = reinterpret_cast<Bytef*>(content.data());
    std::uint64_t in_left = packed.size(), out_left = content.size();
    int code = Z_OK;
    while (code == Z_OK) {  // in pieces, as zlib counts in 32 bits
      constexpr std::uint64_t kPiece = 1 << 30;
      const auto in = static_cast<uInt>(std::min(in_left, kPiece)),
                 out = static_cast<uInt>(std::min(out_left, kPiece));
      stream.avail_in = in;
      stream.avail_out = out;
      code = inflate(&stream, Z_NO_FLUSH);
      in_left -= in - stream.avail_in;
      out_left -= out - stream.avail_out;
      if (in == stream.avail_in && out == stream.avail_out) break;  // no progress
    }
    inflateEnd(&stream);
    if (code != Z_STREAM_END || out_left != 0) {
      fail(begin, quoted + ": expected " + std::to_string(entry.size) +
                      " bytes of deflated data, found damaged or other ones");
    }
  }
  uLong crc = crc32_z(0, nullptr, 0);
  crc = crc32_z(crc, reinterpret_cast<const Bytef*>(content.data()), content.size());
  if (crc != entry.crc) fail(begin, quoted + ": its checksum differs: the file is damaged");
  return content;
}

}  // namespace soma::data
