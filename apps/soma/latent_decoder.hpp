#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "soma/model.hpp"

/// The part of a variational autoencoder behind its `gaussian_sample` layer, as a model of its own
/// that takes the latent numbers. Throws soma::UnsupportedError if there is no such layer or its
/// outputs need more than that.
soma::Model latent_decoder(const soma::Model& model);

/// So many standard normal numbers, the same on every machine; `index` tells one draw from the
/// next.
std::vector<float> standard_normals(std::uint64_t seed, std::uint32_t index, std::int64_t count);

/// Writes images [count,H,W,C] of elements in [0,1], C 1 or 3, as one PNG: rows of as many images
/// as make it about square, a grey line between them. Throws soma::FormatError if it cannot.
void write_image_grid(const std::filesystem::path& file, std::span<const float> images,
                      const soma::Shape& image);
