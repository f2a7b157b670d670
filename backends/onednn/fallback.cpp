#include "fallback.hpp"

#include <array>

#include "../common/kernels.hpp"
#include "openmp.hpp"
#include "primitive.hpp"

namespace soma::onednn {

Fallback::Fallback(const Op& op)
    : kernel_(common::make_canonical_kernel(op, openmp())),
      inputs_(static_cast<int>(op.inputs.size())),
      outputs_(static_cast<int>(op.outputs.size())) {}

void Fallback::execute(const sdk::Exec& exec) const {
  constexpr std::size_t kMost = 8;  // operands of a contraction
  std::array<const void*, kMost> inputs{};
  std::array<void*, kMost> outputs{};
  for (int i = 0; i < inputs_; ++i) inputs.at(static_cast<std::size_t>(i)) = exec.input<void>(i);
  for (int i = 0; i < outputs_; ++i) outputs.at(static_cast<std::size_t>(i)) = exec.output<void>(i);
  WorkspaceLayout space;
  const std::size_t pack = space.add(kernel_->info().pack_bytes);
  const std::size_t scratch = space.add(kernel_->info().workspace_bytes);
  std::byte* memory = workspace(nullptr, 0, space.bytes());
  const soma_exec inner{sizeof(soma_exec), SOMA_ABI_MAJOR, SOMA_ABI_MINOR,   exec.threads(), 0,
                        inputs.data(),     outputs.data(), memory + scratch, memory + pack};
  if (kernel_->info().pack_bytes > 0) kernel_->pack(sdk::Exec(inner), memory + pack);
  kernel_->execute(sdk::Exec(inner));
}

}  // namespace soma::onednn
