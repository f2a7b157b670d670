#include "data/csv.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "data/cell.hpp"
#include "data/file_text.hpp"
#include "data/learn_format.hpp"
#include "data/split.hpp"
#include "data/table.hpp"
#include "soma/error.hpp"

namespace soma::data {
namespace {

constexpr std::size_t kFewNumbers = 10;     // whole numbers that are taken for classes
constexpr std::size_t kManyClasses = 1000;  // more than these need rows to learn from

/// The options of a table, and what follows from them column by column.
class TableLoader {
 public:
  TableLoader(Spec spec, const std::string& file, const LoadOptions& options,
              const TableDefaults& defaults)
      : spec_(std::move(spec)), file_(file), given_(options.format) {
    const auto target = spec_.text_option("target");
    target_name_ = target.value_or(defaults.target);
    task_ = spec_.choice_option("task", {"classes", "number"}, "");
    header_ = spec_.choice_option("header", {"yes", "no"}, "");
    separator_ = separator_option();
    format_.missing.assign(usual_missing_words().begin(), usual_missing_words().end());
    std::ranges::copy(spec_.list_option("missing"), std::back_inserter(format_.missing));
    format_.decimal = spec_.choice_option("decimal", {".", ","}, ".")[0];
    category_ = spec_.list_option("category");
    ignore_ = spec_.list_option("ignore");
    features_ = spec_.list_option("features");
    splits_ = spec_.given("test") || spec_.given("validation") || spec_.given("split");
    split_ = split_options(spec_, options.seed, {.test = defaults.test});
    spec_.finish();
    names_ = defaults.names;
  }

  DataSplit load() {
    bool converted = false;
    const std::string text = read_text(file_, &converted);
    if (given_ != nullptr && given_->takes_records()) return load_formatted(text);
    if (converted) notes_.push_back("the text is not UTF-8, so it is read as Windows-1252");
    TableOptions options{separator_, std::nullopt, format_.missing, format_.decimal, target_name_};
    if (!header_.empty()) options.header = header_ == "yes";
    if (!names_.empty()) options.header = false;
    Table table(text, file_, options);
    name_columns(table);
    choose_columns(table);
    decide_target(table);
    table.read_categories(category_columns());
    std::vector<std::int64_t> kept = rows_with_target(table);
    const SplitRows rows = split(kept);
    learn(table, rows.train);
    DataSplit parts{part(table, rows.train), {}, {}};
    parts.test = rows.test.empty() ? parts.train : part(table, rows.test);
    if (!rows.validation.empty()) parts.validation = part(table, rows.validation);
    return parts;
  }

 private:
  /// Records as the format of a trained model says; nothing is learned from them.
  DataSplit load_formatted(const std::string& text) {
    format_ = *given_;
    Records records = read_records(text, file_, format_);
    if (records.truth.empty()) {
      throw FormatError(file_ + ": expected the target '" +
                        (format_.target ? format_.fields[*format_.target].name : "") +
                        "' among the columns, found none");
    }
    notes_ = records.notes;
    const auto n = static_cast<std::int64_t>(records.size), width = format_.inputs();
    Tensor inputs({n, width}), targets({n, 1});
    std::ranges::copy(records.inputs, inputs.as<float>().begin());
    std::vector<std::int64_t> kept;
    std::vector<std::int32_t> labels(records.truth.size());
    const CellRules rules{format_.missing, format_.decimal};
    const RecordField& target = format_.fields[*format_.target];
    for (std::size_t i = 0; i < records.truth.size(); ++i) {
      const CellValue value = read_cell(records.truth[i], rules);
      if (value.kind == CellValue::Kind::missing) continue;
      if (target.kind == RecordField::Kind::category) {
        labels[i] = target.category(records.truth[i]);
        if (labels[i] < 0) continue;
      } else if (value.kind == CellValue::Kind::number) {
        target.encode_number(value.number, &targets.as<float>()[i]);
      } else {
        continue;
      }
      kept.push_back(static_cast<std::int64_t>(i));
    }
    if (kept.empty()) {
      throw FormatError(file_ + ": expected a target '" + target.name +
                        "' that the model knows in one row or more, found none");
    }
    if (std::ssize(kept) < n) {
      notes_.push_back(std::to_string(n - std::ssize(kept)) +
                       " rows whose target is missing or unknown to the model are dropped");
    }
    for (std::int32_t& label : labels) label = std::max(label, 0);
    const Dataset all =
        (format_.class_names.empty()
             ? Dataset(spec_.text(), std::move(inputs), std::move(targets))
             : Dataset(spec_.text(), std::move(inputs), std::move(labels), format_.class_names))
            .with_format(format_, notes_)
            .select(std::move(kept));
    return splits_ ? data::split(all, split_) : DataSplit{all, all};
  }

  char separator_option() {
    const auto text = spec_.text_option("separator");
    if (!text) return 0;
    if (*text == "tab" || *text == "\\t") return '\t';
    if (text->size() != 1 || *text == "\"" || *text == "\n" || *text == "\r") {
      spec_.fail("separator: expected one character or tab, found \"" + *text + "\"");
    }
    return (*text)[0];
  }

  void name_columns(Table& table) const {
    if (names_.empty()) return;
    if (table.columns().size() != names_.size()) {
      throw FormatError(file_ + ": expected " + std::to_string(names_.size()) + " columns, found " +
                        std::to_string(table.columns().size()));
    }
    for (std::size_t c = 0; c < names_.size(); ++c) table.columns()[c].name = names_[c];
  }

  void choose_columns(Table& table) {
    const std::size_t count = table.columns().size();
    if (count < 2) {
      throw FormatError(file_ + ": expected two columns or more, found one called '" +
                        table.columns()[0].name +
                        "': the separator seems to be another one than '" +
                        std::string(1, separator_ == 0 ? ',' : separator_) + "'");
    }
    target_ = target_name_.empty() ? count - 1 : table.column(target_name_);
    ignored_.assign(count, !features_.empty());
    as_category_.assign(count, false);
    for (const std::string& name : features_) ignored_[table.column(name)] = false;
    for (const std::string& name : ignore_) ignored_[table.column(name)] = true;
    for (std::size_t c = 0; c < count; ++c) as_category_[c] = !table.columns()[c].is_number();
    for (const std::string& name : category_) as_category_[table.column(name)] = true;
    ignored_[target_] = false;
  }

  /// Whether the target is classes.
  void decide_target(Table& table) {
    const TableColumn& column = table.columns()[target_];
    bool classes = as_category_[target_];
    if (!classes) {
      std::set<double> values;
      bool whole = true;
      for (const double x : column.numbers) {
        if (std::isnan(x)) continue;
        whole = whole && x == std::floor(x);
        if (!whole || values.size() > kFewNumbers) break;
        values.insert(x);
      }
      classes = whole && values.size() <= kFewNumbers &&
                2 * std::ssize(values) <= static_cast<std::int64_t>(column.numbers.size());
    }
    if (task_ == "number" && !column.is_number()) {
      throw FormatError(file_ + ":" + std::to_string(column.text_line) + ": column '" +
                        column.name + "': expected a number as task=number says, found \"" +
                        column.text + "\"");
    }
    as_category_[target_] = task_.empty() ? classes : task_ == "classes";
  }

  std::vector<std::size_t> category_columns() const {
    std::vector<std::size_t> list;
    for (std::size_t c = 0; c < as_category_.size(); ++c) {
      if (as_category_[c] && !ignored_[c]) list.push_back(c);
    }
    return list;
  }

  std::vector<std::int64_t> rows_with_target(Table& table) {
    const TableColumn& column = table.columns()[target_];
    std::vector<std::int64_t> kept;
    for (std::int64_t row = 0; row < table.rows(); ++row) {
      const auto i = static_cast<std::size_t>(row);
      if (as_category_[target_] ? column.indices[i] < 0 : std::isnan(column.numbers[i])) continue;
      kept.push_back(row);
      if (as_category_[target_]) labels_.push_back(column.indices[i]);
    }
    const std::int64_t dropped = table.rows() - std::ssize(kept);
    if (dropped > 0) {
      notes_.push_back(std::to_string(dropped) + (dropped == 1 ? " row" : " rows") +
                       " without a target are dropped: '" + column.name + "' is missing");
    }
    const std::size_t classes = column.categories.size();
    if (as_category_[target_] &&
        (classes < 2 || (classes > kManyClasses && classes > kept.size() / 2))) {
      throw FormatError(file_ + ": column '" + column.name +
                        "': expected a target of two classes or more that occur again, or numbers; "
                        "found " +
                        std::to_string(classes) + " different texts in " +
                        std::to_string(kept.size()) + " rows");
    }
    return kept;
  }

  SplitRows split(const std::vector<std::int64_t>& kept) const {
    SplitRows rows;
    try {
      rows = split_rows(std::ssize(kept), labels_, split_);
    } catch (const ShapeError& error) {
      throw FormatError(file_ + ": " + error.what());
    }
    for (auto* part : {&rows.train, &rows.validation, &rows.test}) {
      for (std::int64_t& row : *part) row = kept[static_cast<std::size_t>(row)];
    }
    return rows;
  }

  void learn(Table& table, const std::vector<std::int64_t>& train) {
    const auto& columns = table.columns();
    for (std::size_t c = 0; c < columns.size(); ++c) {
      if (c == target_) {
        format_.fields.push_back(target_field(columns[c], train));
      } else if (ignored_[c]) {
        format_.fields.push_back({.name = columns[c].name,
                                  .kind = RecordField::Kind::ignored,
                                  .reason = "the options say so"});
      } else {
        format_.fields.push_back(learn_field(columns[c], as_category_[c], train, notes_));
      }
    }
    format_.target = target_;
    if (format_.inputs() == 0) {
      throw FormatError(file_ + ": expected a column besides the target '" + columns[target_].name +
                        "' that tells something, found none: " +
                        (notes_.empty() ? "the options leave all out" : notes_.back()));
    }
  }

  RecordField target_field(const TableColumn& column, const std::vector<std::int64_t>& train) {
    RecordField field{.name = column.name};
    if (as_category_[target_]) {
      field.kind = RecordField::Kind::category;
      field.categories = format_.class_names = column.categories;
      return field;
    }
    const Spread spread = spread_of(column.numbers, train);
    if (spread.deviation == 0) {
      throw FormatError(file_ + ": column '" + column.name +
                        "': expected a target that varies, found the same number in all training "
                        "rows");
    }
    if (column.texts > 0) {
      notes_.push_back("target '" + column.name + "': " + std::to_string(column.texts) +
                       " cells are no numbers, the first in line " +
                       std::to_string(column.text_line) + ": \"" + column.text + "\"");
    }
    field.mean = spread.mean;
    field.deviation = spread.deviation;
    return field;
  }

  Dataset part(Table& table, const std::vector<std::int64_t>& rows) const {
    Tensor inputs = encode(table.columns(), format_, rows);
    const TableColumn& column = table.columns()[target_];
    if (as_category_[target_]) {
      std::vector<std::int32_t> labels;
      for (const std::int64_t row : rows) {
        labels.push_back(column.indices[static_cast<std::size_t>(row)]);
      }
      return Dataset(spec_.text(), std::move(inputs), std::move(labels), format_.class_names)
          .with_format(format_, notes_);
    }
    Tensor targets({std::ssize(rows), 1});
    for (std::size_t i = 0; i < rows.size(); ++i) {
      format_.fields[target_].encode_number(column.numbers[static_cast<std::size_t>(rows[i])],
                                            &targets.as<float>()[i]);
    }
    return Dataset(spec_.text(), std::move(inputs), std::move(targets))
        .with_format(format_, notes_);
  }

  Spec spec_;
  std::string file_;
  const RecordFormat* given_;
  bool splits_ = false;  // whether the options say how
  std::string target_name_, task_, header_;
  char separator_ = 0;
  std::vector<std::string> category_, ignore_, features_, names_;
  SplitOptions split_;
  RecordFormat format_;
  std::vector<std::string> notes_;
  std::size_t target_ = 0;
  std::vector<bool> ignored_, as_category_;
  std::vector<std::int32_t> labels_;  // of the kept rows
};

}  // namespace

DataSplit load_csv(Spec spec, const std::string& file, const LoadOptions& options,
                   const TableDefaults& defaults) {
  return TableLoader(std::move(spec), file, options, defaults).load();
}

}  // namespace soma::data
