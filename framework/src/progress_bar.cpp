#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>

#include "soma/trainer.hpp"

namespace soma {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::chrono::milliseconds kRedraw{100};  // of the bar
constexpr std::chrono::milliseconds kLine{5000};   // between plain lines

/// "0:07", "12:30", "3:05:00"
std::string clock_text(double seconds) {
  const auto total = static_cast<long long>(std::ceil(std::min(seconds, 359999.0)));
  char text[32];
  if (total >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", total / 3600, total / 60 % 60,
                  total % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld", total / 60, total % 60);
  }
  return text;
}

int terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

/// What the bar remembers between two steps. The rate is that of this session: a resumed run starts
/// its own.
class Bar {
 public:
  ~Bar() {
    if (open_) std::fputc('\n', stderr);
  }

  void update(const Progress& p) {
    const auto now = Clock::now();
    if (first_ == Clock::time_point{}) {
      first_ = now;
      if (!terminal_) printed_ = now;
      first_seconds_ = p.seconds;
      first_samples_ = p.samples;
      first_step_ = p.step;
    }
    const bool finished = p.step == p.total_steps;
    const bool epoch_done = finished || p.step_in_epoch == p.steps_per_epoch;
    // A plain log gets the end of the run, not of each of a thousand quick epochs.
    const bool due = terminal_ ? epoch_done : finished;
    if (!due && now - printed_ < (terminal_ ? kRedraw : kLine)) return;
    printed_ = now;
    print(p, Seconds(now - first_).count(), epoch_done);
  }

 private:
  void print(const Progress& p, double elapsed, bool epoch_done) {
    const double share =
        p.steps_per_epoch > 0 ? static_cast<double>(p.step_in_epoch) / p.steps_per_epoch : 1;
    const double trained = p.seconds - first_seconds_;
    const double rate = trained > 0 ? (p.samples - first_samples_) / trained : 0;
    const auto done = p.step - first_step_;
    const double left =
        done > 0 ? elapsed / static_cast<double>(done) * static_cast<double>(p.total_steps - p.step)
                 : 0;
    const auto epochs = p.steps_per_epoch > 0
                            ? (p.total_steps + p.steps_per_epoch - 1) / p.steps_per_epoch
                            : std::int64_t{1};
    char head[64], tail[160], accuracy[32] = "";
    std::snprintf(head, sizeof head, "epoch %lld/%lld %3d %%", static_cast<long long>(p.epoch) + 1,
                  static_cast<long long>(std::max(epochs, p.epoch + 1)),
                  static_cast<int>(share * 100));
    if (p.accuracy > 0) std::snprintf(accuracy, sizeof accuracy, "  acc %.2f %%", p.accuracy * 100);
    std::snprintf(tail, sizeof tail, "loss %.4f%s  %.0f samples/s  %s left", p.mean_loss, accuracy,
                  rate, clock_text(left).c_str());
    if (!terminal_) {
      std::fprintf(stderr, "%s  %s\n", head, tail);
      return;
    }
    const int room = terminal_width() -
                     static_cast<int>(std::char_traits<char>::length(head) +
                                      std::char_traits<char>::length(tail)) -
                     7;
    std::string bar;
    if (room >= 5) {
      const int width = std::min(room, 30);
      const int filled = static_cast<int>(share * width);
      bar = " [" + std::string(static_cast<std::size_t>(filled), '=') +
            std::string(static_cast<std::size_t>(width - filled), ' ') + "]";
    }
    std::fprintf(stderr, "\r%s%s  %s\033[K", head, bar.c_str(), tail);
    open_ = !epoch_done;
    if (epoch_done) std::fputc('\n', stderr);
    std::fflush(stderr);
  }

  const bool terminal_ = isatty(STDERR_FILENO) != 0;
  Clock::time_point first_{}, printed_{};
  double first_seconds_ = 0;
  std::int64_t first_samples_ = 0, first_step_ = 0;
  bool open_ = false;  ///< the cursor stands at the end of an unfinished line
};

}  // namespace

std::function<void(const Progress&)> progress_bar() {
  return [bar = std::make_shared<Bar>()](const Progress& progress) { bar->update(progress); };
}

}  // namespace soma
