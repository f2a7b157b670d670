#include "side.hpp"

#include "certify_words.hpp"
#include "commands.hpp"
#include "run_config.hpp"

std::string Side::str() const {
  return backend + (fallback.empty() ? "" : "+" + fallback) + ":" + name_of(numerics) + "@" +
         std::to_string(threads);
}

Side side_from(const std::string& text, const Side& otherwise) {
  Side side = otherwise;
  std::string rest = text;
  const auto take_behind = [&](char mark) {
    const std::size_t at = rest.find(mark);
    if (at == std::string::npos) return std::string();
    std::string part = rest.substr(at + 1);
    rest.resize(at);
    if (part.empty()) {
      throw UsageError("'" + text + "': expected something behind '" + std::string(1, mark) + "'");
    }
    return part;
  };
  if (const std::string threads = take_behind('@'); !threads.empty()) {
    const auto list = parse_numbers("threads", threads, 1024);
    if (list.size() != 1) throw UsageError("'" + text + "': expected one number behind '@'");
    side.threads = list[0];
  }
  if (const std::string numerics = take_behind(':'); !numerics.empty()) {
    side.numerics = numerics_from_name(numerics);
  }
  if (const std::string fallback = take_behind('+'); !fallback.empty()) side.fallback = fallback;
  if (rest.empty()) {
    throw UsageError("'" + text +
                     "': expected a backend as NAME[+FALLBACK][:fast|:exact|:bf16][@THREADS]");
  }
  side.backend = rest;
  return side;
}
