#pragma once

#include "data/spec.hpp"
#include "soma/dataset.hpp"

/// Data sets that are computed: as many samples as the options train and test say, drawn by the
/// seed, to the same bits on every machine.
namespace soma::data {

/// Points [2] on interleaved spirals, one for each of `classes` (2), `turns` (1.5) long, moved by
/// `noise` (0.02). After Lang & Witbrock, "Learning to tell two spirals apart" (1988).
DataSplit make_spirals(Spec spec, const LoadOptions& options);

/// Sequences [length,2] of numbers in [0, 1) and marks; the target [1] is the sum of the two marked
/// ones. Always answering 1 has the mean squared error 1/6. After Hochreiter & Schmidhuber, "Long
/// short-term memory", Neural Computation 9 (1997).
DataSplit make_adding(Spec spec, const LoadOptions& options);

/// Tokens i32 [2 length]: symbols, then "go" and blanks; the answers [2 length] are blanks, then
/// the symbols in order. `symbols` (8) different ones; tokens and classes: blank, 1, 2, ..., go.
DataSplit make_copy(Spec spec, const LoadOptions& options);
/// The same with the symbols from the last to the first.
DataSplit make_reverse(Spec spec, const LoadOptions& options);

/// A sixteenth of a second of sound [512,1] at 8,000 Hz: a tone of 110 to 880 Hz of one of four
/// wave forms, at some loudness and phase, with noise. Classes sine, triangle, square, sawtooth.
DataSplit make_tones(Spec spec, const LoadOptions& options);

}  // namespace soma::data
