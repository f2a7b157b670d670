#pragma once

#include <cstdint>

#include "soma/dataset.hpp"

/// The data sets that need no files.
namespace soma::data {

/// Digits 0 to 9, 28x28 grey, [28,28,1], drawn from strokes: 10,000 to train on, 2,000 to test, as
/// many of each class; distorted, blurred and noised by `seed`, to the same bytes on every machine.
DataSplit make_glyphs(std::uint64_t seed);

/// Fisher's iris: four lengths [4] in standard deviations from their means, both of the training
/// rows; three species. A third of each species, drawn by `seed`, is the test.
/// Source: R. A. Fisher, "The use of multiple measurements in taxonomic problems", Annals of
/// Eugenics 7 (1936), table I.
DataSplit make_iris(std::uint64_t seed);

/// The four rows of exclusive or, [2] -> classes 0 and 1; training and test set are the same.
DataSplit make_xor();

}  // namespace soma::data
