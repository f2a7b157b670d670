#include "case_list.hpp"
#include "soma/sdk/ops/activation.hpp"
#include "soma/sdk/ops/linear.hpp"

namespace soma::conformance {
namespace {

struct LinearCase {
  std::int64_t m, k, n;
  ops::Epilogue epilogue = {};
  bool accumulate = false;
};

// To add a case, add a line.
const LinearCase kLinearCases[] = {
    // Around the ends of one and two blocks of 512 terms, and many blocks.
    {3, 511, 17, {.bias = true}},
    {17, 512, 5, {.bias = true, .activation = "relu"}},
    {9, 513, 33, {}},
    {2, 1023, 16, {.bias = true, .residual = true}},
    {7, 1024, 31, {.activation = "relu"}, true},
    {17, 1025, 15, {.bias = true, .residual = true, .activation = "relu"}},
    {2, 5000, 65, {.bias = true}, true},
    {1, 5000, 1, {}},
    {513, 3, 4, {.bias = true}},
    {1025, 2, 3, {.bias = true}, true},
    {5, 4, 513, {.bias = true}},
    {2, 3, 1025, {}},
    // Zero sizes, one at a time and together.
    {0, 5, 7, {.bias = true}},
    {4, 0, 9, {.bias = true, .residual = true, .activation = "relu"}},
    {4, 0, 9, {}, true},
    {4, 6, 0, {.bias = true}},
    {0, 0, 0, {}},
    // The layers of LeNet-5 and of a 784-512-10 network.
    {64, 3136, 512, {.bias = true, .activation = "relu"}},
    {64, 512, 10, {.bias = true}},
    {17, 784, 512, {.bias = true, .activation = "relu"}},
    {1, 784, 512, {.bias = true, .activation = "sigmoid"}},
    {128, 256, 10, {.bias = true, .activation = "tanh"}, true},
};

void add(std::vector<Case>& to, const LinearCase& c) {
  const Shape input{c.m, c.k}, weight{c.n, c.k};
  const ops::Linear linear{c.epilogue, c.accumulate};
  const std::string size =
      "_m" + std::to_string(c.m) + "_k" + std::to_string(c.k) + "_n" + std::to_string(c.n);
  const auto& e = c.epilogue;
  // Only relu may be fused into a training op; see Epilogue.
  const bool train = e.activation.empty() || e.activation == "relu";
  to.push_back({"linear", "fwd" + size + epilogue_suffix(e.bias, e.residual, e.activation),
                linear.forward(input, weight, train ? Purpose::train : Purpose::infer),
                e.activation == "relu" ? Spread::offset : Spread::unit});
  if (c.accumulate) {
    to.push_back({"linear", "bwd_weights" + size + epilogue_suffix(e.bias, false, "") + "_added",
                  linear.backward_weights(input, weight)});
    return;
  }
  to.push_back({"linear", "bwd_data" + size, linear.backward_data(input, weight)});
  to.push_back({"linear", "bwd_weights" + size + epilogue_suffix(e.bias, false, ""),
                linear.backward_weights(input, weight)});
}

}  // namespace

void add_linear_cases(std::vector<Case>& to) {
  for (const LinearCase& c : kLinearCases) add(to, c);
  to.push_back({"linear", "fwd_tiny", ops::Linear{}.forward({17, 9}, {15, 9}, Purpose::train),
                Spread::tiny});
  for (const ops::NamedActivation& row : ops::kNamedActivations) {
    if (!row.fusible()) continue;
    const ops::Linear linear{{.bias = true, .activation = std::string(row.name)}};
    to.push_back({"linear", "fwd_then_" + std::string(row.name),
                  linear.forward({17, 65}, {33, 65}, Purpose::infer), Spread::offset});
  }
  // Every size in every place, and every epilogue, without the full product: two walks through the
  // sizes with strides prime to their number.
  const char* const activations[] = {"", "relu", "sigmoid", "tanh"};
  for (std::size_t walk = 0; walk < 2; ++walk) {
    for (std::size_t i = 0; i < kSizes.size(); ++i) {
      const std::int64_t m = kSizes[i];
      const std::int64_t k = kSizes[(5 * i + 3 + 6 * walk) % kSizes.size()];
      const std::int64_t n = kSizes[(11 * i + 6 + 3 * walk) % kSizes.size()];
      if (walk == 1 && (m == 0 || k == 0 || n == 0)) continue;
      const std::size_t combination = i + 7 * walk;
      add(to, {m,
               k,
               n,
               {.bias = (combination & 1) != 0,
                .residual = (combination & 2) != 0,
                .activation = activations[combination / 4 % 4]},
               walk == 1 && i % 4 == 3});
    }
  }
}

}  // namespace soma::conformance
