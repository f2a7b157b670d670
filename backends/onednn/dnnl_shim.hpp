#pragma once

#include <oneapi/dnnl/dnnl.hpp>
#include <string_view>

/// The two generations of oneDNN behind one face: 2.x describes an operation first and a primitive
/// from it, 3.x describes the primitive at once. Every function returns an empty descriptor when
/// the library has no implementation.
namespace soma::onednn {

using Layout = dnnl::memory::desc;
using Dims = dnnl::memory::dims;

using Type = dnnl::memory::data_type;

inline Layout layout(const Dims& dims, dnnl::memory::format_tag tag, Type type = Type::f32) {
  return {dims, type, tag};
}

/// True if the library multiplies bfloat16 with the CPU's own instructions. ONEDNN_MAX_CPU_ISA may
/// forbid it.
inline bool has_bf16() {
  constexpr auto kNeeded = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & kNeeded) == kNeeded;
}

/// The process's CPU engine.
inline const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

/// Attributes of every primitive here: float32 arithmetic whatever the environment says, and
/// scratch memory from the caller.
inline dnnl::primitive_attr attributes(const dnnl::post_ops& after = {}) {
  dnnl::primitive_attr attr;
  attr.set_fpmath_mode(dnnl::fpmath_mode::strict);
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attr.set_post_ops(after);
  return attr;
}

inline void append_eltwise(dnnl::post_ops& to, dnnl::algorithm what, float alpha, float beta) {
#if DNNL_VERSION_MAJOR >= 3
  to.append_eltwise(what, alpha, beta);
#else
  to.append_eltwise(1.0f, what, alpha, beta);
#endif
}

/// Layouts and window of a convolution; `bias` is null when there is none. dilation 0 leaves no
/// gap.
struct Convolution {
  Layout source, weight, destination;
  const Layout* bias = nullptr;
  Dims strides, dilation, padding_low, padding_high;
};

/// Runs a constructor of the library; a descriptor that it refuses is an empty one.
template <class Descriptor, class Make>
Descriptor or_empty(Make&& make) {
  try {
    return make();
  } catch (const dnnl::error&) {
    return {};
  }
}

template <class Descriptor>
bool available(const Descriptor& descriptor) {
  return descriptor.get(true) != nullptr;
}

/// Available, and not one of the library's scalar loops.
template <class Descriptor>
bool worthwhile(const Descriptor& descriptor) {
  return available(descriptor) &&
         std::string_view(descriptor.impl_info_str()).find("ref") == std::string_view::npos;
}

inline dnnl::matmul::primitive_desc describe_matmul(const Layout& left, const Layout& right,
                                                    const Layout* bias, const Layout& product,
                                                    const dnnl::primitive_attr& attr) {
  using Descriptor = dnnl::matmul::primitive_desc;
  return or_empty<Descriptor>([&] {
#if DNNL_VERSION_MAJOR >= 3
    if (bias != nullptr) return Descriptor(engine(), left, right, *bias, product, attr, true);
    return Descriptor(engine(), left, right, product, attr, true);
#else
    if (bias != nullptr) {
      return Descriptor(dnnl::matmul::desc(left, right, *bias, product), attr, engine(), true);
    }
    return Descriptor(dnnl::matmul::desc(left, right, product), attr, engine(), true);
#endif
  });
}

inline dnnl::convolution_forward::primitive_desc describe_forward(
    const Convolution& c, dnnl::prop_kind kind, const dnnl::primitive_attr& attr) {
  using Descriptor = dnnl::convolution_forward::primitive_desc;
  constexpr auto direct = dnnl::algorithm::convolution_direct;
  return or_empty<Descriptor>([&] {
#if DNNL_VERSION_MAJOR >= 3
    if (c.bias != nullptr) {
      return Descriptor(engine(), kind, direct, c.source, c.weight, *c.bias, c.destination,
                        c.strides, c.dilation, c.padding_low, c.padding_high, attr, true);
    }
    return Descriptor(engine(), kind, direct, c.source, c.weight, c.destination, c.strides,
                      c.dilation, c.padding_low, c.padding_high, attr, true);
#else
    using Operation = dnnl::convolution_forward::desc;
    if (c.bias != nullptr) {
      return Descriptor(Operation(kind, direct, c.source, c.weight, *c.bias, c.destination,
                                  c.strides, c.dilation, c.padding_low, c.padding_high),
                        attr, engine(), true);
    }
    return Descriptor(Operation(kind, direct, c.source, c.weight, c.destination, c.strides,
                                c.dilation, c.padding_low, c.padding_high),
                      attr, engine(), true);
#endif
  });
}

inline dnnl::convolution_backward_data::primitive_desc describe_backward_data(
    const Convolution& c, const dnnl::convolution_forward::primitive_desc& forward,
    const dnnl::primitive_attr& attr) {
  using Descriptor = dnnl::convolution_backward_data::primitive_desc;
  constexpr auto direct = dnnl::algorithm::convolution_direct;
  return or_empty<Descriptor>([&] {
#if DNNL_VERSION_MAJOR >= 3
    return Descriptor(engine(), direct, c.source, c.weight, c.destination, c.strides, c.dilation,
                      c.padding_low, c.padding_high, forward, attr, true);
#else
    using Operation = dnnl::convolution_backward_data::desc;
    return Descriptor(Operation(direct, c.source, c.weight, c.destination, c.strides, c.dilation,
                                c.padding_low, c.padding_high),
                      attr, engine(), forward, true);
#endif
  });
}

inline dnnl::convolution_backward_weights::primitive_desc describe_backward_weights(
    const Convolution& c, const dnnl::convolution_forward::primitive_desc& forward,
    const dnnl::primitive_attr& attr) {
  using Descriptor = dnnl::convolution_backward_weights::primitive_desc;
  constexpr auto direct = dnnl::algorithm::convolution_direct;
  return or_empty<Descriptor>([&] {
#if DNNL_VERSION_MAJOR >= 3
    if (c.bias != nullptr) {
      return Descriptor(engine(), direct, c.source, c.weight, *c.bias, c.destination, c.strides,
                        c.dilation, c.padding_low, c.padding_high, forward, attr, true);
    }
    return Descriptor(engine(), direct, c.source, c.weight, c.destination, c.strides, c.dilation,
                      c.padding_low, c.padding_high, forward, attr, true);
#else
    using Operation = dnnl::convolution_backward_weights::desc;
    if (c.bias != nullptr) {
      return Descriptor(Operation(direct, c.source, c.weight, *c.bias, c.destination, c.strides,
                                  c.dilation, c.padding_low, c.padding_high),
                        attr, engine(), forward, true);
    }
    return Descriptor(Operation(direct, c.source, c.weight, c.destination, c.strides, c.dilation,
                                c.padding_low, c.padding_high),
                      attr, engine(), forward, true);
#endif
  });
}

}  // namespace soma::onednn
