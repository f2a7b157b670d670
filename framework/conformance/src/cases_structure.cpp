#include "case_list.hpp"
#include "soma/sdk/ops/arithmetic.hpp"
#include "soma/sdk/ops/axis_reduction.hpp"
#include "soma/sdk/ops/dropout.hpp"
#include "soma/sdk/ops/embedding.hpp"
#include "soma/sdk/ops/gaussian_sample.hpp"
#include "soma/sdk/ops/upsample2d.hpp"

namespace soma::conformance {
namespace {

std::string suffix(const Shape& shape) {
  std::string text;
  for (const std::int64_t dim : shape.dims()) text += "_" + std::to_string(dim);
  return text.empty() ? "_scalar" : text;
}

// To add a case, add it here.
const Shape kShapes[] = {{},      {0},   {1},    {2, 0, 3},  {3},          {7},     {2, 4},
                         {9},     {15},  {4, 4}, {17},       {31},         {3, 11}, {63},
                         {5, 13}, {127}, {1000}, {17, 1000}, {2, 7, 5, 3}, {4099},  {65, 512}};

/// x and what repeats over it.
struct Repeat {
  Shape x, b;
};
const Repeat kRepeats[] = {{{5, 7}, {7}},
                           {{5, 7}, {1, 7}},
                           {{5, 7}, {5, 1}},
                           {{5, 7}, {1}},
                           {{5, 7}, {}},
                           {{5, 7}, {5, 7}},
                           {{1}, {1}},
                           {{0, 7}, {7}},
                           {{7, 0}, {7, 1}},
                           {{2, 0, 3}, {2, 1, 3}},
                           {{17, 1}, {1}},
                           {{2, 3, 4, 5}, {5}},
                           {{2, 3, 4, 5}, {4, 5}},
                           {{2, 3, 4, 5}, {2, 1, 1, 5}},
                           {{2, 3, 4, 5}, {2, 1, 1, 1}},
                           {{2, 3, 4, 5}, {2, 3, 1, 5}},
                           {{3, 1, 9, 8}, {3, 1, 1, 8}},
                           {{2, 9, 9, 33}, {2, 1, 1, 33}},
                           {{3, 14, 14, 16}, {3, 1, 1, 16}},
                           {{511, 31}, {31}},
                           {{512, 32}, {32}},
                           {{513, 33}, {33}},
                           {{1025, 2}, {2}},
                           {{3, 4095}, {3, 1}},
                           {{3, 4096}, {3, 1}},
                           {{3, 4097}, {3, 1}},
                           {{2, 9000}, {2, 1}},
                           {{100000}, {1}},
                           {{17, 65, 127}, {65, 127}},
                           {{2, 1025, 65}, {2, 1, 65}},
                           {{33, 1000}, {1000}}};

/// x and the axis of a reduction; n = 0 is a case of sum alone.
struct Along {
  Shape x;
  int axis;
};
const Along kAlong[] = {
    {{1}, 0},       {{7}, 0},          {{8}, 0},          {{9}, 0},          {{16}, 0},
    {{17}, 0},      {{1000}, 0},       {{3, 15}, 1},      {{15, 3}, 0},      {{2, 1}, 1},
    {{1, 2}, 0},    {{0, 3}, 1},       {{3, 5, 0}, 1},    {{2, 3, 5}, 1},    {{4, 31, 17}, 1},
    {{511, 33}, 0}, {{512, 31}, 0},    {{513, 63}, 0},    {{3, 1025, 9}, 1}, {{5, 4095}, 1},
    {{3, 4096}, 1}, {{3, 4097}, 1},    {{2, 8200}, 1},    {{100000}, 0},     {{17, 127}, 1},
    {{127, 17}, 0}, {{2, 7, 1000}, 1}, {{2, 3, 4, 5}, 2}, {{33, 64, 8}, 1},  {{17, 2, 65}, 1}};

void add_arithmetic(std::vector<Case>& to) {
  for (const Shape& shape : kShapes) {
    const std::string at = suffix(shape);
    to.push_back(
        {"structure", "multiply" + at, ops::Multiply::forward(shape, shape, Purpose::train)});
    to.push_back(
        {"structure", "subtract" + at, ops::Subtract::forward(shape, shape, Purpose::train)});
    to.push_back({"structure", "scale" + at,
                  ops::Scale{.factor = 0.3, .offset = -1.7}.forward(shape, Purpose::train)});
    to.push_back({"structure", "scale_no_offset" + at,
                  ops::Scale{.factor = -2.5}.forward(shape, Purpose::infer)});
  }
  to.push_back({"structure", "multiply_tiny",
                ops::Multiply::forward({3, 17}, {3, 17}, Purpose::train), Spread::tiny});
  to.push_back({"structure", "broadcast_multiply_tiny",
                ops::Broadcast::multiply({3, 17}, {17}, Purpose::train), Spread::tiny});
  for (const Repeat& r : kRepeats) {
    const std::string at = suffix(r.x) + "_by" + suffix(r.b);
    to.push_back(
        {"structure", "broadcast_add" + at, ops::Broadcast::add(r.x, r.b, Purpose::train)});
    to.push_back({"structure", "broadcast_add_bwd" + at, ops::Broadcast::add_backward(r.x, r.b)});
    to.push_back({"structure", "broadcast_multiply" + at,
                  ops::Broadcast::multiply(r.x, r.b, Purpose::train)});
    to.push_back(
        {"structure", "broadcast_multiply_bwd" + at, ops::Broadcast::multiply_backward(r.x, r.b)});
  }
}

void add_reductions(std::vector<Case>& to) {
  for (const Along& a : kAlong) {
    const ops::AxisReduction over{a.axis};
    const std::string at = suffix(a.x) + "_axis_" + std::to_string(a.axis);
    to.push_back({"structure", "sum" + at, over.sum(a.x, Purpose::train)});
    to.push_back({"structure", "sum_bwd" + at, over.sum_backward(a.x)});
    to.push_back({"structure", "mean" + at, over.mean(a.x, Purpose::train)});
    to.push_back({"structure", "mean_bwd" + at, over.mean_backward(a.x)});
    to.push_back({"structure", "max" + at, over.max(a.x, Purpose::train)});
    to.push_back({"structure", "max_infer" + at, over.max(a.x, Purpose::infer)});
    to.push_back({"structure", "max_bwd" + at, over.max_backward(a.x)});
  }
  for (const Along& a : {Along{{0}, 0}, Along{{3, 0}, 1}, Along{{0, 9}, 0}, Along{{2, 0, 3}, 1}}) {
    const ops::AxisReduction over{a.axis};
    to.push_back({"structure", "sum_of_nothing" + suffix(a.x), over.sum(a.x, Purpose::train)});
    to.push_back({"structure", "sum_of_nothing_bwd" + suffix(a.x), over.sum_backward(a.x)});
  }
}

void add_images(std::vector<Case>& to) {
  const Shape images[] = {{1, 1, 1, 1}, {2, 3, 5, 3}, {1, 7, 2, 8}, {2, 4, 4, 9}, {1, 2, 3, 33},
                          {0, 3, 3, 2}, {2, 0, 3, 2}, {2, 3, 3, 0}, {1, 1, 9, 2}, {3, 14, 14, 17}};
  const std::int64_t scales[][2] = {{1, 1}, {2, 2}, {3, 2}, {1, 4}, {5, 3}};
  for (const Shape& x : images) {
    for (const auto& [h, w] : scales) {
      for (const bool bilinear : {false, true}) {
        const ops::Upsample2d up{.scale_h = h, .scale_w = w, .bilinear = bilinear};
        const std::string at = std::string(bilinear ? "_bilinear_" : "_nearest_") +
                               std::to_string(h) + "x" + std::to_string(w) + suffix(x);
        to.push_back({"structure", "upsample" + at, up.forward(x, Purpose::train)});
        to.push_back({"structure", "upsample_bwd" + at, up.backward(x)});
      }
    }
  }
}

void add_lookups(std::vector<Case>& to) {
  struct Lookup {
    std::int64_t rows, width;
    Shape ids;
    std::int64_t padding_idx = -1;
  };
  const Lookup lookups[] = {{1, 1, {1}},         {2, 3, {7}},          {5, 8, {2, 9}},
                            {3, 9, {17}},        {10, 1, {4, 4}},      {7, 15, {0}},
                            {1000, 16, {65}},    {4, 17, {3, 1000}},   {127, 33, {2, 3, 5}},
                            {31, 65, {100}, 0},  {31, 65, {100}, 30},  {1, 8, {33}},
                            {63, 127, {17, 31}}, {1000, 512, {8, 64}}, {5, 0, {4}},
                            {16, 1000, {9}, 3},  {50, 4, {}}};
  for (const Lookup& l : lookups) {
    const ops::Embedding embedding{l.padding_idx};
    const Shape table{l.rows, l.width};
    const std::string at = suffix(table) + "_ids" + suffix(l.ids) +
                           (l.padding_idx < 0 ? "" : "_padding_" + std::to_string(l.padding_idx));
    to.push_back({"structure", "embedding" + at, embedding.forward(table, l.ids, Purpose::train)});
    to.push_back({"structure", "embedding_bwd" + at, embedding.backward(table, l.ids)});
  }
  for (const Shape& shape : kShapes) {
    to.push_back({"structure", "cast" + suffix(shape), ops::Cast::forward(shape, Purpose::infer)});
    for (const double rate : {0.0, 0.1, 0.5, 0.9, 1.0}) {
      const ops::Dropout dropout{rate, 0x123456789ABCDEF0u};
      const std::string at =
          "_percent_" + std::to_string(static_cast<int>(100 * rate)) + suffix(shape);
      to.push_back({"structure", "dropout" + at, dropout.forward(shape, Purpose::train)});
      to.push_back({"structure", "dropout_bwd" + at, dropout.backward(shape)});
    }
  }
  for (const Shape& shape : kShapes) {
    const ops::GaussianSample sample{0x123456789ABCDEF0u};
    to.push_back({"structure", "gaussian_sample" + suffix(shape),
                  sample.forward(shape, shape, Purpose::train)});
    to.push_back({"structure", "gaussian_sample_bwd" + suffix(shape), sample.backward(shape)});
  }
  const ops::GaussianSample normals{7};
  to.push_back(
      {"structure", "gaussian_sample_large", normals.forward({100003}, {100003}, Purpose::train)});
  const ops::Dropout large{0.25, 7};
  to.push_back({"structure", "dropout_large", large.forward({100003}, Purpose::train)});
}

}  // namespace

void add_structure_cases(std::vector<Case>& to) {
  add_arithmetic(to);
  add_reductions(to);
  add_arrangement_cases(to);
  add_images(to);
  add_lookups(to);
}

}  // namespace soma::conformance
