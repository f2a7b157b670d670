#include "raw.hpp"

#include "soma/philox.hpp"

namespace soma::bench {

dnnl::memory RawCall::memory(const dnnl::memory::desc& desc, int argument) {
  dnnl::memory memory(desc, onednn::engine());
  auto* values = static_cast<float*>(memory.get_data_handle());
  const PhiloxStream stream(1, std::to_string(argument));
  constexpr std::size_t kDrawn = 1 << 16;  // then they repeat
  for (std::size_t i = 0; i < desc.get_size() / sizeof(float); ++i) {
    if (i >= kDrawn) {
      values[i] = values[i - kDrawn];
      continue;
    }
    const float u = stream.uniform(0, static_cast<std::uint32_t>(i));
    values[i] = argument == DNNL_ARG_VARIANCE ? u + 0.01f : 2 * u - 1;
  }
  return memory;
}

RawCall::Memories RawCall::append(dnnl::primitive primitive, const char* implementation,
                                  const dnnl::memory::desc& scratchpad,
                                  const std::vector<std::pair<int, dnnl::memory::desc>>& arguments,
                                  const Memories& shared) {
  Memories memories = shared;
  memories.try_emplace(DNNL_ARG_SCRATCHPAD, scratchpad, onednn::engine());
  for (const auto& [name, desc] : arguments) {
    if (!memories.contains(name)) memories.emplace(name, memory(desc, name));
  }
  implementation_ += (implementation_.empty() ? "" : " + ") + std::string(implementation);
  steps_.emplace_back(std::move(primitive), memories);
  return memories;
}

void RawCall::run() {
  for (const auto& [primitive, memories] : steps_) primitive.execute(stream_, memories);
  stream_.wait();
}

Measured RawCall::measure(double seconds) {
  Measured measured;
  measured.timing = time(seconds, [&] { run(); });
  measured.implementation = implementation_;
  return measured;
}

std::optional<Measured> time_raw(const Case& c, double seconds) {
  for (const auto group : {raw_product, raw_convolution, raw_pool, raw_pointwise, raw_softmax,
                           raw_normalization, raw_recurrent, raw_attention}) {
    if (auto measured = group(c, seconds)) return measured;
  }
  return std::nullopt;
}

}  // namespace soma::bench
