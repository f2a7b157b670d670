#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "soma/dataset.hpp"
#include "soma/model.hpp"
#include "temporary_folder.hpp"

namespace {

using soma::Dataset;
using soma::DataSplit;
using soma::FormatError;
using soma::RecordField;
using soma::RecordFormat;
using Kind = soma::RecordField::Kind;
using Strings = std::vector<std::string>;

/// Writes a table and loads it with all rows for training, unless the options say otherwise.
class Csv {
 public:
  explicit Csv(const std::string& text) { write_all(file(), text); }
  std::string file() const { return (folder_ / "t.csv").string(); }
  DataSplit load(const std::string& options = "test=0") const {
    return soma::data::load("csv:" + file() + "?" + options);
  }
  /// What is wrong with it, without the folder.
  std::string problem(const std::string& options = "test=0") const {
    std::string text = message_of<FormatError>([&] { load(options); });
    for (std::size_t at; (at = text.find(file())) != std::string::npos;) {
      text.replace(at, file().size(), "t.csv");
    }
    return text;
  }

 private:
  TemporaryFolder folder_;
};

std::vector<float> row_of(const Dataset& data, std::int64_t row) {
  std::vector<float> values(static_cast<std::size_t>(data.sample_shape().elements()));
  data.gather_inputs({&row, 1}, values.data());
  return values;
}

std::vector<std::int32_t> labels_of(const Dataset& data) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(data.size()));
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<std::int32_t> labels(rows.size());
  data.gather_labels(rows, labels.data());
  return labels;
}

Strings names_of(const RecordFormat& format) {
  Strings names;
  for (const RecordField& field : format.fields) names.push_back(field.name);
  return names;
}

constexpr const char* kPeople =
    "\xef\xbb\xbfid, \"Name, in full\" ,age,city,\"says \"\"yes\"\"\"\r\n"
    "1,\"Smith, \"\"Jo\"\"\",20,Rome,yes\r\n"
    "2,\"two\nlines\",,\"New York, NY\",no\r\n"
    "\r\n"
    "3,c,40, Rome ,yes\r\n"
    "4,d,NA,,no\r\n"
    "5,e,30,Rome,\r\n"
    "6,f,3e1,\"New York, NY\",yes\r\n";

TEST(Csv, ReadsWhatNobodyPrepared) {
  const DataSplit data = Csv(kPeople).load("test=0&ignore=\"Name, in full\"");
  const RecordFormat& format = data.train.record_format();
  EXPECT_EQ(names_of(format), (Strings{"id", "Name, in full", "age", "city", "says \"yes\""}));
  EXPECT_EQ(format.fields[0].kind, Kind::ignored);  // it numbers the rows
  EXPECT_EQ(format.fields[1].kind, Kind::ignored);
  EXPECT_EQ(format.fields[2].mean, 30);
  EXPECT_TRUE(format.fields[2].may_miss);
  EXPECT_EQ(format.fields[3].categories, (Strings{"New York, NY", "Rome"}));
  EXPECT_TRUE(format.fields[3].may_miss);
  EXPECT_EQ(data.train.class_names(), (Strings{"no", "yes"}));
  ASSERT_EQ(data.train.size(), 5);  // one row has no target
  EXPECT_EQ(labels_of(data.train), (std::vector<std::int32_t>{1, 0, 1, 0, 1}));
  const float z = static_cast<float>(10 / std::sqrt(200.0 / 3));
  EXPECT_EQ(row_of(data.train, 0), (std::vector<float>{-z, 0, 0, 1, 0}));
  EXPECT_EQ(row_of(data.train, 1), (std::vector<float>{0, 1, 1, 0, 0}));
  EXPECT_EQ(row_of(data.train, 3), (std::vector<float>{0, 1, 0, 0, 1}));
  EXPECT_EQ(data.train.notes(),
            (Strings{"1 row without a target are dropped: 'says \"yes\"' is missing",
                     "column 'id' is left out: it numbers the rows"}));
}

TEST(Csv, FindsSeparatorHeaderAndDecimals) {
  const DataSplit data =
      Csv("7,25;a;1,5\n8,5;b;2,5\n9,75;a;3,75\n1;b;5\n").load("decimal=,&test=0&task=number");
  EXPECT_EQ(names_of(data.train.record_format()), (Strings{"column1", "column2", "column3"}));
  EXPECT_EQ(data.train.size(), 4);
  EXPECT_EQ(data.train.record_format().fields[0].mean, 6.625);
  EXPECT_EQ(data.train.record_format().answer(0), 3.1875);
  // Only words: a header is what no row repeats.
  EXPECT_EQ(Csv("size\tcolour\nbig\tred\nsmall\tblue\nbig\tred\n").load().train.size(), 3);
  EXPECT_EQ(Csv("big\tred\nsmall\tblue\nbig\tred\nsmall\tred\n").load().train.size(), 4);
}

TEST(Csv, TellsClassesFromNumbers) {
  std::string whole = "x,y\n", many = "x,y\n", fractions = "x,y\n";
  for (int i = 0; i < 30; ++i) {
    const std::string x = std::to_string(i * i % 7);
    whole += x + "," + std::to_string(i % 10) + "\n";
    many += x + "," + std::to_string(i % 12) + "\n";
    fractions += x + "," + std::to_string(i % 2) + ".5\n";
  }
  EXPECT_EQ(Csv(whole).load().train.classes(), 10);
  EXPECT_EQ(Csv(whole).load("task=number&test=0").train.classes(), 0);
  EXPECT_FALSE(Csv(many).load().train.is_classification());
  EXPECT_EQ(Csv(many).load("task=classes&test=0").train.class_names()[11], "11");  // by value
  EXPECT_FALSE(Csv(fractions).load().train.is_classification());
}

TEST(Csv, LearnsFromTrainingRowsOnly) {
  // The last rows, which are the test, hold what the training rows do not.
  std::string text = "x,c,y\n";
  for (int i = 0; i < 8; ++i) text += std::to_string(i % 2) + "," + "ab"[i % 2] + ",1.5\n";
  text.replace(text.size() - 4, 3, "2.5");
  text += "1000,z,9\n,a,7\n";
  const DataSplit data = Csv(text).load("split=ordered&test=0.2");
  const RecordFormat& format = data.train.record_format();
  EXPECT_EQ(format.fields[0].mean, 0.5);
  EXPECT_EQ(format.fields[0].deviation, 0.5);
  EXPECT_FALSE(format.fields[0].may_miss);
  EXPECT_EQ(format.fields[1].categories, (Strings{"a", "b"}));
  EXPECT_EQ(row_of(data.test, 0), (std::vector<float>{1999, 0, 0}));
  EXPECT_EQ(row_of(data.test, 1), (std::vector<float>{0, 1, 0}));
  EXPECT_EQ(data.test.record_format(), format);
}

TEST(Csv, ReadsDatesAsDaysAndOtherBytesAsWindows1252) {
  const DataSplit data = Csv("day,town,y\n2024-02-28,K\xf6ln,1\n2024-03-01 12:00,K\xf6ln,2\n"
                             "1970-01-02,Ulm,1\n2024-02-30,Ulm,2\n")
                             .load("test=0&category=town");
  const RecordFormat& format = data.train.record_format();
  EXPECT_EQ(format.fields[1].categories, (Strings{"K\xc3\xb6ln", "Ulm"}));
  EXPECT_EQ(format.fields[0].kind, Kind::category);  // there is no 30th of February
  EXPECT_EQ(data.train.notes()[0], "the text is not UTF-8, so it is read as Windows-1252");
  const DataSplit dates = Csv("day,y\n1970-01-02,1\n1970-01-03T12:00:00,2\n").load();
  EXPECT_EQ(dates.train.record_format().fields[0].mean, 1.75);
}

TEST(Csv, SplitsEachClassAlone) {
  std::string text = "x,y\n";
  for (int i = 0; i < 200; ++i)
    text += std::to_string(i) + ".5," + (i % 10 == 0 ? "rare\n" : "usual\n");
  const Csv csv(text);
  const DataSplit data = csv.load("test=0.25&validation=0.1&seed=5");
  const auto rare = [](const Dataset& part) { return std::ranges::count(labels_of(part), 0); };
  EXPECT_EQ(data.train.size(), 130);
  EXPECT_EQ(data.validation.size(), 20);
  EXPECT_EQ(data.test.size(), 50);
  EXPECT_EQ(rare(data.train), 13);
  EXPECT_EQ(rare(data.validation), 2);
  EXPECT_EQ(rare(data.test), 5);
  EXPECT_EQ(data.test.sha256(), csv.load("test=0.25&validation=0.1&seed=5").test.sha256());
  EXPECT_NE(data.test.sha256(), csv.load("test=0.25&validation=0.1&seed=6").test.sha256());
}

struct Malformed {
  const char* name;
  std::string text, options, problem;
};
void PrintTo(const Malformed& c, std::ostream* out) { *out << c.name; }

class MalformedCsv : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedCsv, GetsOneSentenceWithThePlace) {
  const Malformed& c = GetParam();
  EXPECT_EQ(Csv(c.text).problem(c.options), c.problem);
}

const Malformed kMalformed[] = {
    {"empty", "\n \n", "", "t.csv: expected rows of a table, found an empty file"},
    {"header_alone", "a,b\n", "header=yes", "t.csv:1: expected rows below the header, found none"},
    {"short_row", "a,b\n1,2\n\n3\n", "", "t.csv:4: expected 2 cells as in the first line, found 1"},
    {"open_quote", "a,b\n1,2\n3,\"4\n5,6\n", "",
     "t.csv:3: expected a quote that closes the one opened here, found the end of the file"},
    {"text_behind_quote", "a,b\n1,\"2\"x\n", "",
     "t.csv:2: expected a separator behind the closing quote of \"2\", found 'x'"},
    {"zero_byte", std::string("a,b\n1,\0\n", 8), "",
     "t.csv:2: expected text, found a byte 0: this is no CSV file"},
    {"utf16",
     "\xff\xfe"
     "a",
     "", "t.csv: expected text in UTF-8 or a single-byte encoding, found UTF-16"},
    {"one_column", "a\n1\n2\n", "",
     "t.csv: expected two columns or more, found one called 'a': the separator seems to be another "
     "one than ','"},
    {"no_such_column", "a,b\n1,2\n", "target=c",
     "t.csv: expected one of the columns a, b, or 1 to 2, found no \"c\""},
    {"text_as_number", "a,b\n1,2\n2,x\n", "task=number",
     "t.csv:3: column 'b': expected a number as task=number says, found \"x\""},
    {"one_class", "a,b\n1,x\n2,x\n", "",
     "t.csv: column 'b': expected a target of two classes or more that occur again, or numbers; "
     "found 1 different texts in 2 rows"},
    {"constant_target", "a,b\n1,2.5\n2,2.5\n", "test=0",
     "t.csv: column 'b': expected a target that varies, found the same number in all training "
     "rows"},
    {"nothing_to_learn_from", "a,b\n1,2.5\n1,3.5\n", "test=0",
     "t.csv: expected a column besides the target 'b' that tells something, found none: column 'a' "
     "is left out: it is 1 in all training rows"},
    {"too_few_rows", "a,b\n1,2.5\n2,3.5\n", "test=0.1",
     "t.csv: split: expected a sample or more for the test, found none: 2 samples are too few for "
     "these shares"},
    {"unknown_option", "a,b\n1,2\n", "tset=0.1",
     "data 'csv:t.csv?tset=0.1': expected the options target, task, header, separator, missing, "
     "decimal, category, ignore, features, test, validation, split and seed, found \"tset\""},
    {"no_value", "a,b\n1,2\n", "test",
     "data 'csv:t.csv?test': expected options like key=value between &, found \"test\""},
    {"bad_share", "a,b\n1,2\n", "test=20",
     "data 'csv:t.csv?test=20': test: expected a number from 0 to 0.9, found \"20\""},
};
INSTANTIATE_TEST_SUITE_P(All, MalformedCsv, testing::ValuesIn(kMalformed),
                         [](const auto& info) { return info.param.name; });

TEST(MalformedFile, IsNamed) {
  EXPECT_EQ(message_of<FormatError>([] { soma::data::load("csv:/nowhere.csv"); }),
            "/nowhere.csv: cannot be read: No such file or directory");
  const TemporaryFolder folder;
  EXPECT_EQ(message_of<FormatError>([&] { soma::data::load("csv:" + folder.path().string()); }),
            folder.path().string() + ": expected a file, found a folder");
}

TEST(Records, AreReadAsTheTrainingRowsWere) {
  const DataSplit data = Csv(kPeople).load("test=0&ignore=\"Name, in full\"");
  const RecordFormat format =
      RecordFormat::from_json(data.train.record_format().to_json(), "format");
  EXPECT_EQ(format, data.train.record_format());
  const auto read = [&](const std::string& text) {
    return soma::data::read_records(text, "r", format);
  };
  // By name in any order, by position with and without the target.
  for (const char* text : {"city,other,age\nRome,?,20\n", "9,x,20,Rome,no\n", "9,x,20,Rome\n"}) {
    EXPECT_EQ(read(text).inputs, row_of(data.train, 0)) << text;
    EXPECT_EQ(read(text).truth.size(), std::string_view(text).find("no") < 99 ? 1u : 0u);
    EXPECT_TRUE(read(text).notes.empty());
  }
  EXPECT_EQ(read("age,city\nold,Oslo\nNA,\n").notes,
            (Strings{"r:2: column 'age': expected a number, found \"old\"; it counts as the mean",
                     "r:2: column 'city': \"Oslo\" is unknown to the model; it counts as none of "
                     "the known ones"}));
  EXPECT_EQ(message_of<FormatError>([&] { read("age,town\n1,a\n"); }),
            "r:1: expected a column for all that the model takes, found none called city");
  EXPECT_EQ(message_of<FormatError>([&] { read("1,2,3\n"); }),
            "r:1: expected 4 cells (id, Name, in full, age, city), or the target 'says \"yes\"' in "
            "its place too, found 3");
}

TEST(Records, TravelInTheModelFile) {
  const DataSplit data = Csv(kPeople).load("test=0&ignore=\"Name, in full\"");
  soma::Model net = soma::Model::named("tabular", data.train);
  EXPECT_EQ(net.input_shape(), soma::Shape{5});
  EXPECT_EQ(net.output_shape(), soma::Shape{2});
  net.initialize(1);
  net.set_record_format(data.train.record_format());
  const TemporaryFolder folder;
  net.save(folder / "m.safetensors");
  EXPECT_EQ(soma::Model::load(folder / "m.safetensors").record_format(),
            data.train.record_format());
  net.set_record_format({.fields = {{.name = "a"}}});
  net.save(folder / "m.safetensors");
  EXPECT_EQ(message_of<FormatError>([&] { soma::Model::load(folder / "m.safetensors"); }),
            (folder / "m.safetensors").string() +
                ": expected a record format of 5 inputs, found one of 1");
}

TEST(Records, FormatErrorsNameTheField) {
  const auto problem = [](const std::string& json) {
    return message_of<FormatError>([&] { RecordFormat::from_json(json, "f"); });
  };
  EXPECT_EQ(problem(R"({"soma_records":1,"class_names":[],"fields":[{"name":"a","kind":"number",)"
                    R"("mean":0,"deviation":0}],"missing":[],"decimal":"."})"),
            "f:1: fields[0].deviation: expected a finite number above 0");
  EXPECT_EQ(problem(R"({"soma_records":2})"), "f:1: soma_records: expected 1, found 2");
  EXPECT_EQ(problem(R"({"soma_records":1,"class_names":[],"fields":[],"target":0})"),
            "f:1: target: expected the index of a field, found 0");
}

TEST(LoadedWithAFormat, LearnsNothing) {
  const DataSplit data = Csv(kPeople).load("test=0&ignore=\"Name, in full\"");
  const Csv other("city,age,says \"yes\"\nRome,20,yes\nOslo,40,no\nRome,20,perhaps\n");
  const Dataset test =
      soma::data::load("csv:" + other.file(), {.format = &data.train.record_format()}).test;
  ASSERT_EQ(test.size(), 2);
  EXPECT_EQ(row_of(test, 0), row_of(data.train, 0));
  EXPECT_EQ(labels_of(test), (std::vector<std::int32_t>{1, 0}));
  EXPECT_EQ(test.notes().back(),
            "1 rows whose target is missing or unknown to the model are dropped");
}

TEST(NamedTables, HaveTheirRows) {
  const char* folder = std::getenv("SOMA_DATA");
  if (folder == nullptr ||
      !std::filesystem::exists(std::filesystem::path(folder) / "tabular/wine.csv")) {
    GTEST_SKIP() << "SOMA_DATA has no tables";
  }
  const struct {
    const char* name;
    std::int64_t train, test, inputs, classes;
  } tables[] = {{"wine", 118, 60, 13, 3},
                {"banknote", 1098, 274, 4, 2},
                {"sonar", 167, 41, 60, 2},
                {"abalone", 3342, 835, 10, 0}};
  for (const auto& [name, train, test, inputs, classes] : tables) {
    const DataSplit data = soma::data::load(name);
    EXPECT_EQ(data.train.size(), train) << name;
    EXPECT_EQ(data.test.size(), test) << name;
    EXPECT_EQ(data.train.sample_shape(), soma::Shape{inputs}) << name;
    EXPECT_EQ(data.train.classes(), classes) << name;
    EXPECT_TRUE(data.train.notes().empty()) << name;
  }
}

}  // namespace
