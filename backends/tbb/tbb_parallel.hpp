#pragma once

#include <memory>

#include "parallel.hpp"

namespace soma::tbb_backend {

/// Loops over oneTBB. A thread count is obeyed even beyond the number of cores: each count has its
/// own arena, made on first use and kept, and while this object lives the process-wide limit
/// of oneTBB is raised. Thread-safe.
class TbbParallel final : public common::Parallel {
 public:
  TbbParallel();
  ~TbbParallel() override;
  void run(int threads, std::int64_t n, std::int64_t grain, Body body) const override;

 private:
  class Arenas;
  std::unique_ptr<Arenas> arenas_;
};

}  // namespace soma::tbb_backend
