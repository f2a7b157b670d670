#include "curl_library.hpp"

#include <dlfcn.h>

#include <string>

#include "soma/error.hpp"

namespace {

constexpr const char* kFile = "libcurl.so.4";  // its binary interface since 2006

CurlLibrary load() {
  void* const library = dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw soma::StateError(std::string("fetch: cannot load ") + dlerror());
  const auto find = [&]<class Function>(Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    if (function == nullptr) {
      throw soma::StateError(std::string("fetch: ") + kFile + " has no " + name);
    }
  };
  CurlLibrary curl{};
  find(curl.global_init, "curl_global_init");
  find(curl.easy_init, "curl_easy_init");
  find(curl.easy_cleanup, "curl_easy_cleanup");
  find(curl.easy_setopt, "curl_easy_setopt");
  find(curl.easy_perform, "curl_easy_perform");
  find(curl.easy_getinfo, "curl_easy_getinfo");
  find(curl.easy_strerror, "curl_easy_strerror");
  return curl;
}

}  // namespace

const CurlLibrary& curl_library() {
  static const CurlLibrary library = load();
  return library;
}
