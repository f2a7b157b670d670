#include "browser.hpp"

#include <sys/wait.h>

#include <cstdlib>

int run_shell(const std::string& line) {
  const int status = std::system(line.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool has_program(const std::string& name) {
  return run_shell("command -v " + name + " >/dev/null 2>&1") == 0;
}

PageVisit visit_page(std::string page, const std::string& visitor, const TemporaryFolder& folder,
                     int width) {
  page.insert(page.find("</body>"), visitor);
  write_text(folder.path() / "visited.html", page);
  PageVisit visit;
  visit.exit_code = run_shell(
      "timeout 100 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
      "--disable-background-networking --disable-component-update --disable-sync "
      "--enable-logging=stderr --window-size=" +
      std::to_string(width) + ",1000 --user-data-dir='" + (folder / "browser") +
      "' --dump-dom 'file://" + (folder / "visited.html") + "' >'" + (folder / "dom") + "' 2>'" +
      (folder / "log") + "'");
  visit.log = read_text(folder / "log");
  const std::string dom = read_text(folder / "dom");
  const std::size_t begin = dom.find("<title>");
  if (begin != std::string::npos) {
    visit.title = dom.substr(begin + 7, dom.find("</title>") - begin - 7);
  }
  return visit;
}
