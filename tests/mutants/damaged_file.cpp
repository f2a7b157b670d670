#include "damaged_file.hpp"

#include <stdexcept>

#include "command.hpp"
#include "soma/abi.h"

namespace mutants {
namespace {

/// Every occurrence of a text becomes another one of the same length.
void replace_all(std::string& bytes, const std::string& text, const std::string& by) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = bytes.find(text, at)) != std::string::npos; at += text.size()) {
    bytes.replace(at, text.size(), by);
    ++found;
  }
  if (found == 0) throw std::runtime_error("the plugin does not hold '" + text + "'");
}

}  // namespace

void write_damaged(const std::string& name, const std::string& from, const std::string& to) {
  constexpr std::size_t kMachine = 18;  // e_machine of the ELF header
  const std::string tag = SOMA_ABI_SECTION, entry = SOMA_PLUGIN_ENTRY;
  std::string bytes = read_text(from);
  if (name == "file_truncated") bytes.resize(bytes.size() / 2);
  if (name == "file_empty") bytes.clear();
  if (name == "file_other_machine") bytes[kMachine] = static_cast<char>(0xB7);  // AArch64
  if (name == "file_future_abi") replace_all(bytes, tag, "soma_abi_2_0");
  if (name == "file_without_tag") replace_all(bytes, tag, std::string(tag.size(), 'x'));
  if (name == "file_without_entry") replace_all(bytes, entry, std::string(entry.size(), 'x'));
  write_text(to, bytes);
}

}  // namespace mutants
