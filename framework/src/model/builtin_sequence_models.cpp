#include "model/builtin_models.hpp"

namespace soma {
namespace {

/// Texts of as many characters as the data have; without any, 64 out of 65.
Task text_of(const Task& any) {
  return any.type == DType::i32 && any.sample.rank() == 1 ? any : Task{{64}, 65};
}

/// Predicts the next character from up to 64: four causal blocks, the output tied to the embedding;
/// 804,096 parameters for 65 characters. After Radford et al., "Language models are unsupervised
/// multitask learners" (2019), at the size and without the biases of Karpathy's nanoGPT.
Model char_gpt(const Task& any) {
  constexpr std::int64_t kWidth = 128;
  const Task task = text_of(any);
  Model net(task.sample, "char-gpt", DType::i32);
  net.add(Embedding{.vocab = task.outputs, .units = kWidth}, "embedding");
  net.add(PositionalEncoding{.kind = "learned"}, "position");
  for (const char* name : {"block1", "block2", "block3", "block4"}) {
    net.add(TransformerDecoderBlock{.heads = 4, .bias = false}, name);
  }
  net.add(LayerNorm{.bias = false}, "norm");
  net.add(Dense{.units = task.outputs, .bias = false, .last_axis = true}, "logits");
  net.tie("logits.weight", "embedding.weight");
  return net;
}

/// Predicts the next character from those before: one recurrent layer of 256 units on an
/// embedding of 128. After Karpathy, "The unreasonable effectiveness of recurrent neural networks"
/// (2015).
template <class Recurrent>
Model char_recurrent(const char* name, const char* layer, const Task& any) {
  const Task task = text_of(any);
  Model net(task.sample, name, DType::i32);
  net.add(Embedding{.vocab = task.outputs, .units = 128}, "embedding");
  net.add(Recurrent{.units = 256}, layer);
  net.add(Dense{.units = task.outputs, .last_axis = true}, "logits");
  return net;
}
Model char_rnn(const Task& task) { return char_recurrent<Rnn>("char-rnn", "rnn", task); }
Model char_lstm(const Task& task) { return char_recurrent<Lstm>("char-lstm", "lstm", task); }
Model char_gru(const Task& task) { return char_recurrent<Gru>("char-gru", "gru", task); }

/// What comes next in a time series [T,C]: an LSTM of 32 units, what it holds at the end, one dense
/// layer. Without data a window of 30 numbers.
Model series_lstm(const Task& any) {
  const Task task = any.sample.rank() == 2 ? any : Task{{30, 1}, 1, Loss::mean_squared_error};
  Model net(task.sample, "series-lstm");
  net.add(Lstm{.units = 32, .return_sequences = false}, "lstm");
  net.add(Dense{.units = task.outputs}, "next");
  net.set_loss(task.loss);
  return net;
}

}  // namespace

std::span<const Builtin> builtin_sequence_models() {
  static constexpr Builtin kModels[] = {{"char-rnn", char_rnn},
                                        {"char-lstm", char_lstm},
                                        {"char-gru", char_gru},
                                        {"char-gpt", char_gpt},
                                        {"series-lstm", series_lstm}};
  return kModels;
}

}  // namespace soma
