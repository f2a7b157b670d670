#include "case_list.hpp"
#include "soma/sdk/ops/matmul.hpp"

namespace soma::conformance {
namespace {

struct MatmulCase {
  std::int64_t b, m, k, n;
  bool transpose_a = false, transpose_b = false, accumulate = false;
};

// To add a case, add a line.
const MatmulCase kMatmulCases[] = {
    {1, 1, 1, 1},
    {1, 3, 511, 9, false, true},
    {2, 7, 512, 8, true, false},
    {1, 9, 513, 17, true, true},
    {3, 2, 1023, 15, false, false, true},
    {1, 16, 1024, 31, false, true, true},
    {2, 15, 1025, 16, true, false, true},
    {1, 2, 5000, 3, true, true, true},
    {1, 513, 2, 3},
    {1, 3, 2, 1025, false, true},
    {17, 1, 33, 1},
    {17, 8, 1, 7, false, true},  // rank one
    {2, 65, 63, 127},
    {1, 127, 65, 63, true, true},
    {2, 33, 16, 1000, true, false},
    {1, 1000, 7, 31},
    {2, 64, 32, 64, false, true},  // scores of an attention head
    {1, 128, 512, 256},
    {1, 256, 256, 256, false, true},
    // Zero sizes.
    {0, 3, 4, 5},
    {2, 0, 4, 5},
    {2, 3, 0, 5},
    {2, 3, 0, 5, false, false, true},
    {2, 3, 4, 0},
    {1, 0, 0, 0},
};

}  // namespace

void add_matmul_cases(std::vector<Case>& to) {
  for (const MatmulCase& c : kMatmulCases) {
    const Shape a = c.transpose_a ? Shape{c.b, c.k, c.m} : Shape{c.b, c.m, c.k};
    const Shape b = c.transpose_b ? Shape{c.b, c.n, c.k} : Shape{c.b, c.k, c.n};
    const ops::Matmul matmul{c.transpose_a, c.transpose_b, c.accumulate};
    const std::string size = "_b" + std::to_string(c.b) + "_m" + std::to_string(c.m) + "_k" +
                             std::to_string(c.k) + "_n" + std::to_string(c.n) +
                             (c.transpose_a ? "_ta" : "") + (c.transpose_b ? "_tb" : "") +
                             (c.accumulate ? "_added" : "");
    to.push_back({"matmul", "fwd" + size, matmul.forward(a, b, Purpose::train)});
    to.push_back({"matmul", "bwd_a" + size, matmul.backward_a(a, b)});
    to.push_back({"matmul", "bwd_b" + size, matmul.backward_b(a, b)});
  }
  to.push_back({"matmul", "fwd_tiny", ops::Matmul{}.forward({2, 17, 9}, {2, 9, 15}, Purpose::train),
                Spread::tiny});
}

}  // namespace soma::conformance
