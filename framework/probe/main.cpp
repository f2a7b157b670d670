// soma-probe FILE [SECONDS]: tries a plugin out and prints one line of JSON with `code` and
// `reason`, both empty when there is nothing against the file. Exit status 0 then, 1 for a plugin
// that is rejected, 2 for wrong usage. Soma starts it before it loads a plugin for the first time;
// anyone may.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "soma/version.hpp"
#include "test_process.hpp"

int main(int argc, char** argv) {
  constexpr int kDefaultSeconds = 10;
  const int seconds = argc == 3 ? std::atoi(argv[2]) : kDefaultSeconds;
  if (argc < 2 || argc > 3 || seconds <= 0) {
    std::fputs("usage: soma-probe FILE [SECONDS]\n", stderr);
    return 2;
  }
  const soma::plugins::Rejection no =
      soma::probe::try_plugin(std::filesystem::absolute(argv[1]), seconds);
  const nlohmann::ordered_json verdict = {
      {"probe", soma::version()}, {"code", no.code}, {"reason", no.reason}};
  using Handler = nlohmann::ordered_json::error_handler_t;
  std::puts(verdict.dump(-1, ' ', false, Handler::replace).c_str());
  return no ? 1 : 0;
}
