// The static check alone, against damage of every kind: it must say something and never crash.
#include "plugins/elf_file.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "support.hpp"

namespace {

using soma::plugins::ElfFile;
using soma::plugins::inspect_elf;
using soma::plugins::Rejection;

TEST(ElfFile, ListsTheSectionsOfAWholeLibrary) {
  for (const char* fixture : {"good", "stripped"}) {
    ElfFile elf;
    EXPECT_EQ(inspect_elf(fixture_file(fixture), &elf).code, "");
    EXPECT_NE(std::ranges::find(elf.sections, "soma_abi_1_0"), elf.sections.end()) << fixture;
    EXPECT_NE(std::ranges::find(elf.sections, "soma_isa_x86_64_v3"), elf.sections.end());
  }
}

TEST(ElfFile, RejectsTheFileCutAtAnyLength) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "libsoma_cut.so";
  const std::string whole = read_bytes(fixture_file("good"));
  write_bytes(file, whole);
  for (std::size_t size = whole.size(); size-- > 0;) {
    // Every length near the ends, where the headers are, and a sample between.
    if (size > 256 && size < whole.size() - 64 && size % 61 != 0) continue;
    std::filesystem::resize_file(file, size);
    ElfFile elf;
    const Rejection no = inspect_elf(file, &elf);
    ASSERT_EQ(no.code, size < 4 ? "not_a_library" : "truncated") << "cut to " << size << " bytes";
  }
}

TEST(ElfFile, SurvivesDamageAnywhereInItsHeadersAndSectionNames) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "libsoma_damaged.so";
  const std::string whole = read_bytes(fixture_file("stripped"));
  write_bytes(file, whole);
  std::fstream damaged(file, std::ios::binary | std::ios::in | std::ios::out);
  const auto put = [&](std::size_t at, char byte) {
    damaged.seekp(static_cast<std::streamoff>(at));
    damaged.put(byte).flush();
  };
  std::uint64_t section_headers = 0;
  std::memcpy(&section_headers, whole.data() + 40, sizeof section_headers);
  // The ELF header and the first segments; the names of the sections, which lie right before their
  // headers, and these.
  for (std::size_t at = 0; at < whole.size(); at = at == 255 ? section_headers - 128 : at + 1) {
    for (const int flip : {0x01, 0x80, 0xFF}) {
      put(at, static_cast<char>(whole[at] ^ flip));
      ElfFile elf;
      inspect_elf(file, &elf);
    }
    put(at, whole[at]);
  }
}

TEST(ElfFile, AcceptsALibraryWithoutSectionHeaders) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "libsoma_bare.so";
  std::string bytes = read_bytes(fixture_file("good"));
  std::fill_n(bytes.begin() + 40, 8, '\0');  // e_shoff
  std::fill_n(bytes.begin() + 60, 4, '\0');  // e_shnum, e_shstrndx
  write_bytes(file, bytes);
  ElfFile elf;
  EXPECT_EQ(inspect_elf(file, &elf).code, "");
  EXPECT_TRUE(elf.sections.empty());
}

}  // namespace
