#include "case_list.hpp"
#include "soma/sdk/ops/loss.hpp"

namespace soma::conformance {
namespace {

struct CrossEntropyCase {
  std::int64_t n, c;
  Spread spread = Spread::unit;
};

// To add a case, add a line.
const CrossEntropyCase kCrossEntropyCases[] = {
    {1, 1},
    {17, 1},
    {1, 2},
    {2, 3},
    {7, 8},
    {3, 9},
    {16, 10},
    {17, 15},
    {2, 16},
    {3, 17},
    {33, 31},
    {2, 65},
    {1, 127},
    {4, 1000},
    {1000, 3},
    {64, 10},
    {4097, 2},
    {2, 4097},
    {0, 10},
    {17, 10, Spread::wide},
    {33, 3, Spread::wide},
};

const Shape kElementShapes[] = {{1},    {2},    {3, 3},   {15},      {16},         {17},
                                {33},   {127},  {17, 10}, {1000},    {4095},       {4096},
                                {4097}, {8193}, {0},      {2, 0, 3}, {2, 3, 4, 5}, {100000}};

struct WeighedCase {
  const char* name;
  ops::SoftmaxCrossEntropy loss;
};

// "all": every target ignored; "weightless": every class of weight 0.
const WeighedCase kWeighedCases[] = {
    {"smooth", {.label_smoothing = 0.1}},
    {"smooth_1", {.label_smoothing = 1.0}},
    {"ignore", {.ignore_index = -100}},
    {"ignore_class", {.ignore_index = 0}},
    {"ignore_all", {.ignore_index = -1}},
    {"weights", {.class_weights = true}},
    {"weightless", {.class_weights = true}},
    {"sum", {.reduction = ops::Reduction::sum}},
    {"weights_ignore_sum",
     {.ignore_index = -1, .class_weights = true, .reduction = ops::Reduction::sum}},
    {"smooth_weights", {.label_smoothing = 0.25, .class_weights = true}},
    {"smooth_weights_ignore_all",
     {.label_smoothing = 0.25, .ignore_index = -1, .class_weights = true}},
    {"every_option",
     {.label_smoothing = 0.1,
      .ignore_index = 1,
      .class_weights = true,
      .reduction = ops::Reduction::sum}},
};
const Shape kWeighedShapes[] = {{0, 10},  {1, 1},    {1, 3},    {2, 7},    {3, 8},      {16, 10},
                                {17, 33}, {2, 4097}, {5000, 3}, {2, 3, 5}, {4, 1, 9, 2}};

const Shape kCosineShapes[] = {{0, 5},    {3, 0},    {1, 1},    {1, 2},    {2, 3},
                               {7, 8},    {3, 9},    {17, 15},  {2, 16},   {3, 17},
                               {33, 127}, {2, 1000}, {2, 4097}, {5000, 3}, {64, 128}};

std::string suffix(const Shape& shape) {
  std::string text;
  for (const std::int64_t dim : shape.dims()) text += "_" + std::to_string(dim);
  return text;
}

/// Forward and backward of a loss on two equal shapes.
template <class Family>
void add_both(std::vector<Case>& to, const std::string& name, const Family& family,
              const Shape& shape, Spread spread = Spread::unit) {
  to.push_back(
      {"loss", name + "_fwd" + suffix(shape), family.forward(shape, Purpose::train), spread});
  to.push_back({"loss", name + "_bwd" + suffix(shape), family.backward(shape), spread});
}

/// All shapes with the defaults, then a few with the sum, with the items, wide.
template <class Family>
void add_elements(std::vector<Case>& to, const std::string& name) {
  for (const Shape& shape : kElementShapes) add_both(to, name, Family{}, shape);
  for (const Shape& shape : {Shape{0}, Shape{31}, Shape{7, 9}, Shape{8195}}) {
    Family sum;
    sum.reduction = ops::Reduction::sum;
    add_both(to, name + "_sum", sum, shape);
    Family items;
    items.items = true;
    to.push_back(
        {"loss", name + "_items_fwd" + suffix(shape), items.forward(shape, Purpose::train)});
  }
  add_both(to, name + "_wide", Family{}, {33, 9}, Spread::wide);
}

}  // namespace

void add_loss_cases(std::vector<Case>& to) {
  for (const CrossEntropyCase& c : kCrossEntropyCases) {
    const std::string name = "_n" + std::to_string(c.n) + "_c" + std::to_string(c.c) +
                             (c.spread == Spread::wide ? "_wide" : "");
    to.push_back({"loss", "cross_entropy_fwd" + name,
                  ops::SoftmaxCrossEntropy{}.forward({c.n, c.c}, Purpose::train), c.spread});
    if (c.spread == Spread::wide) continue;
    to.push_back(
        {"loss", "cross_entropy_bwd" + name, ops::SoftmaxCrossEntropy{}.backward({c.n, c.c})});
  }
  for (const WeighedCase& c : kWeighedCases) {
    for (const Shape& shape : kWeighedShapes) {
      add_both(to, std::string("cross_entropy_") + c.name, c.loss, shape);
    }
    to.push_back({"loss", std::string("cross_entropy_") + c.name + "_wide_fwd",
                  c.loss.forward({17, 10}, Purpose::train), Spread::wide});
  }
  add_elements<ops::MeanSquaredError>(to, "squared_error");
  add_elements<ops::MeanAbsoluteError>(to, "absolute_error");
  add_elements<ops::Huber>(to, "huber");
  add_elements<ops::BinaryCrossEntropyWithLogits>(to, "binary_cross_entropy");
  add_elements<ops::KlDivergence>(to, "kl_divergence");
  add_elements<ops::Hinge>(to, "hinge");
  for (const Shape& shape : {Shape{1}, Shape{17}, Shape{1000}, Shape{3, 5, 7}}) {
    ops::Huber narrow;
    narrow.delta = 0.25;
    add_both(to, "huber_narrow", narrow, shape);
    ops::BinaryCrossEntropyWithLogits weighed;
    weighed.pos_weight = 2.5;
    add_both(to, "binary_cross_entropy_weighed", weighed, shape);
    ops::Hinge squared;
    squared.squared = true;
    add_both(to, "hinge_squared", squared, shape);
  }
  for (const Shape& shape : kCosineShapes) add_both(to, "cosine", ops::Cosine{}, shape);
  add_both(to, "cosine_sum", ops::Cosine{.reduction = ops::Reduction::sum}, {9, 31});
  add_both(to, "cosine_epsilon", ops::Cosine{.epsilon = 1e-3}, {9, 31});
  add_both(to, "cosine_short_rows", ops::Cosine{.epsilon = 1.5}, {9, 31});
}

}  // namespace soma::conformance
