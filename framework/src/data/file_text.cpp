#include "data/file_text.hpp"

#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <system_error>

#include "soma/error.hpp"

namespace soma::data {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail(const fs::path& file, const std::string& problem) {
  throw FormatError(file.string() + ": " + problem);
}

std::string unpacked(const fs::path& file) {
  struct Close {
    void operator()(gzFile_s* gz) const noexcept { gzclose_r(gz); }
  };
  const std::unique_ptr<gzFile_s, Close> gz(gzopen(file.c_str(), "rb"));
  if (!gz) fail(file, std::generic_category().message(errno));
  gzbuffer(gz.get(), 1 << 18);
  std::string bytes;
  constexpr unsigned kPiece = 1 << 20;
  for (int got = 1; got > 0;) {
    const std::size_t old = bytes.size();
    bytes.resize(old + kPiece);
    got = gzread(gz.get(), bytes.data() + old, kPiece);
    bytes.resize(old + static_cast<std::size_t>(std::max(got, 0)));
  }
  int code = Z_OK;
  const char* text = gzerror(gz.get(), &code);
  if (code == Z_BUF_ERROR) fail(file, "truncated: expected more compressed data, found its end");
  if (code < 0) fail(file, std::string("damaged gzip data: ") + text);
  return bytes;
}

/// The length of the UTF-8 sequence at `at`; 0 if there is none (RFC 3629).
std::size_t sequence_length(const unsigned char* at, const unsigned char* end) {
  const unsigned char first = *at;
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
  if (length == 0 || static_cast<std::size_t>(end - at) < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at[i] & 0xc0) != 0x80) return 0;
  }
  if (first == 0xe0 && at[1] < 0xa0) return 0;  // longer than need be
  if (first == 0xed && at[1] > 0x9f) return 0;  // surrogates
  if (first == 0xf0 && at[1] < 0x90) return 0;
  if (first == 0xf4 && at[1] > 0x8f) return 0;
  return length;
}

bool is_utf8(const std::string& text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = at + text.size();
  while (at != end) {
    std::uint64_t eight;
    if (end - at >= 8) {
      std::memcpy(&eight, at, sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        at += 8;
        continue;
      }
    }
    const std::size_t length = sequence_length(at, end);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

void append_utf8(std::string& to, unsigned code) {
  if (code < 0x80) {
    to += static_cast<char>(code);
  } else if (code < 0x800) {
    to += static_cast<char>(0xc0 | code >> 6);
    to += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    to += static_cast<char>(0xe0 | code >> 12);
    to += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    to += static_cast<char>(0x80 | (code & 0x3f));
  }
}

// What Windows-1252 has from 0x80 to 0x9f; the five that it leaves open stand for themselves.
constexpr unsigned short kWindows[] = {
    0x20ac, 0x81,   0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x8d,   0x017d, 0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d,   0x017e, 0x0178};

}  // namespace

std::string read_bytes(const fs::path& file) {
  std::error_code problem;
  if (fs::is_directory(file, problem)) fail(file, "expected a file, found a folder");
  std::ifstream in(file, std::ios::binary);
  if (!in) fail(file, "cannot be read: " + std::generic_category().message(errno));
  char magic[2] = {};
  in.read(magic, sizeof magic);
  if (in.gcount() == 2 && magic[0] == '\x1f' && magic[1] == '\x8b') return unpacked(file);
  std::string bytes(magic, static_cast<std::size_t>(in.gcount()));
  if (!in) return bytes;
  const auto size = fs::file_size(file, problem);
  if (!problem && size > bytes.size()) {
    bytes.resize(size);
    in.read(bytes.data() + sizeof magic, static_cast<std::streamsize>(size - sizeof magic));
    bytes.resize(sizeof magic + static_cast<std::size_t>(in.gcount()));
  }
  char piece[1 << 16];  // a pipe, or what was added meanwhile
  while (in.read(piece, sizeof piece) || in.gcount() > 0) {
    bytes.append(piece, static_cast<std::size_t>(in.gcount()));
  }
  return bytes;
}

bool make_utf8(std::string& text) {
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff") || is_utf8(text)) return false;
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    append_utf8(out, byte >= 0x80 && byte < 0xa0 ? kWindows[byte - 0x80] : byte);
  }
  text = std::move(out);
  return true;
}

std::string read_text(const fs::path& file, bool* converted) {
  std::string text = read_bytes(file);
  const bool changed = make_utf8(text);
  if (converted != nullptr) *converted = changed;
  return text;
}

}  // namespace soma::data
