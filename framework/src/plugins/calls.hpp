#pragma once

#include <array>
#include <string>

#include "plugins/text.hpp"
#include "soma/abi.h"
#include "soma/error.hpp"

/// What calls across the plugin line share.
namespace soma::plugins {

/// Room for a plugin's sentence on the stack, so that calls that succeed allocate nothing.
class Text {
 public:
  Text() noexcept { buffer_[0] = '\0'; }
  soma_text* get() noexcept { return &text_; }
  std::string str() {
    buffer_.back() = '\0';
    return buffer_[0] != '\0' ? printable(buffer_.data()) : "no reason given";
  }

 private:
  std::array<char, 1024> buffer_;
  soma_text text_{buffer_.data(), buffer_.size()};
};

/// The exception that a status stands for.
[[noreturn]] inline void rethrow(soma_status status, const std::string& message) {
  if (status == SOMA_UNSUPPORTED) throw UnsupportedError(message);
  if (status == SOMA_INVALID) throw ShapeError(message);
  throw PluginError(message);
}

/// A table of this host's version.
template <class Table>
Table headed() {
  Table table{};
  table.struct_size = sizeof(Table);
  table.major = SOMA_ABI_MAJOR;
  table.minor = SOMA_ABI_MINOR;
  return table;
}

}  // namespace soma::plugins
