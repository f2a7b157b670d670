#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "soma/backend.hpp"
#include "stored_case.hpp"

namespace soma::onnx_tests {

/// A case that no op of the product means: not run, for this reason.
struct NotHere : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Runs ops of the product on one backend.
class Machine {
 public:
  explicit Machine(Backend backend) : backend_(std::move(backend)) {}
  /// All outputs of the op. Throws what the backend throws, and for broken guards.
  std::vector<Tensor> run(const Op& op, const std::vector<Tensor>& inputs) const;
  /// The first of them.
  Tensor operator()(const Op& op, const std::vector<Tensor>& inputs) const {
    return run(op, inputs).front();
  }

 private:
  Backend backend_;
};

/// Computes the outputs of a node of one ONNX op with the product's ops; outputs it leaves out are
/// not compared. Throws NotHere.
using Translation = std::vector<Tensor> (*)(const Machine&, const Node&);
struct Translator {
  std::string_view op;
  Translation translate;
};

// The translators, in the file of the same name.
std::span<const Translator> pointwise_translators();
std::span<const Translator> product_translators();
std::span<const Translator> pool_translators();
std::span<const Translator> arrangement_translators();
std::span<const Translator> reduction_translators();
std::span<const Translator> normalization_translators();
std::span<const Translator> recurrent_translators();
std::span<const Translator> training_translators();

/// Null if no op of the product means it.
const Translator* translator_of(std::string_view op);

inline Shape shape_of(const Tensor& t) { return Shape(std::span(t.dims)); }

}  // namespace soma::onnx_tests
