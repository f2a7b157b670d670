#pragma once

#include <boost/program_options.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "commands.hpp"

/// The command line of one sub-command: declare options and positional arguments, then parse().
/// Options may be abbreviated by nothing and repeated only if declared so; every mistake is a
/// UsageError that names the nearest known option where one was misspelt. --help is added to each.
class CommandLine {
 public:
  /// `synopsis` is what follows "soma COMMAND" in the help; `about` one or two sentences.
  CommandLine(std::string command, std::string synopsis, std::string about);

  /// "name" or "name,n"; the value goes to `to`, which is left alone when the option is absent.
  CommandLine& option(const char* name, std::string* to, const char* value, const char* help);
  CommandLine& option(const char* name, std::optional<std::int64_t>* to, const char* value,
                      const char* help);
  CommandLine& option(const char* name, std::optional<double>* to, const char* value,
                      const char* help);
  CommandLine& flag(const char* name, bool* to, const char* help);
  /// The next positional argument. Optional ones come last.
  CommandLine& positional(const char* name, std::string* to, bool required = true);
  /// All further positional arguments, maybe none.
  CommandLine& positionals(const char* name, std::vector<std::string>* to);

  /// False if --help was asked for and printed: the command then returns 0.
  bool parse(Arguments args);
  /// True if it stood on the command line; a flag has a value in any case.
  bool given(const std::string& option) const {
    return values_.count(option) > 0 && !values_[option].defaulted();
  }

 private:
  struct Positional {
    std::string name;
    bool required;
  };
  [[noreturn]] void fail(const std::string& sentence) const;
  std::string nearest(std::string_view option) const;
  void print_help() const;

  std::string command_, synopsis_, about_;
  boost::program_options::options_description visible_, hidden_;
  boost::program_options::positional_options_description order_;
  std::vector<Positional> positionals_;
  boost::program_options::variables_map values_;
};

/// The candidate with the smallest edit distance to `word`; empty if there are none.
std::string nearest_word(std::string_view word, std::span<const std::string> candidates);

/// Throws UsageError "--name: expected LOW or more, got VALUE" unless value is absent or at least
/// `low`.
void require_at_least(const char* name, const std::optional<std::int64_t>& value, std::int64_t low);
/// Throws UsageError unless value is one of `choices`.
void require_one_of(const char* name, const std::string& value,
                    std::span<const std::string> choices);
