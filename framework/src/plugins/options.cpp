#include "plugins/options.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string_view>

#include "soma/error.hpp"

namespace soma::plugins {
namespace {

Attributes::Value default_of(const soma_option& option) {
  if (option.kind == SOMA_INTEGER) return option.integer;
  if (option.kind == SOMA_REAL) return option.real;
  return std::string(option.text == nullptr ? "" : option.text);
}

const Attributes::Value* given_value(const Attributes& given, std::string_view name) {
  for (const auto& [key, value] : given.entries()) {
    if (key == name) return &value;
  }
  return nullptr;
}

/// The value as the option's kind; nothing if it is of another.
std::optional<Attributes::Value> converted(const soma_option& option,
                                           const Attributes::Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    if (option.kind == SOMA_REAL) return static_cast<double>(*integer);
    if (option.kind == SOMA_INTEGER) return value;
  }
  if (option.kind == SOMA_REAL && std::get_if<double>(&value) != nullptr) return value;
  if (option.kind == SOMA_STRING && std::get_if<std::string>(&value) != nullptr) return value;
  return std::nullopt;
}

void check_range(const std::string& place, const soma_option& option,
                 const Attributes::Value& value) {
  double x = 0;
  if (option.kind == SOMA_INTEGER) x = static_cast<double>(std::get<std::int64_t>(value));
  if (option.kind == SOMA_REAL) x = std::get<double>(value);
  if (option.least == option.most || (x >= option.least && x <= option.most)) return;
  char text[160];
  std::snprintf(text, sizeof text, "expected a %snumber from %g to %g, got %g",
                option.kind == SOMA_INTEGER ? "whole " : "", option.least, option.most, x);
  throw ShapeError(place + text);
}

}  // namespace

Attributes checked_options(const std::string& what, std::span<const soma_option> options,
                           const Attributes& given) {
  for (const auto& [key, value] : given.entries()) {
    const auto same = [&key = key](const soma_option& o) { return key == o.name; };
    if (std::ranges::any_of(options, same)) continue;
    std::string known;
    for (const soma_option& o : options) known += (known.empty() ? "" : ", ") + std::string(o.name);
    throw ShapeError(what + ": unknown field '" + key + "'; known are " +
                     (known.empty() ? "none" : known));
  }
  Attributes checked;
  for (const soma_option& option : options) {
    const Attributes::Value* value = given_value(given, option.name);
    if (value == nullptr) {
      if (option.required == 0) continue;
      throw ShapeError(what + ": " + option.name + ": expected a value, got none");
    }
    const auto typed = converted(option, *value);
    if (!typed) {
      throw ShapeError(what + ": attribute '" + option.name + "' has the wrong type");
    }
    check_range(what + ": " + option.name + ": ", option, *typed);
    if (option.required != 0 || *typed != default_of(option)) checked.set(option.name, *typed);
  }
  return checked;
}

OptionValues::OptionValues(std::span<const soma_option> options, const Attributes& checked)
    : texts_(options.size()) {
  for (std::size_t i = 0; i < options.size(); ++i) {
    const soma_option& option = options[i];
    const Attributes::Value* given = given_value(checked, option.name);
    const auto value = given != nullptr ? converted(option, *given).value_or(default_of(option))
                                        : default_of(option);
    soma_attribute a{option.name, option.kind};
    if (option.kind == SOMA_INTEGER) a.integer = std::get<std::int64_t>(value);
    if (option.kind == SOMA_REAL) a.real = std::get<double>(value);
    if (option.kind == SOMA_STRING) {
      texts_[i] = std::get<std::string>(value);
      a.text = texts_[i].c_str();
    }
    values_.push_back(a);
  }
}

}  // namespace soma::plugins
