#pragma once

#include <string>

#include "soma/backend.hpp"

/// One side of a comparison: a backend, and how it is to compute. As text
/// NAME[+FALLBACK][:NUMERICS][@THREADS]: "tbb", "onednn:fast", "tbb@1", "mine+reference:exact@2".
struct Side {
  std::string backend, fallback;
  soma::Numerics numerics = soma::Numerics::exact;
  int threads = 1;

  std::string str() const;  ///< in full, but for a fallback that is none
};

/// What `text` leaves out is as in `otherwise`. Throws UsageError.
Side side_from(const std::string& text, const Side& otherwise);
