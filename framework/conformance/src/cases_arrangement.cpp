#include "case_list.hpp"
#include "soma/sdk/ops/arrangement.hpp"

namespace soma::conformance {
namespace {

struct ConcatCase {
  const char* name;
  int axis;
  std::vector<Shape> inputs;
};
// To add a case, add a line.
const ConcatCase kConcats[] = {
    {"one", 0, {{7}}},
    {"two", 0, {{3}, {5}}},
    {"columns", 1, {{5, 3}, {5, 8}, {5, 1}}},
    {"rows", 0, {{5, 9}, {1, 9}, {17, 9}}},
    {"channels", 3, {{2, 5, 4, 16}, {2, 5, 4, 33}}},
    {"height", 1, {{2, 3, 4, 5}, {2, 1, 4, 5}}},
    {"with_an_empty_one", 1, {{4, 0}, {4, 7}, {4, 0}}},
    {"of_empty_ones", 1, {{4, 0}, {4, 0}}},
    {"no_rows", 1, {{0, 3}, {0, 2}}},
    {"thirty_two", 1, std::vector<Shape>(32, Shape{3, 5})},
    {"large", 1, {{65, 127}, {65, 1000}}},
    {"scalars_in_rows", 1, {{1000, 1}, {1000, 1}}},
};

struct SliceCase {
  const char* name;
  Shape x;
  int axis;
  std::int64_t begin, end;
};
const SliceCase kSlices[] = {
    {"all", {9}, 0, 0, 9},
    {"none", {9}, 0, 4, 4},
    {"first", {9}, 0, 0, 1},
    {"last", {9}, 0, 8, 9},
    {"rows", {17, 31}, 0, 3, 11},
    {"columns", {17, 31}, 1, 3, 30},
    {"one_column", {65, 8}, 1, 7, 8},
    {"middle", {2, 7, 5, 3}, 1, 2, 6},
    {"channels", {2, 7, 5, 33}, 3, 16, 33},
    {"no_rows", {0, 8}, 1, 2, 5},
    {"large", {127, 1000}, 1, 1, 999},
};

struct PermuteCase {
  Shape x;
  std::vector<int> order;
};
const PermuteCase kPermutes[] = {
    {{}, {}},
    {{7}, {0}},
    {{1, 9}, {1, 0}},
    {{8, 8}, {1, 0}},
    {{15, 17}, {1, 0}},
    {{33, 65}, {1, 0}},
    {{127, 1000}, {1, 0}},
    {{0, 5}, {1, 0}},
    {{5, 7, 3}, {0, 1, 2}},
    {{5, 7, 3}, {0, 2, 1}},
    {{5, 7, 3}, {1, 0, 2}},
    {{5, 7, 3}, {1, 2, 0}},
    {{5, 7, 3}, {2, 0, 1}},
    {{5, 7, 3}, {2, 1, 0}},
    {{2, 31, 8, 16}, {0, 2, 1, 3}},
    {{2, 8, 31, 16}, {0, 2, 3, 1}},
    {{2, 9, 7, 3}, {0, 3, 1, 2}},
    {{2, 3, 9, 7}, {0, 2, 3, 1}},
    {{4, 1, 17, 9}, {3, 2, 1, 0}},
    {{2, 3, 2, 5, 3}, {4, 1, 3, 0, 2}},
    {{2, 1, 3, 2, 1, 2, 3, 2}, {7, 5, 3, 1, 6, 4, 2, 0}},
};

struct PadCase {
  Shape x;
  std::vector<std::array<std::int64_t, 2>> padding;
  double value = 0;
};
const PadCase kPads[] = {
    {{}, {}},
    {{7}, {{0, 0}}},
    {{7}, {{2, 0}}},
    {{7}, {{0, 9}}},
    {{0}, {{1, 2}}},
    {{3, 0}, {{1, 1}, {2, 0}}},
    {{3, 5}, {{1, 0}, {0, 2}}, 1.5},
    {{31, 33}, {{0, 0}, {1, 1}}, -0.1},
    {{31, 33}, {{4, 1}, {0, 0}}},
    {{2, 7, 5, 3}, {{0, 0}, {1, 2}, {3, 1}, {0, 0}}},
    {{2, 4, 4, 9}, {{1, 0}, {0, 1}, {1, 1}, {0, 7}}, 2.25},
    {{17, 1000}, {{1, 1}, {8, 8}}},
    {{1, 28, 28, 16}, {{0, 0}, {2, 2}, {2, 2}, {0, 0}}},
};

}  // namespace

void add_arrangement_cases(std::vector<Case>& to) {
  for (const ConcatCase& c : kConcats) {
    to.push_back({"structure", std::string("concat_") + c.name,
                  ops::Concat{c.axis}.forward(c.inputs, Purpose::train)});
  }
  for (const SliceCase& c : kSlices) {
    const ops::Slice slice{c.axis, c.begin, c.end};
    to.push_back({"structure", std::string("slice_") + c.name, slice.forward(c.x, Purpose::train)});
    to.push_back({"structure", std::string("slice_bwd_") + c.name, slice.backward(c.x)});
  }
  for (const PermuteCase& c : kPermutes) {
    std::string name = "permute";
    for (const std::int64_t dim : c.x.dims()) name += "_" + std::to_string(dim);
    name += "_order";
    for (const int axis : c.order) name += "_" + std::to_string(axis);
    to.push_back({"structure", name, ops::Permute{c.order}.forward(c.x, Purpose::train)});
  }
  for (const PadCase& c : kPads) {
    std::string name;
    for (int i = 0; i < c.x.rank(); ++i) {
      const auto& [before, after] = c.padding[static_cast<std::size_t>(i)];
      name +=
          "_" + std::to_string(before) + "_" + std::to_string(c.x[i]) + "_" + std::to_string(after);
    }
    const ops::Pad pad{c.padding, c.value};
    to.push_back({"structure", "pad" + name, pad.forward(c.x, Purpose::train)});
    to.push_back({"structure", "pad_bwd" + name, pad.backward(c.x)});
  }
}

}  // namespace soma::conformance
