#pragma once

#include <cstdint>

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// Op family embedding/1: rows of a table, by number. Letters: V rows in the table, D numbers a
/// row, S any shape of up to 7 axes.
///
///   fwd  (table [V,D], ids int32 S) -> y [S...,D]: y[s] = table[ids[s]]; +0 where ids[s] is
///        padding_idx, whatever the table holds there
///   bwd  (grad_y [S...,D], ids int32 S) -> grad_table [V,D]: each row the sum from +0 of its
///        grad_y[s], s ascending; rows that no id names, and the row padding_idx, are +0
///
/// An id outside [0, V) is an error (SOMA_INVALID), found before anything is written.
/// Attribute: padding_idx, default -1: none.
struct Embedding {
  static constexpr const char* kForward = "embedding/1.fwd";
  static constexpr const char* kBackward = "embedding/1.bwd";

  std::int64_t padding_idx = -1;

  static Embedding from(const Attributes& a) { return {a.integer("padding_idx", -1)}; }
  Shape output_shape(const Shape& table, const Shape& ids) const {
    if (table.rank() != 2 || ids.rank() >= SOMA_MAX_RANK) {
      throw ShapeError("embedding: expected a table [V,D] and ids of up to 7 axes, got " +
                       table.str() + " and " + ids.str());
    }
    if (padding_idx < -1 || padding_idx >= table[0] || table[0] > INT32_MAX) {
      throw ShapeError("embedding: padding_idx: expected -1 or one of " + std::to_string(table[0]) +
                       " rows, got " + std::to_string(padding_idx));
    }
    if (ids.elements() > INT32_MAX) {
      throw ShapeError("embedding: expected fewer than 2^31 ids, got " + ids.str());
    }
    Shape y = ids;
    y.append(table[1]);
    return y;
  }
  Op forward(const Shape& table, const Shape& ids, Purpose purpose) const {
    return {kForward,
            {{DType::f32, table}, {DType::i32, ids}},
            {{DType::f32, output_shape(table, ids)}},
            attributes(),
            purpose};
  }
  Op backward(const Shape& table, const Shape& ids) const {
    return {kBackward,
            {{DType::f32, output_shape(table, ids)}, {DType::i32, ids}},
            {{DType::f32, table}},
            attributes(),
            Purpose::train};
  }

 private:
  Attributes attributes() const {
    Attributes a;
    a.set_unless("padding_idx", padding_idx, std::int64_t{-1});
    return a;
  }
};

/// Op family cast/1: whole numbers in float32 as int32, so that numbers can be ids.
///
///   fwd  (x) -> y int32
///
/// Anything but a whole number in [0, 2^31) is an error (SOMA_INVALID), found before anything is
/// written. No gradient passes.
struct Cast {
  static constexpr const char* kForward = "cast/1.fwd";
  static Op forward(const Shape& x, Purpose purpose) {
    return {kForward, {{DType::f32, x}}, {{DType::i32, x}}, {}, purpose};
  }
};

}  // namespace soma::ops
