#include "peaks.hpp"

#include <immintrin.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "soma/error.hpp"

namespace soma::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kChains = 12;  // more than latency times ports of any CPU so far
constexpr std::int64_t kSteps = 200'000;
constexpr int kFewestRounds = 5;  // on a busy machine

// Each returns something that depends on all it computed.
__attribute__((target("avx512f"))) float fma_chains_512() {
  __m512 sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 factor = _mm512_set1_ps(0.999f), term = _mm512_set1_ps(0.001f);
  for (std::int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) sums[i] = _mm512_fmadd_ps(sums[i], factor, term);
  }
  __m512 total = sums[0];
  for (int i = 1; i < kChains; ++i) total = _mm512_add_ps(total, sums[i]);
  return _mm512_cvtss_f32(total);
}

float fma_chains_256() {
  __m256 sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = _mm256_set1_ps(static_cast<float>(i));
  const __m256 factor = _mm256_set1_ps(0.999f), term = _mm256_set1_ps(0.001f);
  for (std::int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) sums[i] = _mm256_fmadd_ps(sums[i], factor, term);
  }
  __m256 total = sums[0];
  for (int i = 1; i < kChains; ++i) total = _mm256_add_ps(total, sums[i]);
  return _mm256_cvtss_f32(total);
}

/// Seconds of the fastest of some rounds in which all threads run work(thread) at the same time.
double fastest_round(int threads, double seconds, const std::function<void(int)>& work) {
  double best = 1e300;
  bool more = true;
  Clock::time_point round;
  const auto begin = Clock::now();
  const auto elapsed = [](Clock::time_point since) {
    return std::chrono::duration<double>(Clock::now() - since).count();
  };
  bool started = false;
  int rounds = 0;
  std::barrier gate(threads, [&]() noexcept {
    if (started) best = std::min(best, elapsed(round));
    more = elapsed(begin) < seconds || rounds < kFewestRounds;
    ++rounds;
    started = true;
    round = Clock::now();
  });
  const auto run = [&](int thread) {
    gate.arrive_and_wait();
    while (more) {
      work(thread);
      gate.arrive_and_wait();
    }
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(run, t);
  run(0);
  for (std::thread& other : others) other.join();
  return best;
}

double measure_gflops(int threads) {
  const bool wide = __builtin_cpu_supports("avx512f") != 0;
  const double lanes = wide ? 16 : 8;
  std::vector<float> results(static_cast<std::size_t>(threads) * 16);
  const double seconds = fastest_round(threads, 0.08, [&](int thread) {
    results[static_cast<std::size_t>(thread) * 16] = wide ? fma_chains_512() : fma_chains_256();
  });
  return 2 * lanes * kChains * static_cast<double>(kSteps) * threads / seconds / 1e9;
}

/// Of three arrays that take so many bytes together.
double measure_bandwidth(int threads, std::size_t bytes) {
  const std::size_t each = bytes / 3 / sizeof(float) / static_cast<std::size_t>(threads);
  struct Slice {
    std::vector<float> a, b, c;
  };
  std::vector<Slice> slices(static_cast<std::size_t>(threads));
  for (Slice& s : slices)
    s = {std::vector<float>(each), std::vector<float>(each, 1), std::vector<float>(each, 2)};
  // Small arrays several times, so that meeting the other threads costs little.
  const std::size_t turns = std::max<std::size_t>(1, (std::size_t{4} << 20) / bytes);
  const double seconds = fastest_round(threads, 0.04, [&](int thread) {
    Slice& s = slices[static_cast<std::size_t>(thread)];
    for (std::size_t turn = 0; turn < turns; ++turn) {
      float* a = s.a.data();
      const float *b = s.b.data(), *c = s.c.data();
#pragma GCC ivdep
      for (std::size_t i = 0; i < each; ++i) a[i] = b[i] + 0.5f * c[i];
      asm volatile("" : : "r"(a) : "memory");
    }
  });
  const double moved = 3.0 * sizeof(float) * static_cast<double>(each) * threads;
  return moved * static_cast<double>(turns) / seconds / 1e9;
}

}  // namespace

double Peaks::least_ms(double flops, double bytes) const {
  const double computing = gflops > 0 ? flops / gflops / 1e6 : 0;
  if (bandwidth.empty()) return computing;
  auto at = std::ranges::find_if(bandwidth, [&](const Bandwidth& b) { return b.bytes >= bytes; });
  if (at == bandwidth.end()) --at;
  return std::max(computing, bytes / at->gbytes_per_second / 1e6);
}

Peaks measure_peaks(int threads) {
  Peaks peaks{threads, measure_gflops(threads), {}};
  for (const std::size_t kib : {48, 384, 3072, 24576, 196608}) {
    const std::size_t bytes = kib << 10;
    peaks.bandwidth.push_back({static_cast<double>(bytes), measure_bandwidth(threads, bytes)});
  }
  return peaks;
}

std::string to_json(const Peaks& peaks) {
  auto bandwidth = nlohmann::ordered_json::array();
  for (const auto& b : peaks.bandwidth) {
    bandwidth.push_back({{"bytes", b.bytes}, {"gbytes_per_second", b.gbytes_per_second}});
  }
  return nlohmann::ordered_json{
      {"threads", peaks.threads}, {"gflops", peaks.gflops}, {"bandwidth", bandwidth}}
      .dump();
}

Peaks peaks_from_json(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    Peaks peaks{json.at("threads"), json.at("gflops"), {}};
    for (const auto& b : json.at("bandwidth")) {
      peaks.bandwidth.push_back({b.at("bytes"), b.at("gbytes_per_second")});
    }
    return peaks;
  } catch (const nlohmann::json::exception& e) {
    throw Error(std::string("peaks: not what was expected: ") + e.what());
  }
}

}  // namespace soma::bench
