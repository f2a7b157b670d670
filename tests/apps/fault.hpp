#pragma once

#include <cstdlib>

/// A fault of fixtures/faulty.cpp, in all processes that are started while this lives.
class Fault {
 public:
  explicit Fault(const char* name) { setenv("SOMA_TEST_FAULT", name, 1); }
  ~Fault() { unsetenv("SOMA_TEST_FAULT"); }
  Fault(const Fault&) = delete;
  Fault& operator=(const Fault&) = delete;
};
