#pragma once

#include "kernels.hpp"

namespace soma::onednn {

/// The canonical kernel of an op, for operands that are none for oneDNN. Packs whenever it runs, in
/// scratch of the calling thread, which only grows when that happens.
class Fallback {
 public:
  explicit Fallback(const Op& op);
  void execute(const sdk::Exec& exec) const;

 private:
  KernelPtr kernel_;
  int inputs_, outputs_;
};

}  // namespace soma::onednn
