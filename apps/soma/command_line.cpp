#include "command_line.hpp"

#include <algorithm>
#include <iostream>
#include <numeric>

namespace po = boost::program_options;

namespace {

/// Levenshtein's edit distance.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string list_of(std::span<const std::string> words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

std::string nearest_word(std::string_view word, std::span<const std::string> candidates) {
  const auto best = std::ranges::min_element(
      candidates, {}, [&](const std::string& candidate) { return edit_distance(word, candidate); });
  return best == candidates.end() ? std::string() : *best;
}

void require_at_least(const char* name, const std::optional<std::int64_t>& value,
                      std::int64_t low) {
  if (value && *value < low) {
    throw UsageError("--" + std::string(name) + ": expected " + std::to_string(low) +
                     " or more, got " + std::to_string(*value));
  }
}

void require_one_of(const char* name, const std::string& value,
                    std::span<const std::string> choices) {
  if (std::ranges::find(choices, value) == choices.end()) {
    throw UsageError("--" + std::string(name) + ": expected one of " + list_of(choices) +
                     ", got '" + value + "'");
  }
}

CommandLine::CommandLine(std::string command, std::string synopsis, std::string about)
    : command_(std::move(command)),
      synopsis_(std::move(synopsis)),
      about_(std::move(about)),
      visible_("Options", 100, 60) {}

CommandLine& CommandLine::option(const char* name, std::string* to, const char* value,
                                 const char* help) {
  visible_.add_options()(name, po::value<std::string>(to)->value_name(value), help);
  return *this;
}

CommandLine& CommandLine::option(const char* name, std::optional<std::int64_t>* to,
                                 const char* value, const char* help) {
  visible_.add_options()(
      name,
      po::value<std::int64_t>()->value_name(value)->notifier([to](std::int64_t v) { *to = v; }),
      help);
  return *this;
}

CommandLine& CommandLine::option(const char* name, std::optional<double>* to, const char* value,
                                 const char* help) {
  visible_.add_options()(
      name, po::value<double>()->value_name(value)->notifier([to](double v) { *to = v; }), help);
  return *this;
}

CommandLine& CommandLine::flag(const char* name, bool* to, const char* help) {
  visible_.add_options()(name, po::bool_switch(to), help);
  return *this;
}

CommandLine& CommandLine::positional(const char* name, std::string* to, bool required) {
  hidden_.add_options()(name, po::value<std::string>(to));
  order_.add(name, 1);
  positionals_.push_back({name, required});
  return *this;
}

CommandLine& CommandLine::positionals(const char* name, std::vector<std::string>* to) {
  hidden_.add_options()(name, po::value<std::vector<std::string>>(to));
  order_.add(name, -1);
  positionals_.push_back({name, false});
  return *this;
}

bool CommandLine::parse(Arguments args) {
  visible_.add_options()("help", "print this help and exit");
  if (std::ranges::find(args, "--help") != args.end()) {
    print_help();
    return false;
  }
  po::options_description all;
  all.add(visible_).add(hidden_);
  try {
    po::command_line_parser parser(std::vector<std::string>(args.begin(), args.end()));
    parser.options(all).positional(order_);
    // No guessing: an abbreviation that works today would be ambiguous tomorrow.
    parser.style(po::command_line_style::unix_style & ~po::command_line_style::allow_guessing);
    const auto parsed = parser.run();
    for (const auto& option : parsed.options) {
      const bool is_positional = option.position_key >= 0;
      if (!is_positional && std::ranges::any_of(positionals_, [&](const Positional& p) {
            return p.name == option.string_key;
          })) {
        fail("unknown option '--" + option.string_key + "'; " + nearest(option.string_key));
      }
    }
    po::store(parsed, values_);
    po::notify(values_);
  } catch (const po::unknown_option& e) {
    fail("unknown option '" + e.get_option_name() + "'; " + nearest(e.get_option_name()));
  } catch (const po::too_many_positional_options_error&) {
    fail("more arguments than expected");
  } catch (const po::validation_error& e) {
    fail(std::string(e.what()));
  } catch (const po::error& e) {
    fail(std::string(e.what()));
  }
  for (const auto& [name, required] : positionals_) {
    if (required && !given(name)) fail("missing " + name);
  }
  return true;
}

void CommandLine::fail(const std::string& sentence) const {
  throw UsageError(command_ + ": " + sentence + " (see 'soma " + command_ + " --help')");
}

std::string CommandLine::nearest(std::string_view option) const {
  while (option.starts_with('-')) option.remove_prefix(1);
  std::vector<std::string> names;
  for (const auto& known : visible_.options()) names.push_back(known->long_name());
  return "did you mean '--" + nearest_word(option, names) + "'?";
}

void CommandLine::print_help() const {
  std::cout << "soma " << command_ << " " << synopsis_ << "\n\n" << about_ << "\n\n" << visible_;
}
