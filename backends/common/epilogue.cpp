#include "epilogue.hpp"

#include "activation.hpp"

namespace soma::common {

EpiloguePlan::EpiloguePlan(const ops::Epilogue& epilogue)
    : bias_(epilogue.bias_input()), residual_(epilogue.residual_input()) {
  if (epilogue.activation == "relu") {
    relu_ = true;  // in the micro-kernel
  } else if (!epilogue.activation.empty()) {
    activation_ = activation_forward(epilogue.activation);
  }
}

Product EpiloguePlan::product(const sdk::Exec& exec, std::int64_t cols) const {
  Product product;
  product.finish.out = exec.output<float>(0);
  product.finish.out_stride = cols;
  if (bias_ >= 0) product.finish.bias = exec.input<float>(bias_);
  if (residual_ >= 0) {
    product.finish.residual = exec.input<float>(residual_);
    product.finish.residual_stride = cols;
  }
  product.finish.relu = relu_;
  product.activation = activation_;
  return product;
}

}  // namespace soma::common
