#include "soma/dataset.hpp"

#include <gtest/gtest.h>

#include <array>
#include <numeric>

#include "temporary_folder.hpp"

namespace {

using soma::Dataset;
using soma::ShapeError;
using soma::Tensor;

Tensor counting(soma::Shape shape) {
  Tensor tensor(shape);
  std::iota(tensor.as<float>().begin(), tensor.as<float>().end(), 0.0f);
  return tensor;
}

Dataset bytes_set(std::string name = "bytes") {
  return {std::move(name), {1, 2}, {0, 51, 102, 153, 204, 255}, {2, 0, 1}, {"a", "b", "c"}};
}

TEST(Dataset, HasColumnsOfNumbersAndIndices) {
  Tensor ids({3, 2}, soma::DType::i32), labels({3, 2}, soma::DType::i32);
  std::iota(ids.as<std::int32_t>().begin(), ids.as<std::int32_t>().end(), 10);
  std::ranges::copy(std::array{0, 1, -1, 1, 0, -1}, labels.as<std::int32_t>().begin());
  std::vector<soma::ColumnData> inputs, targets;
  inputs.push_back({"x", counting({3, 4})});
  inputs.push_back({"ids", std::move(ids)});
  targets.push_back({"labels", std::move(labels)});
  targets.push_back({"y", counting({3})});
  const Dataset data("columns", std::move(inputs), std::move(targets), {"a", "b"});
  EXPECT_EQ(data.size(), 3);
  EXPECT_EQ(data.inputs()[1].name, "ids");
  EXPECT_EQ(data.inputs()[1].sample, soma::Shape{2});
  EXPECT_EQ(data.inputs()[1].type, soma::DType::i32);
  EXPECT_EQ(data.target_shape(), soma::Shape{2});
  EXPECT_EQ(data.targets()[1].sample.rank(), 0);
  const std::int64_t rows[] = {2, 0};
  std::vector<std::int32_t> picked(4), answers(4);
  std::vector<float> y(2);
  data.gather_input(1, rows, reinterpret_cast<std::byte*>(picked.data()));
  data.gather_labels(rows, answers.data());
  data.gather_target(1, rows, reinterpret_cast<std::byte*>(y.data()));
  EXPECT_EQ(picked, (std::vector<std::int32_t>{14, 15, 10, 11}));
  EXPECT_EQ(answers, (std::vector<std::int32_t>{0, -1, 0, 1}));
  EXPECT_EQ(y, (std::vector<float>{2, 0}));
  EXPECT_EQ(data.head(2).size(), 2);
  EXPECT_NE(data.head(2).sha256(), data.sha256());
}

TEST(DatasetErrors, NameTheColumn) {
  const auto made = [](Tensor input, Tensor target, std::vector<std::string> names) {
    std::vector<soma::ColumnData> inputs, targets;
    inputs.push_back({"x", std::move(input)});
    targets.push_back({"y", std::move(target)});
    return message_of<ShapeError>(
        [&] { Dataset("d", std::move(inputs), std::move(targets), std::move(names)); });
  };
  EXPECT_EQ(made(counting({2, 1}), counting({3}), {}),
            "data set 'd': column 'y': expected f32 or i32 [2,...], got f32 [3]");
  Tensor labels({2}, soma::DType::i32);
  labels.as<std::int32_t>()[1] = 2;
  EXPECT_EQ(made(counting({2}), labels.clone(), {"a", "b"}),
            "data set 'd': column 'y', element 1: expected a class below 2, got 2");
  EXPECT_EQ(
      made(counting({2}), counting({2}), {"a"}),
      "data set 'd': expected the names of classes for i32 targets and only for these, got 1");
}

TEST(Dataset, GathersBytesAsParts255) {
  const Dataset data = bytes_set();
  EXPECT_EQ(data.size(), 3);
  EXPECT_EQ(data.sample_shape(), (soma::Shape{1, 2}));
  EXPECT_TRUE(data.is_classification());
  EXPECT_EQ(data.classes(), 3);
  std::vector<float> inputs(6);
  std::vector<std::int32_t> labels(3);
  const std::int64_t rows[] = {2, 0, 2};
  data.gather_inputs(rows, inputs.data());
  data.gather_labels(rows, labels.data());
  EXPECT_EQ(inputs, (std::vector{204 / 255.0f, 1.0f, 0.0f, 51 / 255.0f, 204 / 255.0f, 1.0f}));
  EXPECT_EQ(labels, (std::vector{1, 2, 1}));
}

TEST(Dataset, GathersFloatsAndTargets) {
  const Dataset data("regression", counting({3, 2}), counting({3}));
  EXPECT_FALSE(data.is_classification());
  EXPECT_EQ(data.target_shape().rank(), 0);
  std::vector<float> inputs(4), targets(2);
  const std::int64_t rows[] = {2, 1};
  data.gather_inputs(rows, inputs.data());
  data.gather_targets(rows, targets.data());
  EXPECT_EQ(inputs, (std::vector{4.0f, 5.0f, 2.0f, 3.0f}));
  EXPECT_EQ(targets, (std::vector{2.0f, 1.0f}));
}

TEST(Dataset, CutsItsHead) {
  const Dataset bytes = bytes_set().head(2);
  EXPECT_EQ(bytes.size(), 2);
  EXPECT_EQ(bytes.classes(), 3);
  const Dataset floats = Dataset("r", counting({3, 2}), counting({3, 4})).head(1);
  EXPECT_EQ(floats.size(), 1);
  EXPECT_EQ(floats.target_shape(), soma::Shape{4});
  EXPECT_EQ(bytes_set().head(10).size(), 3);
  EXPECT_EQ(bytes_set().head(0).size(), 0);
  EXPECT_THROW(bytes_set().head(-1), ShapeError);
}

TEST(Dataset, HashesContentNotName) {
  const std::string hash = bytes_set("one").sha256();
  EXPECT_EQ(hash, bytes_set("two").sha256());
  EXPECT_NE(hash, bytes_set().head(2).sha256());
  EXPECT_NE(hash,
            Dataset("x", {2}, {0, 51, 102, 153, 204, 255}, {2, 0, 1}, {"a", "b", "c"}).sha256());
  EXPECT_NE(hash,
            Dataset("x", {1, 2}, {0, 51, 102, 153, 204, 255}, {2, 0, 2}, {"a", "b", "c"}).sha256());
  EXPECT_NE(Dataset("x", counting({2, 2}), counting({2})).sha256(),
            Dataset("x", counting({2, 2}), counting({2, 1})).sha256());
}

TEST(DatasetErrors, SayExpectedAndFound) {
  const auto message = [](auto call) { return message_of<ShapeError>(call); };
  EXPECT_EQ(message([] {
              Dataset("d", counting({2, 2}), {0, 1, 0}, {"a", "b"});
            }),
            "data set 'd': expected as many labels as samples, got 3 labels and 2 samples");
  EXPECT_EQ(message([] {
              Dataset("d", counting({2, 2}), {0, 2}, {"a", "b"});
            }),
            "data set 'd': label of sample 1: expected a class in [0,2), got 2");
  EXPECT_EQ(message([] {
              Dataset("d", counting({1, 2}), {-1}, {"a", "b"});
            }),
            "data set 'd': label of sample 0: expected a class in [0,2), got -1");
  EXPECT_EQ(message([] {
              Dataset("d", counting({1, 2}), {0}, {});
            }),
            "data set 'd': expected the names of one class or more, got none");
  EXPECT_EQ(
      message([] {
        Dataset("d", counting({2, 2}), counting({3, 2}));
      }),
      "data set 'd': expected as many targets as samples, got targets [3,2] and inputs [2,2]");
  EXPECT_EQ(message([] {
              Dataset("d", {2, 2}, {1, 2, 3}, {0}, {"a"});
            }),
            "data set 'd': expected 1 samples [2,2], got 3 bytes");
  EXPECT_EQ(message([] { Dataset("d", Tensor({2}, soma::DType::i32), counting({2})); }),
            "data set 'd': inputs: expected f32 [n,...], got i32 [2]");
}

}  // namespace
