#include "tensor.hpp"

#include <algorithm>
#include <stdexcept>

namespace soma::onnx_tests {
namespace {

/// Elements between two neighbours along each axis; 0 along axes of extent 1 if `stretch`.
std::vector<std::int64_t> strides_of(const Dims& dims, bool stretch) {
  std::vector<std::int64_t> strides(dims.size());
  std::int64_t step = 1;
  for (std::size_t k = dims.size(); k-- > 0;) {
    strides[k] = stretch && dims[k] == 1 ? 0 : step;
    step *= dims[k];
  }
  return strides;
}

/// Calls visit(offset) for every index of `dims` in row-major order.
template <class Visit>
void for_each_offset(const Dims& dims, const std::vector<std::int64_t>& strides, Visit&& visit) {
  Dims index(dims.size(), 0);
  for (std::int64_t left = count(dims); left > 0; --left) {
    std::int64_t at = 0;
    for (std::size_t k = 0; k < dims.size(); ++k) at += index[k] * strides[k];
    visit(static_cast<std::size_t>(at));
    for (std::size_t k = dims.size(); k-- > 0 && ++index[k] == dims[k];) index[k] = 0;
  }
}

Tensor gathered(const Tensor& from, const Dims& dims, const std::vector<std::int64_t>& strides) {
  Tensor to{dims, from.integral, {}, {}};
  for_each_offset(dims, strides, [&](std::size_t at) {
    from.integral ? to.i.push_back(from.i[at]) : to.f.push_back(from.f[at]);
  });
  return to;
}

}  // namespace

Tensor Tensor::floats(Dims dims, std::vector<float> values) {
  return {std::move(dims), false, std::move(values), {}};
}

Tensor Tensor::filled(Dims dims, float value) {
  const auto n = static_cast<std::size_t>(count(dims));
  return floats(std::move(dims), std::vector<float>(n, value));
}

Tensor Tensor::reshaped(Dims to) const {
  if (count(to) != count(dims)) throw std::runtime_error("reshape changes the element count");
  Tensor same = *this;
  same.dims = std::move(to);
  return same;
}

Tensor Tensor::permuted(const std::vector<std::size_t>& order) const {
  const auto strides = strides_of(dims, false);
  Dims to;
  std::vector<std::int64_t> steps;
  for (const std::size_t axis : order) {
    to.push_back(dims[axis]);
    steps.push_back(strides[axis]);
  }
  return gathered(*this, to, steps);
}

Tensor Tensor::channels_last() const {
  std::vector<std::size_t> order{0};
  for (std::size_t k = 2; k < dims.size(); ++k) order.push_back(k);
  order.push_back(1);
  return permuted(order);
}

Tensor Tensor::channels_first() const {
  std::vector<std::size_t> order{0, dims.size() - 1};
  for (std::size_t k = 1; k + 1 < dims.size(); ++k) order.push_back(k);
  return permuted(order);
}

Tensor Tensor::expanded(const Dims& to) const {
  if (dims == to) return *this;
  Dims padded(to.size() - dims.size(), 1);
  padded.insert(padded.end(), dims.begin(), dims.end());
  return gathered(*this, to, strides_of(padded, true));
}

conformance::Array Tensor::array() const { return array(Shape(std::span(dims))); }

conformance::Array Tensor::array(const Shape& shape) const {
  conformance::Array a({integral ? DType::i32 : DType::f32, shape});
  if (integral) {
    std::ranges::transform(i, a.as<std::int32_t>().begin(),
                           [](std::int64_t v) { return static_cast<std::int32_t>(v); });
  } else {
    std::ranges::copy(f, a.as<float>().begin());
  }
  return a;
}

Tensor Tensor::from(const conformance::Array& array) {
  const auto dims = array.info.shape.dims();
  Tensor t{{dims.begin(), dims.end()}, array.info.dtype == DType::i32, {}, {}};
  if (t.integral) {
    t.i.assign(array.as<std::int32_t>().begin(), array.as<std::int32_t>().end());
  } else {
    t.f.assign(array.as<float>().begin(), array.as<float>().end());
  }
  return t;
}

Dims broadcast(const Dims& a, const Dims& b) {
  Dims to(std::max(a.size(), b.size()), 1);
  for (const Dims* d : {&a, &b}) {
    for (std::size_t k = 0; k < d->size(); ++k) {
      std::int64_t& extent = to[to.size() - d->size() + k];
      if (extent == 1) extent = (*d)[k];
    }
  }
  return to;
}

}  // namespace soma::onnx_tests
