#pragma once

#include <string>
#include <vector>

namespace soma::bench {

/// What this machine can at best do with so many threads.
struct Peaks {
  struct Bandwidth {
    double bytes = 0;              ///< worked on again and again
    double gbytes_per_second = 0;  ///< read and written, a[i] = b[i] + s * c[i]
  };
  int threads = 1;
  double gflops = 0;                 ///< float32 multiply-adds in registers, each counted as two
  std::vector<Bandwidth> bandwidth;  ///< from what caches hold to what they do not, by size

  /// The least time in ms for work of that kind: the longer of computing and of moving the bytes,
  /// at the bandwidth of the smallest measured size that holds them.
  double least_ms(double flops, double bytes) const;
};

/// Measures for about a third of a second.
Peaks measure_peaks(int threads);

std::string to_json(const Peaks& peaks);         ///< one line
Peaks peaks_from_json(const std::string& text);  ///< throws Error

}  // namespace soma::bench
