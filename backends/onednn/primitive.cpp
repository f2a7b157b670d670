#include "primitive.hpp"

#include <memory>
#include <new>

namespace soma::onednn {
namespace {

// A stream keeps no state between executions on a CPU, but is not to be shared by threads.
const dnnl::stream& stream() {
  thread_local const dnnl::stream own(engine());
  return own;
}

// The library calls behind dnnl::error are the C ones, spared its maps on the way.
void check(dnnl_status_t status, const char* what) {
  if (status != dnnl_success) throw dnnl::error(status, what);
}

struct FreeAligned {
  void operator()(std::byte* p) const { ::operator delete (p, std::align_val_t{64}); }
};

}  // namespace

struct Primitive::Call {
  std::vector<dnnl::memory> memories;
  std::vector<dnnl_exec_arg_t> arguments;
  std::vector<const void*> buffers;
};

Primitive::Primitive(dnnl::primitive primitive, const Layout& scratchpad,
                     const char* implementation, std::initializer_list<Argument> arguments)
    : primitive_(std::move(primitive)),
      arguments_(arguments),
      scratchpad_bytes_(scratchpad.get_size()),
      implementation_(implementation) {
  if (scratchpad_bytes_ > 0) arguments_.push_back({DNNL_ARG_SCRATCHPAD, scratchpad});
  give_back(make_call());
}

Primitive::~Primitive() {
  for (auto& slot : idle_) delete slot.load();
}

std::unique_ptr<Primitive::Call> Primitive::make_call() const {
  auto call = std::make_unique<Call>();
  for (const Argument& argument : arguments_) {
    call->memories.push_back(dnnl::memory(argument.layout, engine(), DNNL_MEMORY_NONE));
    call->arguments.push_back({argument.name, call->memories.back().get()});
    call->buffers.push_back(nullptr);
  }
  return call;
}

std::unique_ptr<Primitive::Call> Primitive::take() const {
  for (auto& slot : idle_) {
    if (Call* call = slot.exchange(nullptr, std::memory_order_acquire)) {
      return std::unique_ptr<Call>(call);
    }
  }
  return make_call();
}

void Primitive::give_back(std::unique_ptr<Call> call) const {
  for (auto& slot : idle_) {
    Call* none = nullptr;
    if (slot.compare_exchange_strong(none, call.get(), std::memory_order_release)) {
      call.release();
      return;
    }
  }
}

void Primitive::execute(std::initializer_list<const void*> buffers, void* scratchpad) const {
  std::unique_ptr<Call> call = take();
  const auto bind = [&](std::size_t i, const void* buffer) {
    if (call->buffers[i] == buffer) return;
    call->buffers[i] = buffer;
    check(dnnl_memory_set_data_handle(call->arguments[i].memory, const_cast<void*>(buffer)),
          "could not bind a buffer");
  };
  std::size_t i = 0;
  for (const void* buffer : buffers) bind(i++, buffer);
  if (scratchpad_bytes_ > 0) bind(i, scratchpad);
  check(dnnl_primitive_execute(primitive_.get(), stream().get(),
                               static_cast<int>(call->arguments.size()), call->arguments.data()),
        "could not execute a primitive");
  give_back(std::move(call));
}

std::unique_ptr<Primitive> make_reorder(const Layout& from, const Layout& to) {
  const dnnl::reorder::primitive_desc descriptor(engine(), from, engine(), to, attributes());
  return Primitive::create<dnnl::reorder>(descriptor, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
}

std::byte* workspace(void* reserved, std::size_t reserved_bytes, std::size_t bytes) {
  if (bytes <= reserved_bytes) return static_cast<std::byte*>(reserved);
  thread_local std::unique_ptr<std::byte, FreeAligned> scratch;
  thread_local std::size_t scratch_bytes = 0;
  if (bytes > scratch_bytes) {
    scratch.reset();
    scratch_bytes = 0;
    scratch.reset(static_cast<std::byte*>(::operator new (bytes, std::align_val_t{64})));
    scratch_bytes = bytes;
  }
  return scratch.get();
}

int team_for(double work, int threads) {
  constexpr double kSerialWork = 1 << 19;  // about 5 us on one core
  return work < kSerialWork ? 1 : threads;
}

}  // namespace soma::onednn
