#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "soma/sdk/op.hpp"

namespace soma::bench {

/// Something to time.
struct Case {
  std::string name;     ///< "matmul:1024", "conv3x3:64.fwd"; an op's id for its example
  std::vector<Op> ops;  ///< at least one; run one after another, each on operands of its own.
                        ///< More than one where peers do the same work in one call
  bool target = false;  ///< a size that the targets of `soma bench --gate` are stated for
};

/// All cases: the groups below, then the example of every op id (soma/op_catalogue.hpp) that no
/// group times by itself. Built once.
const std::vector<Case>& cases();
/// Throws Error that names the nearest cases.
const Case& find_case(std::string_view name);

/// Operations of one execution, a multiply-add counted as two and padded taps counted too; 0 for
/// ops that are bound by memory.
double flops(const Case& c);

/// [{"id", "inputs": [[...]], "outputs": [[...]], "attributes": {...}, "train": true}, ...]: what a
/// peer in another language is given.
std::string ops_json(const Case& c);

// The sizes that matter, group by group, in cases_<group>.cpp.
void add_product(std::vector<Case>& list);
void add_convolution(std::vector<Case>& list);
void add_pool(std::vector<Case>& list);
void add_pointwise(std::vector<Case>& list);
void add_softmax(std::vector<Case>& list);
void add_normalization(std::vector<Case>& list);
void add_recurrent(std::vector<Case>& list);
void add_attention(std::vector<Case>& list);
void add_optimizer(std::vector<Case>& list);

}  // namespace soma::bench
