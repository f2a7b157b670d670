#include "plugins/openmp_wait.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace soma::plugins {
namespace {

char spin_count[] = "GOMP_SPINCOUNT=10000";

// Keeps it: a library whose threads may wait must not be unloaded.
bool is_loaded(const char* library) { return dlopen(library, RTLD_NOW | RTLD_NOLOAD) != nullptr; }

}  // namespace

ShortOpenmpWait::ShortOpenmpWait() {
  const bool wanted =
      std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr;
  if (wanted || environ == nullptr || is_loaded("libgomp.so.1")) return;
  before_ = environ;
  std::size_t count = 0;
  while (before_[count] != nullptr) ++count;
  // Never freed: another thread may have begun to read it.
  meanwhile_ = new char*[count + 2];
  *std::copy_n(before_, count, meanwhile_) = spin_count;
  meanwhile_[count + 1] = nullptr;
  environ = meanwhile_;
}

ShortOpenmpWait::~ShortOpenmpWait() {
  // Another thread that has set a variable meanwhile has made a copy of its own.
  if (meanwhile_ != nullptr && environ == meanwhile_) environ = before_;
}

}  // namespace soma::plugins
