#include "data/generated.hpp"

#include <algorithm>
#include <cmath>

#include "soma/philox.hpp"
#include "soma/sdk/math/functions.hpp"

// Only operations of float32 that are rounded once, and the canonical functions, so that every
// machine computes the same bits.
namespace soma::data {
namespace {

constexpr float kPi = 3.14159265358979323846f;

/// The random numbers of one sample, in the order in which they are asked for.
class Random {
 public:
  Random(const PhiloxStream& stream, std::uint32_t sample) : stream_(stream), sample_(sample) {}

  float uniform() { return stream_.uniform(sample_, next_++); }
  float uniform(float low, float high) { return low + (high - low) * uniform(); }
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(
        std::uint64_t{stream_.bits(sample_, next_++)} * static_cast<std::uint64_t>(n) >> 32);
  }
  /// By Box & Muller (1958).
  float normal() {
    const float u = 1.0f - uniform(), v = uniform();  // (0, 1] and [0, 1)
    return std::sqrt(-2.0f * math::log(u)) * math::cos(2 * kPi * v);
  }

 private:
  const PhiloxStream& stream_;
  std::uint32_t sample_, next_ = 0;
};

struct Sizes {
  std::int64_t train, test;
  std::uint64_t seed;
};

Sizes sizes_of(Spec& spec, const LoadOptions& options, std::int64_t train, std::int64_t test) {
  return {spec.count_option("train", train), spec.count_option("test", test),
          spec.seed_option("seed", options.seed)};
}

/// Makes both parts, each from numbers of its own: part(n, stream) gives n samples.
template <class Part>
DataSplit parts_of(const Sizes& sizes, Part part) {
  return {part(sizes.train, PhiloxStream(sizes.seed, "data/train")),
          part(sizes.test, PhiloxStream(sizes.seed, "data/test"))};
}

std::int64_t limited(Spec& spec, std::string_view key, std::int64_t otherwise, std::int64_t low,
                     std::int64_t high) {
  const std::int64_t n = spec.count_option(key, otherwise);
  if (n < low || n > high) {
    spec.fail(std::string(key) + ": expected " + std::to_string(low) + " to " +
              std::to_string(high) + ", found " + std::to_string(n));
  }
  return n;
}

enum class Order { same, reversed };

DataSplit make_recall(Spec spec, const LoadOptions& options, Order order) {
  const Sizes sizes = sizes_of(spec, options, 10000, 1000);
  const std::int64_t length = limited(spec, "length", 10, 1, 4096);
  const std::int64_t symbols = limited(spec, "symbols", 8, 2, 1000);
  spec.finish();
  std::vector<std::string> names = {"blank"};
  for (std::int64_t s = 1; s <= symbols; ++s) names.push_back(std::to_string(s));
  names.emplace_back("go");
  return parts_of(sizes, [&](std::int64_t n, const PhiloxStream& stream) {
    Tensor tokens({n, 2 * length}, DType::i32), answers({n, 2 * length}, DType::i32);
    for (std::int64_t i = 0; i < n; ++i) {
      Random random(stream, static_cast<std::uint32_t>(i));
      std::int32_t* in = tokens.as<std::int32_t>().data() + i * 2 * length;
      std::int32_t* out = answers.as<std::int32_t>().data() + i * 2 * length;
      for (std::int64_t t = 0; t < length; ++t) {
        in[t] = static_cast<std::int32_t>(1 + random.below(symbols));
        out[order == Order::same ? length + t : 2 * length - 1 - t] = in[t];
      }
      in[length] = static_cast<std::int32_t>(symbols + 1);
    }
    std::vector<ColumnData> inputs, targets;
    inputs.push_back({"input", std::move(tokens)});
    targets.push_back({"labels", std::move(answers)});
    return Dataset(spec.text(), std::move(inputs), std::move(targets), names);
  });
}

}  // namespace

DataSplit make_spirals(Spec spec, const LoadOptions& options) {
  const Sizes sizes = sizes_of(spec, options, 1000, 500);
  const std::int64_t arms = limited(spec, "classes", 2, 2, 20);
  const auto turns = static_cast<float>(spec.number_option("turns", 1.5, 0.1, 10));
  const auto noise = static_cast<float>(spec.number_option("noise", 0.02, 0, 1));
  spec.finish();
  std::vector<std::string> names;
  for (std::int64_t arm = 0; arm < arms; ++arm) names.push_back(std::to_string(arm));
  return parts_of(sizes, [&](std::int64_t n, const PhiloxStream& stream) {
    Tensor points({n, 2});
    std::vector<std::int32_t> labels;
    for (std::int64_t i = 0; i < n; ++i) {
      Random random(stream, static_cast<std::uint32_t>(i));
      const std::int64_t arm = i % arms;
      const float radius = random.uniform(0.05f, 1.0f);
      const float angle =
          2 * kPi * (turns * radius + static_cast<float>(arm) / static_cast<float>(arms));
      float* to = points.as<float>().data() + 2 * i;
      to[0] = radius * math::cos(angle) + noise * random.normal();
      to[1] = radius * math::sin(angle) + noise * random.normal();
      labels.push_back(static_cast<std::int32_t>(arm));
    }
    return Dataset(spec.text(), std::move(points), std::move(labels), names);
  });
}

DataSplit make_adding(Spec spec, const LoadOptions& options) {
  const Sizes sizes = sizes_of(spec, options, 10000, 1000);
  const std::int64_t length = limited(spec, "length", 50, 2, 4096);
  spec.finish();
  return parts_of(sizes, [&](std::int64_t n, const PhiloxStream& stream) {
    Tensor inputs({n, length, 2}), targets({n, 1});
    for (std::int64_t i = 0; i < n; ++i) {
      Random random(stream, static_cast<std::uint32_t>(i));
      float* to = inputs.as<float>().data() + i * length * 2;
      // One mark in the first half, one in the second.
      const std::int64_t half = length / 2, first = random.below(half),
                         second = half + random.below(length - half);
      for (std::int64_t t = 0; t < length; ++t) {
        to[2 * t] = random.uniform();
        to[2 * t + 1] = t == first || t == second ? 1.0f : 0.0f;
      }
      targets.as<float>()[static_cast<std::size_t>(i)] = to[2 * first] + to[2 * second];
    }
    return Dataset(spec.text(), std::move(inputs), std::move(targets));
  });
}

DataSplit make_copy(Spec spec, const LoadOptions& options) {
  return make_recall(std::move(spec), options, Order::same);
}

DataSplit make_reverse(Spec spec, const LoadOptions& options) {
  return make_recall(std::move(spec), options, Order::reversed);
}

DataSplit make_tones(Spec spec, const LoadOptions& options) {
  const Sizes sizes = sizes_of(spec, options, 4000, 1000);
  const auto noise = static_cast<float>(spec.number_option("noise", 0.2, 0, 10));
  spec.finish();
  constexpr std::int64_t kLength = 512;
  constexpr float kRate = 8000;
  const std::vector<std::string> names = {"sine", "triangle", "square", "sawtooth"};
  return parts_of(sizes, [&](std::int64_t n, const PhiloxStream& stream) {
    Tensor waves({n, kLength, 1});
    std::vector<std::int32_t> labels;
    for (std::int64_t i = 0; i < n; ++i) {
      Random random(stream, static_cast<std::uint32_t>(i));
      const std::int64_t form = i % 4;
      const float octaves = random.uniform(0, 3), loudness = random.uniform(0.3f, 1);
      const float per_sample = 110 * math::exp(octaves * 0.69314718f) / kRate;
      float phase = random.uniform();
      float* to = waves.as<float>().data() + i * kLength;
      for (std::int64_t t = 0; t < kLength; ++t) {
        const float value = form == 0   ? math::sin(2 * kPi * phase)
                            : form == 1 ? 4 * std::fabs(phase - 0.5f) - 1
                            : form == 2 ? (phase < 0.5f ? 1.0f : -1.0f)
                                        : 2 * phase - 1;
        to[t] = loudness * value + noise * loudness * random.normal();
        phase += per_sample;
        if (phase >= 1) phase -= 1;
      }
      labels.push_back(static_cast<std::int32_t>(form));
    }
    return Dataset(spec.text(), std::move(waves), std::move(labels), names);
  });
}

}  // namespace soma::data
