#pragma once

#include <cstdint>
#include <span>

#include "soma/graph.hpp"

namespace soma {

/// Fills a new parameter from the stream (seed, its name), element i from counter i.
void draw(std::span<float> to, const Graph::ParameterInfo& parameter, std::uint64_t seed);

/// Overwrites `to` [rows, columns] by gain * Q: the orthonormal factor of the matrix in it, or of
/// its transpose if there are more columns than rows, by Householder reflections in float64, signs
/// such that the diagonal of R is not negative. Serial, so the same bits everywhere.
void make_orthogonal(std::span<float> to, std::int64_t rows, std::int64_t columns, double gain);

}  // namespace soma
