#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cases.hpp"
#include "dnnl_shim.hpp"
#include "timing.hpp"

/// oneDNN called as its documentation shows, with the layouts it asks for: what a backend can at
/// best reach.
namespace soma::bench {

using onednn::layout;
using Tag = dnnl::memory::format_tag;

/// Primitives that run one after another, with memory for all their arguments.
class RawCall {
 public:
  using Memories = std::unordered_map<int, dnnl::memory>;

  /// Memory of that layout, filled with uniform numbers in [-1, 1), or in (0, 1) for a variance.
  static dnnl::memory memory(const dnnl::memory::desc& desc, int argument = 0);

  /// Adds a primitive; arguments are made by memory() unless they are in `shared`.
  template <class Primitive>
  Memories add(const typename Primitive::primitive_desc& descriptor,
               const std::vector<std::pair<int, dnnl::memory::desc>>& arguments,
               const Memories& shared = {}) {
    return append(Primitive(descriptor), descriptor.impl_info_str(), descriptor.scratchpad_desc(),
                  arguments, shared);
  }
  void run();
  Measured measure(double seconds);

 private:
  Memories append(dnnl::primitive primitive, const char* implementation,
                  const dnnl::memory::desc& scratchpad,
                  const std::vector<std::pair<int, dnnl::memory::desc>>& arguments,
                  const Memories& shared);

  dnnl::stream stream_{onednn::engine()};
  std::vector<std::pair<dnnl::primitive, Memories>> steps_;
  std::string implementation_;
};

/// The faster of two, by their medians.
inline Measured faster(Measured a, Measured b) {
  return a.timing.median < b.timing.median ? std::move(a) : std::move(b);
}

/// Times the primitive for the case; nothing if oneDNN has none for it.
std::optional<Measured> time_raw(const Case& c, double seconds);

// The same by group.
std::optional<Measured> raw_product(const Case& c, double seconds);
std::optional<Measured> raw_convolution(const Case& c, double seconds);
std::optional<Measured> raw_pool(const Case& c, double seconds);
std::optional<Measured> raw_pointwise(const Case& c, double seconds);
std::optional<Measured> raw_softmax(const Case& c, double seconds);
std::optional<Measured> raw_normalization(const Case& c, double seconds);
std::optional<Measured> raw_recurrent(const Case& c, double seconds);
std::optional<Measured> raw_attention(const Case& c, double seconds);

}  // namespace soma::bench
