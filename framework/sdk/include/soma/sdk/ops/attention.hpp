#pragma once

#include <algorithm>
#include <cmath>

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// Op family attention/1: scaled dot-product attention of several heads at once. Letters: B batch,
/// H heads, Tq queries, Tk keys, D width of queries and keys, Dv width of values; d = D/H and
/// Dv/H columns belong to each head, head h having the h-th slice.
///
///   fwd  (q [B,Tq,D], k [B,Tk,D], v [B,Tk,Dv], key_mask int32 [B,Tk]?) -> y [B,Tq,Dv], and for
///        training probabilities [B,H,Tq,Tk]
///        score[i,j] = (sum over the head's d of q[i] * k[j]) * scale, for visible keys j
///        p[i,j]     = e / sum(e), e = exp(score[i,j] - max over visible j); +0 for hidden keys
///        y[i]       = sum over visible j of p[i,j] * v[j]
///   bwd  (q, k, v, probabilities, grad_y [B,Tq,Dv], key_mask?) -> grad_q, grad_k, grad_v
///        grad_v[j] = sum over i of p[i,j] * grad_y[i];  dp[i,j] = sum over Dv/H of grad_y[i] *
///        v[j] ds[i,j]   = p[i,j] * (dp[i,j] - dot[i]) * scale,  dot[i] = sum over j of p[i,j] *
///        dp[i,j] grad_q[i] = sum over j of ds[i,j] * k[j];  grad_k[j] = sum over i of ds[i,j] *
///        q[i]
///
/// With `packed`, q, k and v are the three thirds of the columns of one input qkv [B,T,3D], and so
/// are their gradients of one output: (qkv, key_mask?) and (qkv, probabilities, grad_y, key_mask?)
/// -> grad_qkv.
///
/// Query i sees key j if key_mask[b,j] is not 0 and, with `causal`, if j <= i + (Tk - Tq): the last
/// query sees every key. Hidden pairs take no part in any sum, whatever q, k, v and grad_y hold
/// there: a NaN or Inf behind a mask is never seen. A query that sees nothing has p and y of +0. A
/// query with a score of NaN or +Inf, or with nothing but -Inf, has p of NaN at every visible key.
/// The backward takes p as the forward left it, +0 where hidden.
///
/// Canonical order: score, y, dp and the gradients are contractions (ascending in the head's
/// columns, j, or i; blocks of 512 counted from the head's first column or from index 0), sum(e)
/// and dot (each product rounded) are reductions over all Tk, hidden ones as +0. scale is rounded
/// to float32; ds is rounded after each of its three steps, from left to right.
/// Source: Vaswani et al., arXiv:1706.03762, section 3.2.
struct Attention {
  static constexpr const char* kForward = "attention/1.fwd";
  static constexpr const char* kBackward = "attention/1.bwd";

  std::int64_t heads = 1;  ///< divides D and Dv
  bool causal = false;
  bool packed = false;
  bool key_mask = false;
  double scale = 0;  ///< 0: 1 / sqrt(D / heads)

  static Attention from(const Attributes& a) {
    return {a.integer("heads", 1), a.flag("causal"), a.flag("packed"), a.flag("key_mask"),
            a.real("scale", 0)};
  }

  /// Sizes of an op of this family, and which operands are what.
  struct Layout {
    /// q, k or v among the inputs, and its gradient among the outputs: element (b, t, column) lies
    /// at offset + (b * length + t) * stride + column of operand `operand`.
    struct Place {
      int operand = 0;
      std::int64_t offset = 0, stride = 0, length = 0;
      /// Of the first column of one head.
      std::int64_t at(std::int64_t b, std::int64_t head, std::int64_t width) const {
        return offset + b * length * stride + head * width;
      }
    };
    std::int64_t batch = 0, heads = 1, queries = 0, keys = 0;
    std::int64_t key_width = 0, value_width = 0;  ///< of one head
    bool causal = false;
    float scale = 1;
    Place q, k, v;
    Place y;                 ///< y among the outputs of fwd, grad_y among the inputs of bwd
    int probabilities = -1;  ///< output of fwd, input of bwd; -1 if there is none
    int key_mask = -1;       ///< input; -1 if there is none

    /// Query i sees none of the keys from here on.
    std::int64_t visible_end(std::int64_t i) const {
      return causal ? std::clamp<std::int64_t>(i + keys - queries + 1, 0, keys) : keys;
    }
  };
  static Layout layout(const Op& op) {
    const Attention a = from(op.attributes);
    const bool forward = op.id == kForward;
    const int count = a.packed ? 1 : 3;
    const Shape& q = op.in(0);
    const Shape& k = op.in(a.packed ? 0 : 1);
    const Shape& y = forward ? op.out(0) : op.in(static_cast<std::size_t>(count) + 1);
    const std::int64_t width = a.packed ? q[2] / 3 : q[2];
    Layout l;
    l.batch = q[0];
    l.heads = a.heads;
    l.queries = q[1];
    l.keys = k[1];
    l.key_width = width / a.heads;
    l.value_width = y[2] / a.heads;
    l.causal = a.causal;
    l.scale = static_cast<float>(a.factor(width));
    l.q = {0, 0, q[2], q[1]};
    l.k = a.packed ? Layout::Place{0, width, q[2], q[1]} : Layout::Place{1, 0, k[2], k[1]};
    l.v = a.packed ? Layout::Place{0, 2 * width, q[2], q[1]} : Layout::Place{2, 0, y[2], k[1]};
    l.y = {forward ? 0 : count + 1, 0, y[2], y[1]};
    l.probabilities = forward ? (op.outputs.size() > 1 ? 1 : -1) : count;
    if (a.key_mask) l.key_mask = static_cast<int>(op.inputs.size()) - 1;
    return l;
  }

  /// Throws ShapeError unless the shapes fit. Not for `packed`.
  Op forward(const Shape& q, const Shape& k, const Shape& v, Purpose purpose) const {
    check(q, k, v);
    return finished({kForward, floats({q, k, v}), {}, {}, purpose}, {q[0], q[1], v[2]}, q[1], k[1]);
  }
  Op backward(const Shape& q, const Shape& k, const Shape& v) const {
    check(q, k, v);
    return reversed(floats({q, k, v}), {q[0], q[1], v[2]}, q[1], k[1]);
  }
  /// The same for `packed`.
  Op forward(const Shape& qkv, Purpose purpose) const {
    const Shape y = third(qkv);
    return finished({kForward, floats({qkv}), {}, {}, purpose}, y, y[1], y[1]);
  }
  Op backward(const Shape& qkv) const {
    const Shape y = third(qkv);
    return reversed(floats({qkv}), y, y[1], y[1]);
  }

 private:
  double factor(std::int64_t width) const {
    return scale != 0 ? scale : 1 / std::sqrt(static_cast<double>(width / heads));
  }
  static std::vector<TensorInfo> floats(std::initializer_list<Shape> shapes) {
    std::vector<TensorInfo> list;
    for (const Shape& shape : shapes) list.push_back({DType::f32, shape});
    return list;
  }
  Op finished(Op op, const Shape& y, std::int64_t queries, std::int64_t keys) const {
    if (key_mask) op.inputs.push_back({DType::i32, {y[0], keys}});
    op.outputs = floats({y});
    if (op.purpose == Purpose::train) {
      op.outputs.push_back({DType::f32, {y[0], heads, queries, keys}});
    }
    write(op.attributes);
    return op;
  }
  Op reversed(std::vector<TensorInfo> inputs, const Shape& y, std::int64_t queries,
              std::int64_t keys) const {
    Op op{kBackward, inputs, inputs, {}, Purpose::train};
    op.inputs.push_back({DType::f32, {y[0], heads, queries, keys}});
    op.inputs.push_back({DType::f32, y});
    if (key_mask) op.inputs.push_back({DType::i32, {y[0], keys}});
    write(op.attributes);
    return op;
  }
  void write(Attributes& a) const {
    a.set_unless("heads", heads, std::int64_t{1});
    a.set_unless("causal", causal, false);
    a.set_unless("packed", packed, false);
    a.set_unless("key_mask", key_mask, false);
    a.set_unless("scale", scale, 0.0);
  }
  void check(const Shape& q, const Shape& k, const Shape& v) const {
    const bool fits = !packed && q.rank() == 3 && k.rank() == 3 && v.rank() == 3 && k[0] == q[0] &&
                      v[0] == q[0] && k[2] == q[2] && v[1] == k[1];
    if (!fits) {
      throw ShapeError("attention: expected q [B,Tq,D], k [B,Tk,D] and v [B,Tk,Dv], got " +
                       q.str() + ", " + k.str() + " and " + v.str());
    }
    check_heads(q[2], v[2]);
  }
  Shape third(const Shape& qkv) const {
    if (!packed || qkv.rank() != 3 || qkv[2] % 3 != 0) {
      throw ShapeError("attention: expected packed qkv [B,T,3D], got " + qkv.str());
    }
    check_heads(qkv[2] / 3, qkv[2] / 3);
    return {qkv[0], qkv[1], qkv[2] / 3};
  }
  void check_heads(std::int64_t width, std::int64_t value_width) const {
    if (heads < 1 || width < 1 || width % heads != 0 || value_width % heads != 0) {
      throw ShapeError("attention: heads: " + std::to_string(heads) + " does not divide widths " +
                       std::to_string(width) + " and " + std::to_string(value_width));
    }
  }
};

}  // namespace soma::ops
