#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "certify_report.hpp"
#include "soma/error.hpp"

namespace fs = std::filesystem;

void sign_file(const fs::path& file, const fs::path& key) {
  std::error_code ignored;
  fs::remove(file.string() + ".sig", ignored);  // ssh-keygen would ask before it replaces one
  std::string words[] = {"ssh-keygen",       "-q",         "-Y", "sign", "-f", key.string(), "-n",
                         "soma-certificate", file.string()};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // stdout holds our own JSON. A passphrase is asked for on the terminal itself.
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  const int error = posix_spawnp(&child, "ssh-keygen", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    throw soma::StateError("--sign: cannot start ssh-keygen (" + std::string(std::strerror(error)) +
                           "); it comes with OpenSSH");
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || !fs::exists(file.string() + ".sig")) {
    throw soma::StateError("--sign: ssh-keygen could not sign " + file.string() + " with " +
                           key.string());
  }
}
