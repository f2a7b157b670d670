// Damaged files of a run folder: the command goes on, or says in one line what is wrong with which.
#include <gtest/gtest.h>

#include <algorithm>

#include "mutation.hpp"
#include "small_task.hpp"

namespace {

struct Damage {
  const char* file;
  Words command;
  int times;
};

TEST(DamagedRun, IsReadOrRefusedInOneLine) {
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("run", {"--steps", "21", "--backend", "reference"})).exit_code,
            0);
  const Words resume = task.resume("run", {});
  const Damage kDamages[] = {{"config.json", {"lint", "run", "--json"}, 60},
                             {"metrics.csv", resume, 12},
                             {"steps.csv", resume, 8},
                             {"health.csv", resume, 8}};
  for (const Damage& damage : kDamages) {
    const auto file = task.run_path("run") / damage.file;
    const std::string good = read_text(file);
    int refused = 0;
    for (int i = 0; i < damage.times; ++i) {
      write_text(file, mutated(good, static_cast<std::uint32_t>(i)));
      const Outcome outcome = task.execute(damage.command);
      EXPECT_TRUE(outcome.exit_code >= 0 && outcome.exit_code <= 2)
          << damage.file << ", mutation " << i << ": exit code " << outcome.exit_code;
      const std::size_t last = outcome.err.rfind("soma: ");
      if (outcome.exit_code == 0 || last == std::string::npos) continue;
      ++refused;
      const std::string line = outcome.err.substr(last);
      EXPECT_EQ(std::ranges::count(line, '\n'), 1) << damage.file << " " << i << ": " << line;
    }
    write_text(file, good);
    EXPECT_GT(refused, 0) << damage.file;
  }
}

}  // namespace
