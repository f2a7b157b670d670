#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "dnnl_shim.hpp"

namespace soma::onednn {

/// One argument of a primitive: its name in oneDNN (DNNL_ARG_SRC, ...) and its layout.
struct Argument {
  int name;
  Layout layout;
};

/// A created primitive and the memory objects it is called with. Safe to execute on several threads
/// at once; allocates (outside oneDNN) only when more of them run it than ever before.
class Primitive {
 public:
  /// The last argument is the scratchpad of `descriptor`, appended here. Throws dnnl::error.
  template <class Kind>
  static std::unique_ptr<Primitive> create(const typename Kind::primitive_desc& descriptor,
                                           std::initializer_list<Argument> arguments) {
    return std::unique_ptr<Primitive>(new Primitive(Kind(descriptor), descriptor.scratchpad_desc(),
                                                    descriptor.impl_info_str(), arguments));
  }
  ~Primitive();
  Primitive(const Primitive&) = delete;
  Primitive& operator=(const Primitive&) = delete;

  /// Runs it on the buffers of the arguments, in their order, and the scratchpad. Call it within a
  /// TeamScope of the thread count it was created under. Throws dnnl::error.
  void execute(std::initializer_list<const void*> buffers, void* scratchpad) const;
  std::size_t scratchpad_bytes() const noexcept { return scratchpad_bytes_; }
  const std::string& implementation() const noexcept { return implementation_; }

 private:
  struct Call;  // memory objects of one execution
  Primitive(dnnl::primitive primitive, const Layout& scratchpad, const char* implementation,
            std::initializer_list<Argument> arguments);
  std::unique_ptr<Call> make_call() const;
  std::unique_ptr<Call> take() const;
  void give_back(std::unique_ptr<Call> call) const;

  dnnl::primitive primitive_;
  std::vector<Argument> arguments_;
  std::size_t scratchpad_bytes_;
  std::string implementation_;
  mutable std::array<std::atomic<Call*>, 16> idle_{};  // others are made and dropped
};

/// A reorder from one layout to another.
std::unique_ptr<Primitive> make_reorder(const Layout& from, const Layout& to);

/// What is prepared once for each thread count: oneDNN decides how to split a primitive when it is
/// created. Finding one is lock-free; the first use of a new count makes it, under a lock.
template <class Plan>
class PerTeam {
 public:
  /// May return null: there is none for this thread count.
  using Make = std::function<std::unique_ptr<Plan>(int threads)>;
  explicit PerTeam(Make make) : make_(std::move(make)) {}
  ~PerTeam() {
    for (Node* node = first_.load(); node != nullptr;) delete std::exchange(node, node->next);
  }
  PerTeam(const PerTeam&) = delete;
  PerTeam& operator=(const PerTeam&) = delete;

  const Plan* at(int threads) const {
    if (const Node* node = find(threads)) return node->plan.get();
    const std::lock_guard lock(mutex_);
    if (const Node* node = find(threads)) return node->plan.get();
    auto node = std::make_unique<Node>(Node{threads, make_(threads), first_.load()});
    first_.store(node.get(), std::memory_order_release);
    return node.release()->plan.get();
  }

 private:
  struct Node {
    int threads;
    std::unique_ptr<Plan> plan;
    Node* next;
  };
  const Node* find(int threads) const {
    const Node* node = first_.load(std::memory_order_acquire);
    while (node != nullptr && node->threads != threads) node = node->next;
    return node;
  }
  Make make_;
  mutable std::mutex mutex_;
  mutable std::atomic<Node*> first_{nullptr};
};

/// Lays out parts of a workspace one after another, each aligned to 64 bytes.
class WorkspaceLayout {
 public:
  /// Offset of a part of `bytes`.
  std::size_t add(std::size_t bytes) {
    const std::size_t offset = bytes_;
    bytes_ += (bytes + 63) / 64 * 64;
    return offset;
  }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  std::size_t bytes_ = 0;
};

/// `reserved` when it is large enough for `bytes`, else scratch of the calling thread: the size
/// that a kernel announced is that of the thread count it was prepared under, and more threads may
/// need more.
std::byte* workspace(void* reserved, std::size_t reserved_bytes, std::size_t bytes);

/// The thread count for `work` floating-point operations: one for little work, because waking a
/// worker takes longer.
int team_for(double work, int threads);

}  // namespace soma::onednn
