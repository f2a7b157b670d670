#include "process_state.hpp"

#include <dlfcn.h>
#include <malloc.h>
#include <xmmintrin.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <system_error>

namespace soma::conformance {
namespace {

constexpr const char* kOpenmpLibraries[] = {"libgomp.so.1", "libomp.so.5", "libiomp5.so"};

/// Asks a runtime only if somebody has loaded it: the suite itself links none.
std::string settings_of(const char* library) {
  void* handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
  if (handle == nullptr) return "";
  using Get = int (*)();
  std::string text;
  for (const auto& [symbol, name] :
       {std::pair{"omp_get_max_threads", "max threads"}, std::pair{"omp_get_dynamic", "dynamic"},
        std::pair{"omp_get_max_active_levels", "active levels"}}) {
    if (const auto get = reinterpret_cast<Get>(dlsym(handle, symbol))) {
      text += (text.empty() ? " " : ", ") + std::string(name) + " " + std::to_string(get());
    }
  }
  dlclose(handle);
  return library + text + "; ";
}

std::string hex(unsigned value) {
  char text[16];
  std::snprintf(text, sizeof text, "%04x", value);
  return text;
}

}  // namespace

ProcessState ProcessState::read() {
  ProcessState now;
  constexpr std::uint32_t kStickyFlags = 0x3F;
  now.mxcsr = _mm_getcsr() & ~kStickyFlags;
  __asm__ volatile("fnstcw %0" : "=m"(now.x87));
  for (const char* library : kOpenmpLibraries) now.openmp += settings_of(library);
  CPU_ZERO(&now.affinity);
  sched_getaffinity(0, sizeof now.affinity, &now.affinity);
  return now;
}

std::string ProcessState::changed_in(const ProcessState& later) const {
  if (mxcsr != later.mxcsr) return "changed MXCSR from " + hex(mxcsr) + " to " + hex(later.mxcsr);
  if (x87 != later.x87) {
    return "changed the x87 control word from " + hex(x87) + " to " + hex(later.x87);
  }
  if (openmp != later.openmp) {
    return "changed the settings of OpenMP from '" + openmp + "' to '" + later.openmp + "'";
  }
  if (CPU_EQUAL(&affinity, &later.affinity) == 0) {
    return "changed the CPUs that the calling thread may run on";
  }
  return "";
}

Holdings Holdings::read() {
  const auto entries = [](const char* folder) {
    std::error_code ignored;
    const std::filesystem::directory_iterator list(folder, ignored);
    return static_cast<std::size_t>(std::distance(begin(list), end(list)));
  };
  const std::size_t files = entries("/proc/self/fd"), threads = entries("/proc/self/task");
  const struct mallinfo2 info = mallinfo2();
  return {info.uordblks + info.hblkhd, files, threads};
}

std::string Kept::text() const {
  if (bytes > 0) return std::to_string(bytes) + " bytes";
  return files > 0 ? std::to_string(files) + " open files" : std::to_string(threads) + " threads";
}

}  // namespace soma::conformance
