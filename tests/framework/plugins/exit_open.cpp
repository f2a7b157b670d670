// Ends with every backend and a kernel of each still open, held by static objects that are older,
// and so die later, than whatever the plugins' own runtimes keep.
#include <cstdio>
#include <vector>

#include "soma/backend.hpp"
#include "soma/sdk/ops/pointwise.hpp"

namespace {

struct Held {
  soma::Backend backend;
  soma::Kernel kernel;
};
std::vector<Held>& held() {
  static std::vector<Held> all;
  return all;
}

}  // namespace

int main() {
  held();
  for (const std::string& name : soma::backend_names()) {
    const soma::Backend backend = soma::backend(name);
    const soma::Shape shape{64, 4096};
    const soma::Kernel kernel =
        backend.prepare(soma::ops::Add::forward(shape, shape, soma::Purpose::infer));
    std::vector<float> a(64 * 4096, 1.0f), b = a, sum = a;
    const void* inputs[] = {a.data(), b.data()};
    void* outputs[] = {sum.data()};
    kernel.execute({.inputs = inputs, .outputs = outputs}, 4);
    held().push_back({backend, kernel});
  }
  std::printf("%zu backends still open\n", held().size());
  return held().empty() ? 1 : 0;
}
