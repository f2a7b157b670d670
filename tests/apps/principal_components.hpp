#pragma once

#include <cstdint>

#include "soma/dataset.hpp"

/// What is left of the test part's squares, as a mean over elements, when its samples are described
/// by their mean and `width` principal components, both of the training part: what a linear
/// autoencoder of that width can reach at best. By orthogonal iteration on the covariance, in
/// float64. Source: Golub & Van Loan, "Matrix Computations", 4th edition, section 8.2.4.
double principal_components_error(const soma::DataSplit& data, std::int64_t width);
