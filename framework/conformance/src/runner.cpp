#include "soma/conformance/runner.hpp"

#include <xmmintrin.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "guarded_pages.hpp"
#include "soma/plugins.hpp"

namespace soma::conformance {
namespace {

constexpr std::size_t kGuard = 1024, kAlignment = 64;
constexpr unsigned kControlBits = 0xFFC0;  // MXCSR without the sticky exception flags
// Quiet NaNs whose payload no operand holds.
constexpr std::uint32_t kPoison32 = 0x7FC0DEAD;
constexpr std::uint64_t kPoison64 = 0x7FF8DEADDEADDEAD;

std::byte pattern(std::size_t i) { return static_cast<std::byte>(0xA5 ^ (i * 37 & 0xFF)); }

/// Bytes between two guards: patterned ones, then aligned to 64 plus `offset`; or pages, then
/// aligned to `least` at least.
class GuardedBytes {
 public:
  GuardedBytes(std::size_t size, std::size_t offset, std::size_t least, Guard guard)
      : size_(size), words_(guard == Guard::words) {
    if (!words_) {
      pages_ = std::make_unique<GuardedPages>(size);
      const std::size_t room = (size + least - 1) / least * least;
      data_ = guard == Guard::page_before ? pages_->begin() : pages_->end() - room;
      return;
    }
    raw_.resize(size + 2 * kGuard + 2 * kAlignment);
    void* start = raw_.data() + kGuard;
    std::size_t room = raw_.size() - kGuard;
    data_ = static_cast<std::byte*>(std::align(kAlignment, 1, start, room)) + offset;
    for (std::size_t i = 0; i < kGuard; ++i) {
      data_[size_ + i] = *(data_ - 1 - i) = pattern(i);
    }
  }
  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

  /// "" or how far outside the first damaged guard byte lies.
  std::string damage() const {
    if (!words_) return "";
    for (std::size_t i = 0; i < kGuard; ++i) {
      if (data_[size_ + i] != pattern(i)) {
        return "wrote " + std::to_string(i + 1) + " bytes behind";
      }
      if (*(data_ - 1 - i) != pattern(i)) {
        return "wrote " + std::to_string(i + 1) + " bytes before";
      }
    }
    return "";
  }

 private:
  std::vector<std::byte> raw_;
  std::unique_ptr<GuardedPages> pages_;
  std::size_t size_;
  bool words_;
  std::byte* data_;
};

void poison(GuardedBytes& bytes, DType dtype) {
  const std::size_t width = size_bytes(dtype);
  for (std::size_t at = 0; at < bytes.size(); at += width) {
    if (width == 8) {
      std::memcpy(bytes.data() + at, &kPoison64, 8);
    } else {
      std::memcpy(bytes.data() + at, &kPoison32, 4);
    }
  }
}

/// Index of the first element that still is poison, or -1.
std::ptrdiff_t first_poison(const Array& array) {
  const std::size_t width = size_bytes(array.info.dtype);
  for (std::size_t i = 0; i < array.elements(); ++i) {
    const std::byte* at = array.bytes.data() + i * width;
    if (width == 8 ? std::memcmp(at, &kPoison64, 8) == 0 : std::memcmp(at, &kPoison32, 4) == 0) {
      return static_cast<std::ptrdiff_t>(i);
    }
  }
  return -1;
}

/// All buffers of one execution.
class Buffers {
 public:
  Buffers(const Kernel& kernel, const Operands& operands, const RunOptions& options)
      : op_(kernel.op()),
        operands_(operands),
        options_(options),
        workspace_(kernel.info().workspace_bytes, 0, kAlignment, options.guard),
        pack_(kernel.info().pack_bytes, 0, kAlignment, options.guard),
        shares_(op_.outputs.size(), -1) {
    for (const Array& input : operands.inputs) {
      GuardedBytes& bytes = add(inputs_, input.info, input.bytes.size());
      std::ranges::copy(input.bytes, bytes.data());
    }
    for (const auto& [output, input] : options.in_place) {
      shares_[static_cast<std::size_t>(output)] = input;
    }
    const bool accumulate = op_.attributes.flag("accumulate");
    for (std::size_t i = 0; i < op_.outputs.size(); ++i) {
      const TensorInfo& info = op_.outputs[i];
      GuardedBytes& bytes = add(outputs_, info, Array(info).bytes.size());
      if (accumulate) {
        std::ranges::copy(operands.old_outputs.at(i).bytes, bytes.data());
      } else {
        poison(bytes, info.dtype);
      }
    }
    std::memset(workspace_.data(), options.scratch, workspace_.size());
    std::memset(pack_.data(), options.scratch, pack_.size());
    for (const GuardedBytes& bytes : inputs_) input_pointers_.push_back(pointer(bytes));
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      output_pointers_.push_back(pointer(target(i)));
    }
  }

  void execute(const Kernel& kernel) {
    if (kernel.info().pack_bytes > 0) {
      std::vector<const void*> packed(input_pointers_.size(), nullptr);
      for (std::size_t i = 0; i < packed.size(); ++i) {
        if ((kernel.info().packed_inputs >> i & 1) != 0) packed[i] = input_pointers_[i];
      }
      kernel.pack({packed.data(), nullptr, workspace_.data(), nullptr}, pack_.data(),
                  options_.threads);
    }
    kernel.execute(
        {input_pointers_.data(), output_pointers_.data(), workspace_.data(), pack_.data()},
        options_.threads);
  }

  std::vector<Array> outputs() const {
    std::vector<Array> arrays;
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      Array& array = arrays.emplace_back(op_.outputs[i]);
      std::copy_n(target(i).data(), array.bytes.size(), array.bytes.data());
    }
    return arrays;
  }

  std::vector<std::string> violations() const {
    std::vector<std::string> list;
    const auto guards = [&](const GuardedBytes& bytes, const std::string& name) {
      if (const std::string damage = bytes.damage(); !damage.empty()) {
        list.push_back(damage + " " + name);
      }
    };
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const std::string name = "input " + std::to_string(i);
      guards(inputs_[i], name);
      if (std::ranges::find(shares_, static_cast<int>(i)) != shares_.end()) continue;
      if (!std::equal(operands_.inputs[i].bytes.begin(), operands_.inputs[i].bytes.end(),
                      inputs_[i].data())) {
        list.push_back("changed " + name);
      }
    }
    const std::vector<Array> results = outputs();
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      const std::string name = "output " + std::to_string(i);
      guards(outputs_[i], name);
      if (const std::ptrdiff_t at = first_poison(results[i]); at >= 0) {
        list.push_back("never wrote element " + std::to_string(at) + " of " + name +
                       ", or computed with what it held");
      }
    }
    guards(workspace_, "the workspace");
    guards(pack_, "the pack");
    return list;
  }

 private:
  GuardedBytes& add(std::vector<GuardedBytes>& list, const TensorInfo& info, std::size_t size) {
    const std::size_t element = size_bytes(info.dtype);
    return list.emplace_back(size, options_.offset ? element : 0, element, options_.guard);
  }
  const GuardedBytes& target(std::size_t output) const {
    return shares_[output] < 0 ? outputs_[output]
                               : inputs_[static_cast<std::size_t>(shares_[output])];
  }
  std::byte* pointer(const GuardedBytes& bytes) const {
    return options_.offset && bytes.size() == 0 ? nullptr : bytes.data();
  }

  const Op& op_;
  const Operands& operands_;
  RunOptions options_;
  std::vector<GuardedBytes> inputs_, outputs_;
  GuardedBytes workspace_, pack_;
  std::vector<int> shares_;  // input whose buffer an output takes, or -1
  std::vector<const void*> input_pointers_;
  std::vector<void*> output_pointers_;
};

}  // namespace

Run run(const Kernel& kernel, const Operands& operands, const RunOptions& options) {
  Buffers buffers(kernel, operands, options);
  const unsigned before = _mm_getcsr() & kControlBits;
  const std::uint64_t faults = fp_environment_faults();
  buffers.execute(kernel);
  const unsigned after = _mm_getcsr() & kControlBits;
  Run result{buffers.outputs(), buffers.violations()};
  if (after != before || fp_environment_faults() != faults) {
    _mm_setcsr(before);
    result.violations.push_back("left another floating-point environment behind");
  }
  return result;
}

std::string refusal_fault(const Kernel& kernel, const Operands& operands) {
  Buffers buffers(kernel, operands, {});
  const std::vector<Array> before = buffers.outputs();
  try {
    buffers.execute(kernel);
  } catch (const Error&) {
    const std::vector<Array> after = buffers.outputs();
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (before[i].bytes != after[i].bytes) {
        return "wrote output " + std::to_string(i) + " before it refused";
      }
    }
    return "";
  }
  return "accepted it";
}

std::vector<Array> Oracle::evaluate(const Op& op, const Operands& operands) const {
  Operands wide;
  for (const Array& array : operands.inputs) wide.inputs.push_back(as_f64(array));
  for (const Array& array : operands.old_outputs) wide.old_outputs.push_back(as_f64(array));
  return reference(op.as_f64(), wide);
}

std::vector<Array> Oracle::reference(const Op& op, const Operands& operands) const {
  Run result = run(reference_.prepare(op), operands);
  if (!result.violations.empty()) {
    throw StateError("the oracle itself " + result.violations.front() + " in " + op.str());
  }
  return std::move(result.outputs);
}

}  // namespace soma::conformance
