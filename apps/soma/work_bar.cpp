#include "work_bar.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace {

constexpr std::chrono::milliseconds kRedraw{100}, kLine{10000};
constexpr std::size_t kWidth = 24;

std::string clock_text(double seconds) {
  const auto total = static_cast<long long>(std::ceil(std::min(seconds, 359999.0)));
  char text[32];
  std::snprintf(text, sizeof text, "%lld:%02lld", total / 60, total % 60);
  return text;
}

std::size_t terminal_width() {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

}  // namespace

WorkBar::WorkBar(std::size_t total, std::string unit)
    : total_(total),
      unit_(std::move(unit)),
      terminal_(isatty(STDERR_FILENO) != 0),
      started_(Clock::now()),
      shown_(started_) {}

WorkBar::~WorkBar() {
  if (open_) std::fputs("\r\033[K", stderr);
}

void WorkBar::show(std::size_t done, const std::string& what) {
  const auto now = Clock::now();
  if (now - shown_ < (terminal_ ? std::chrono::milliseconds(kRedraw) : kLine)) return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - started_).count();
  const double share = total_ > 0 ? static_cast<double>(done) / static_cast<double>(total_) : 1;
  const double left = share > 0 ? seconds / share - seconds : 0;
  char figures[96];
  std::snprintf(figures, sizeof figures, "%zu/%zu %s  %.0f/s  %s left", done, total_, unit_.c_str(),
                static_cast<double>(done) / seconds, clock_text(left).c_str());
  if (!terminal_) {
    std::fprintf(stderr, "%s  %s\n", figures, what.c_str());
    return;
  }
  const auto filled = static_cast<std::size_t>(share * kWidth);
  std::string line = "[" + std::string(filled, '=') + std::string(kWidth - filled, ' ') + "] " +
                     figures + "  " + what;
  line.resize(std::min(line.size(), terminal_width() - 1));
  std::fprintf(stderr, "\r%s\033[K", line.c_str());
  std::fflush(stderr);
  open_ = true;
}
