#include "soma/conformance/digest.hpp"

#include "soma/conformance/compare.hpp"
#include "soma/conformance/runner.hpp"

namespace soma::conformance {

std::map<std::string, std::uint64_t> digest(const Backend& backend, std::uint64_t seed,
                                            int threads) {
  std::map<std::string, std::uint64_t> hashes;
  for (const Case& c : cases()) {
    std::uint64_t& hash = hashes.try_emplace(c.op.id, 14695981039346656037ull).first->second;
    try {
      const Kernel kernel = backend.prepare(c.op);
      for (const Fill fill : kFills) {
        hash =
            hash_of(run(kernel, make_operands(c, fill, seed), {.threads = threads}).outputs, hash);
      }
    } catch (const Error& error) {
      for (const char* at = error.what(); *at != '\0'; ++at) {
        hash = (hash ^ static_cast<unsigned char>(*at)) * 1099511628211ull;
      }
    }
  }
  return hashes;
}

}  // namespace soma::conformance
