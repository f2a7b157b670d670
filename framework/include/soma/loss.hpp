#pragma once

#include <string_view>
#include <vector>

#include "soma/api.hpp"
#include "soma/sdk/op.hpp"

namespace soma {

/// What training minimises: the mean, over the items of a batch, of
///
///   softmax_cross_entropy    output: logits [...,C], targets: one class per [...]. Options
///                            label_smoothing, ignore_index, class_weights ("1 0.5 2", one per
///                            class); the mean divides by the weights of the counted items
///   mean_squared_error       output and targets of the same shape, as for all below
///   mean_absolute_error
///   huber                    delta (1)
///   binary_cross_entropy_with_logits   targets in [0, 1], or the two classes of a data set where
///                            the output is one number; pos_weight (1)
///   kl_divergence            output: log-probabilities, targets: probabilities; mean over samples
///   hinge                    targets -1 and 1, or two classes as above; squared (false)
///   cosine                   1 - cos between output and target of each sample; epsilon (1e-8)
///
/// or a loss that a plugin brings, under its name and with its options.
///
/// Each also takes reduction "sum" for the sum instead of the mean. The formulas are those of the
/// op families in soma/sdk/ops/loss.hpp and elementwise_loss.hpp.
struct SOMA_API Loss {
  enum class Kind {
    softmax_cross_entropy,
    mean_squared_error,
    mean_absolute_error,
    huber,
    binary_cross_entropy_with_logits,
    kl_divergence,
    hinge,
    cosine,
    plugin
  };
  Kind kind = Kind::softmax_cross_entropy;
  Attributes options;                ///< defaults left out; made and checked by loss_from_name
  const soma_loss* table = nullptr;  ///< of Kind::plugin; lives as long as the process

  constexpr Loss() = default;
  constexpr Loss(Kind k) : kind(k) {}  // NOLINT(google-explicit-constructor): a kind is a loss
  friend bool operator==(const Loss&, const Loss&) = default;

  /// True if the targets are classes (int32), else numbers of the output's shape.
  bool takes_classes() const noexcept {
    return kind == Kind::softmax_cross_entropy ||
           (table != nullptr && table->target == SOMA_CLASSES);
  }
  /// True if the sign of an output says which of two classes it means.
  bool is_binary() const noexcept {
    return kind == Kind::binary_cross_entropy_with_logits || kind == Kind::hinge;
  }

  static const Loss softmax_cross_entropy, mean_squared_error, mean_absolute_error, huber,
      binary_cross_entropy_with_logits, kl_divergence, hinge, cosine;
};

inline const Loss Loss::softmax_cross_entropy{Kind::softmax_cross_entropy};
inline const Loss Loss::mean_squared_error{Kind::mean_squared_error};
inline const Loss Loss::mean_absolute_error{Kind::mean_absolute_error};
inline const Loss Loss::huber{Kind::huber};
inline const Loss Loss::binary_cross_entropy_with_logits{Kind::binary_cross_entropy_with_logits};
inline const Loss Loss::kl_divergence{Kind::kl_divergence};
inline const Loss Loss::hinge{Kind::hinge};
inline const Loss Loss::cosine{Kind::cosine};

SOMA_API const char* name_of(const Loss& loss) noexcept;
/// The loss of that name. Throws ShapeError that lists the names, or for an option that is unknown,
/// of the wrong type or impossible: "loss: ...", for an option "loss: delta: ...".
SOMA_API Loss loss_from_name(std::string_view name, const Attributes& options = {});
/// Those of plugins, too.
SOMA_API std::vector<std::string_view> loss_names();

}  // namespace soma
