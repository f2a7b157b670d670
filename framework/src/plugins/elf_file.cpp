#include "plugins/elf_file.hpp"

#include <elf.h>

#include <boost/dll/library_info.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>
#include <vector>

namespace soma::plugins {
namespace {

namespace fs = std::filesystem;

/// Reads structures at offsets of a file whose size is known.
class Reader {
 public:
  explicit Reader(const fs::path& file) : stream_(file, std::ios::binary) {
    if (!stream_) return;
    stream_.seekg(0, std::ios::end);
    const auto end = stream_.tellg();
    size_ = end < 0 ? 0 : static_cast<std::uint64_t>(end);
  }
  bool is_open() const { return stream_.is_open(); }
  std::uint64_t size() const noexcept { return size_; }
  bool holds(std::uint64_t offset, std::uint64_t bytes) const noexcept {
    return offset <= size_ && bytes <= size_ - offset;
  }
  bool read(std::uint64_t offset, void* to, std::uint64_t bytes) {
    if (!holds(offset, bytes)) return false;
    stream_.clear();
    stream_.seekg(static_cast<std::streamoff>(offset));
    stream_.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes));
    return static_cast<bool>(stream_);
  }

 private:
  std::ifstream stream_;
  std::uint64_t size_ = 0;
};

Rejection not_a_library(std::string why) { return {"not_a_library", std::move(why)}; }

Rejection truncated(const std::string& what, std::uint64_t size) {
  return {"truncated", "the file ends after " + std::to_string(size) + " bytes, before " + what};
}

// What a plugin with a checksum behind it has in e_flags, which x86-64 does not use; strip removes
// both.
constexpr Elf64_Word kHasChecksum = 0x414D4F53;  // "SOMA"
constexpr std::uint64_t kChecksumBytes = 77;     // see checksum.hpp

Rejection check_kind(const fs::path& file) {
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (status.type() == fs::file_type::not_found)
    return {"unreadable", "the file is a link to nothing"};
  if (error) return {"unreadable", "the file cannot be opened: " + error.message()};
  // Asked before opening: opening a named pipe would wait for ever.
  if (status.type() == fs::file_type::directory)
    return not_a_library("it is a folder, not a shared library");
  if (status.type() != fs::file_type::regular)
    return not_a_library("it is not a regular file, let alone a shared library");
  return {};
}

Rejection check_header(Reader& reader, Elf64_Ehdr* header) {
  unsigned char magic[SELFMAG] = {};
  if (reader.size() == 0) return not_a_library("the file is empty");
  if (!reader.read(0, magic, sizeof magic) || std::memcmp(magic, ELFMAG, SELFMAG) != 0)
    return not_a_library("the file does not begin as an ELF shared library does");
  if (!reader.read(0, header, sizeof *header))
    return truncated("the end of its ELF header", reader.size());
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
      header->e_machine != EM_X86_64) {
    return {"wrong_machine",
            "expected a 64-bit little-endian library for x86-64 (ELF machine 62), got machine " +
                std::to_string(header->e_machine) +
                (header->e_ident[EI_CLASS] == ELFCLASS64 ? "" : ", not 64-bit") +
                (header->e_ident[EI_DATA] == ELFDATA2LSB ? "" : ", not little-endian")};
  }
  if (header->e_type != ET_DYN) {
    return not_a_library("it is an ELF file of type " + std::to_string(header->e_type) +
                         ", not a shared library (type 3)");
  }
  if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 ||
      (header->e_shnum > 0 && header->e_shentsize != sizeof(Elf64_Shdr))) {
    return not_a_library("its ELF header tables have entries of an impossible size");
  }
  return {};
}

Rejection check_segments(Reader& reader, const Elf64_Ehdr& header) {
  bool loads = false, dynamic = false;
  for (std::uint64_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    if (header.e_phoff > reader.size() ||
        !reader.read(header.e_phoff + i * sizeof segment, &segment, sizeof segment))
      return truncated("the end of its program headers", reader.size());
    if (!reader.holds(segment.p_offset, segment.p_filesz))
      return truncated("the end of segment " + std::to_string(i), reader.size());
    if (segment.p_type == PT_LOAD && segment.p_filesz > segment.p_memsz)
      return not_a_library("segment " + std::to_string(i) + " is larger than its memory");
    loads |= segment.p_type == PT_LOAD;
    dynamic |= segment.p_type == PT_DYNAMIC;
  }
  if (!loads || !dynamic) return not_a_library("it has nothing to load dynamically");
  return {};
}

/// Also makes sure that the names of the sections can be read.
Rejection check_sections(Reader& reader, const Elf64_Ehdr& header) {
  if (header.e_shnum == 0) return {};
  if (header.e_shstrndx >= header.e_shnum)
    return not_a_library("its table of section names is missing");
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  if (!reader.read(header.e_shoff, sections.data(), sections.size() * sizeof(Elf64_Shdr)))
    return truncated("the end of its section headers", reader.size());
  const Elf64_Shdr& names = sections[header.e_shstrndx];
  for (std::size_t i = 0; i < sections.size(); ++i) {
    const Elf64_Shdr& section = sections[i];
    if (section.sh_type != SHT_NOBITS && section.sh_type != SHT_NULL &&
        !reader.holds(section.sh_offset, section.sh_size))
      return truncated("the end of section " + std::to_string(i), reader.size());
    if (section.sh_name >= names.sh_size)
      return not_a_library("the name of section " + std::to_string(i) + " lies outside its table");
  }
  char last = 1;
  const std::uint64_t tables_end = header.e_shoff + sections.size() * sizeof(Elf64_Shdr);
  if (header.e_flags == kHasChecksum && !reader.holds(tables_end, kChecksumBytes))
    return truncated("the end of its checksum", reader.size());
  if (names.sh_type != SHT_STRTAB || !reader.read(names.sh_offset + names.sh_size - 1, &last, 1) ||
      last != '\0')
    return not_a_library("its table of section names is damaged");
  return {};
}

}  // namespace

Rejection inspect_elf(const fs::path& file, ElfFile* elf) {
  if (Rejection no = check_kind(file)) return no;
  errno = 0;
  Reader reader(file);
  if (!reader.is_open())
    return {"unreadable", "the file cannot be opened: " + std::generic_category().message(errno)};
  Elf64_Ehdr header{};
  if (Rejection no = check_header(reader, &header)) return no;
  if (Rejection no = check_segments(reader, header)) return no;
  if (Rejection no = check_sections(reader, header)) return no;
  if (header.e_shnum == 0)
    return {};  // nothing to list, and Boost.DLL would read past an empty list
  try {
    elf->sections = boost::dll::library_info(file).sections();
  } catch (const std::exception& e) {
    return not_a_library(std::string("its sections cannot be listed: ") + e.what());
  }
  return {};
}

}  // namespace soma::plugins
