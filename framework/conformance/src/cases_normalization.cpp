#include "case_list.hpp"
#include "soma/sdk/ops/batch_norm.hpp"
#include "soma/sdk/ops/group_norm.hpp"
#include "soma/sdk/ops/layer_norm.hpp"

namespace soma::conformance {
namespace {

constexpr Purpose kTrain = Purpose::train;

std::string name_of(const Shape& shape) {
  std::string name;
  for (const std::int64_t extent : shape.dims()) name += "_" + std::to_string(extent);
  return name;
}

// Far from 0 even float64 differences lose the digits that a gradient is checked to: such cases are
// `wide`, which leaves that check out.

/// So few numbers may lie close together by chance; a larger epsilon keeps the function smooth.
double epsilon_for(std::int64_t count) { return count < 7 ? 0.1 : 1e-5; }

// To add a case, add a shape. M around the 512 rows of a block, C around lanes, chunks and stripes.
const Shape kBatchShapes[] = {
    {1, 1},      {1, 33},    {2, 3},      {3, 7},    {7, 8},        {8, 9},
    {9, 15},     {15, 16},   {16, 17},    {17, 31},  {31, 33},      {33, 63},
    {63, 65},    {65, 127},  {127, 2},    {1000, 1}, {511, 5},      {512, 8},
    {513, 17},   {1025, 33}, {1024, 257}, {9, 1000}, {2, 5, 5, 33}, {4, 7, 7, 64},
    {3, 11, 24}, {0, 5},     {3, 0},      {2, 0, 4}, {2100, 16},
};

void add_batch_norm(std::vector<Case>& to) {
  for (const Shape& x : kBatchShapes) {
    const std::int64_t rows = x.back() == 0 ? 0 : x.elements() / x.back();
    const ops::BatchNorm norm{.epsilon = epsilon_for(rows)};
    to.push_back({"batch_norm", "fwd" + name_of(x), norm.forward(x, kTrain)});
    to.push_back({"batch_norm", "infer" + name_of(x), norm.forward(x, Purpose::infer)});
    to.push_back({"batch_norm", "bwd" + name_of(x), norm.backward(x)});
  }
  const Shape x{65, 33};
  const ops::BatchNorm plain, forgetful{.momentum = 1}, stubborn{.momentum = 0}, bare{.epsilon = 0};
  to.push_back({"batch_norm", "fwd_momentum_1", forgetful.forward(x, kTrain)});
  to.push_back({"batch_norm", "fwd_momentum_0", stubborn.forward(x, kTrain)});
  to.push_back({"batch_norm", "fwd_epsilon_0", bare.forward(x, kTrain)});
  to.push_back({"batch_norm", "infer_epsilon_0", bare.forward(x, Purpose::infer)});
  for (const Shape& far : {Shape{65, 33}, Shape{1025, 9}}) {
    to.push_back(
        {"batch_norm", "fwd_mean_1e4" + name_of(far), plain.forward(far, kTrain), Spread::wide});
    to.push_back({"batch_norm", "bwd_mean_1e4" + name_of(far), plain.backward(far)});
    to.push_back(
        {"batch_norm", "fwd_constant" + name_of(far), plain.forward(far, kTrain), Spread::wide});
  }
  to.push_back({"batch_norm", "fwd_wide", plain.forward(x, kTrain), Spread::wide});
  // What follows the norm.
  for (const Shape& shape : {Shape{9, 15}, {65, 33}, {513, 17}, {4, 7, 7, 64}, {0, 5}}) {
    for (const auto& [residual, relu] : {std::pair{true, false}, {false, true}, {true, true}}) {
      const ops::BatchNorm norm{.residual = residual, .relu = relu};
      const std::string name =
          name_of(shape) + (residual ? "_residual" : "") + (relu ? "_relu" : "");
      const Spread spread = relu ? Spread::offset : Spread::unit;
      to.push_back({"batch_norm", "fwd" + name, norm.forward(shape, kTrain), spread});
      to.push_back({"batch_norm", "infer" + name, norm.forward(shape, Purpose::infer), spread});
      if (relu) to.push_back({"batch_norm", "bwd" + name, norm.backward(shape)});
    }
  }
}

const Shape kRowShapes[] = {
    {1, 1},     {17, 1},       {2, 2},    {5, 3},     {3, 7},    {2, 8},    {3, 9},    {1, 15},
    {2, 16},    {17, 17},      {2, 31},   {33, 33},   {2, 63},   {3, 65},   {2, 127},  {3, 1000},
    {2, 4095},  {1, 4096},     {2, 4097}, {1, 10000}, {511, 5},  {512, 24}, {513, 33}, {1025, 8},
    {2, 3, 65}, {2, 3, 4, 33}, {0, 5},    {3, 0},     {2, 0, 7}, {64, 300},
};

void add_row_norm(std::vector<Case>& to, const char* family, ops::RowNorm norm, const Shape& x,
                  const std::string& suffix = "", Spread spread = Spread::unit) {
  to.push_back({family, "fwd" + name_of(x) + suffix, norm.forward(x, kTrain), spread});
  to.push_back({family, "bwd" + name_of(x) + suffix, norm.backward(x)});
}

void add_layer_norm(std::vector<Case>& to) {
  const ops::RowNorm layer;
  for (const Shape& x : kRowShapes) {
    ops::RowNorm norm = layer;
    norm.epsilon = epsilon_for(x.back());
    add_row_norm(to, "layer_norm", norm, x);
  }
  const Shape x{17, 65};
  to.push_back({"layer_norm", "infer", layer.forward(x, Purpose::infer)});
  add_row_norm(to, "layer_norm", {.shift = false}, x, "_scale_only");
  add_row_norm(to, "layer_norm", {.scale = false}, x, "_shift_only");
  add_row_norm(to, "layer_norm", {.scale = false, .shift = false}, x, "_plain");
  add_row_norm(to, "layer_norm", {.epsilon = 0}, x, "_epsilon_0");
  add_row_norm(to, "layer_norm", layer, x, "_mean_1e4", Spread::wide);
  add_row_norm(to, "layer_norm", layer, {3, 768}, "_mean_1e4", Spread::wide);
  add_row_norm(to, "layer_norm", layer, {5, 1000}, "_constant", Spread::wide);
  add_row_norm(to, "layer_norm", layer, x, "_wide", Spread::wide);
}

void add_rms_norm(std::vector<Case>& to) {
  const ops::RowNorm rms{.centred = false, .shift = false};
  for (const Shape& x : kRowShapes) {
    ops::RowNorm norm = rms;
    norm.epsilon = epsilon_for(x.back());
    add_row_norm(to, "rms_norm", norm, x);
  }
  ops::RowNorm plain = rms, bare = rms;
  plain.scale = false;
  bare.epsilon = 0;
  const Shape x{17, 65};
  to.push_back({"rms_norm", "infer", rms.forward(x, Purpose::infer)});
  add_row_norm(to, "rms_norm", plain, x, "_plain");
  add_row_norm(to, "rms_norm", bare, x, "_epsilon_0");
  add_row_norm(to, "rms_norm", rms, x, "_mean_1e4", Spread::wide);
  add_row_norm(to, "rms_norm", rms, x, "_wide", Spread::wide);
}

struct GroupCase {
  Shape x;
  std::int64_t groups;
};

const GroupCase kGroupCases[] = {
    {{1, 1}, 1},           {{3, 8}, 2},        {{2, 33}, 3},        {{2, 5, 16}, 16},
    {{2, 5, 16}, 1},       {{2, 3, 3, 12}, 4}, {{2, 7, 7, 33}, 11}, {{17, 4, 4, 7}, 7},
    {{3, 511, 5}, 5},      {{2, 512, 8}, 2},   {{2, 513, 17}, 1},   {{1, 1025, 24}, 4},
    {{2, 9, 9, 64}, 8},    {{2, 600, 300}, 3}, {{1, 33, 1000}, 10}, {{2, 4, 1000}, 1000},
    {{520, 3, 6}, 2},      {{0, 3, 4}, 2},     {{2, 0, 4}, 2},      {{2, 3, 0}, 2},
    {{1, 127, 127, 3}, 3},
};

void add_group_norm(std::vector<Case>& to) {
  for (const GroupCase& c : kGroupCases) {
    const std::int64_t samples = std::max<std::int64_t>(1, c.x[0] * c.groups);
    const ops::GroupNorm norm{.groups = c.groups, .epsilon = epsilon_for(c.x.elements() / samples)};
    const std::string name = name_of(c.x) + "_groups_" + std::to_string(c.groups);
    to.push_back({"group_norm", "fwd" + name, norm.forward(c.x, kTrain)});
    to.push_back({"group_norm", "bwd" + name, norm.backward(c.x)});
  }
  const Shape x{3, 5, 5, 24};
  const ops::GroupNorm norm{.groups = 6}, bare{.groups = 6, .epsilon = 0};
  to.push_back({"group_norm", "infer", norm.forward(x, Purpose::infer)});
  to.push_back({"group_norm", "fwd_epsilon_0", bare.forward(x, kTrain)});
  to.push_back({"group_norm", "fwd_mean_1e4", norm.forward(x, kTrain), Spread::wide});
  to.push_back({"group_norm", "bwd_mean_1e4", norm.backward(x)});
  to.push_back({"group_norm", "fwd_constant", norm.forward(x, kTrain), Spread::wide});
  to.push_back({"group_norm", "fwd_wide", norm.forward(x, kTrain), Spread::wide});
}

}  // namespace

void add_normalization_cases(std::vector<Case>& to) {
  add_batch_norm(to);
  add_layer_norm(to);
  add_rms_norm(to);
  add_group_norm(to);
}

}  // namespace soma::conformance
