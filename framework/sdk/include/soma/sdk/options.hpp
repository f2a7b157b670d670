#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "soma/abi.h"

/// Fields of a layer, options of a loss or an optimizer: an author lists them with their defaults,
///
///   static constexpr soma_option kOptions[] = {soma::sdk::real("gamma", 2, 0, 100)};
///
/// and reads them by name. The host has checked type and range before.
namespace soma::sdk {

/// A number with its default, in [least, most]; any number if both are equal.
constexpr soma_option real(const char* name, double fallback, double least = 0, double most = 0) {
  return {name, SOMA_REAL, 0, 0, fallback, nullptr, least, most};
}
/// A whole number, alike.
constexpr soma_option integer(const char* name, std::int64_t fallback, double least = 0,
                              double most = 0) {
  return {name, SOMA_INTEGER, 0, fallback, 0, nullptr, least, most};
}
constexpr soma_option text(const char* name, const char* fallback) {
  return {name, SOMA_STRING, 0, 0, 0, fallback, 0, 0};
}
/// The same without a default: whoever names the plugin has to give it.
constexpr soma_option required(soma_option option) {
  option.required = 1;
  return option;
}

/// What the host hands over for a list of options.
class Options {
 public:
  Options(const soma_attribute* values, std::size_t count) : values_(values, count) {}
  double real(std::string_view name) const {
    const soma_attribute* a = find(name);
    return a == nullptr ? 0 : a->real;
  }
  std::int64_t integer(std::string_view name) const {
    const soma_attribute* a = find(name);
    return a == nullptr ? 0 : a->integer;
  }
  std::string_view text(std::string_view name) const {
    const soma_attribute* a = find(name);
    return a == nullptr || a->text == nullptr ? "" : a->text;
  }

 private:
  const soma_attribute* find(std::string_view name) const {
    for (const soma_attribute& a : values_) {
      if (name == a.name) return &a;
    }
    return nullptr;
  }
  std::span<const soma_attribute> values_;
};

/// The options that author's struct A lists as kOptions; none if it has no such list.
template <class A>
constexpr std::span<const soma_option> options_of() {
  if constexpr (requires { A::kOptions; }) {
    return A::kOptions;
  } else {
    return {};
  }
}

/// The line for people that A gives as kSummary, else its name.
template <class A>
const char* summary_of(const char* name) {
  if constexpr (requires { static_cast<const char*>(A::kSummary); }) {
    return A::kSummary;
  } else {
    return name;
  }
}

/// An A from its options, or without any if it takes none.
template <class A>
A make_from(const Options& options) {
  if constexpr (requires { A(options); }) {
    return A(options);
  } else {
    return A();
  }
}

}  // namespace soma::sdk
