#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "soma/layer.hpp"

namespace soma {

/// Fills a new parameter from the stream (seed, path), element i from counter i.
void draw(std::span<float> to, Init init, std::int64_t fan_in, std::int64_t fan_out,
          std::uint64_t seed, std::string_view path);

}  // namespace soma
