// Files that want to end their host. Each test counts what it tried and prints what became of it;
// that the host survived is what makes its list arrive at all (run_lister throws otherwise).
//   SOMA_HOSTILE_FLIPS  how many one-bit flips are tried, 3000 by default
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "plugins/admission.hpp"
#include "support.hpp"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Counts = std::map<std::string, int>;

std::string text(const Counts& counts) {
  std::string text;
  for (const auto& [what, count] : counts)
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + what;
  return text;
}

// --- cut short

TEST(HostileFiles, EveryTruncationIsFoundBeforeAnyProcessIsStarted) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "libsoma_cut.so";
  fs::copy_file(REAL_PLUGIN, file);
  const auto whole = static_cast<off_t>(fs::file_size(file));
  Counts counts;
  for (off_t size = whole - 1; size >= 0; --size) {
    ASSERT_EQ(::truncate(file.c_str(), size), 0);  // in place, as an interrupted copy is
    soma::plugins::Manifest manifest;
    const soma::plugins::Rejection no = soma::plugins::admit(file, &manifest);
    ++counts[no.code];
    ASSERT_EQ(no.code, size < 4 ? "not_a_library" : "truncated") << "cut to " << size << " bytes";
    ASSERT_FALSE(no.reason.empty());
  }
  std::printf("%ld truncations of a plugin of %ld bytes: %s\n", static_cast<long>(whole),
              static_cast<long>(whole), text(counts).c_str());
}

// --- one bit flipped

/// What became of flips first .. last-1; each host process meets `kPerHost` of them.
class Flips {
 public:
  explicit Flips(int count) : count_(count), whole_(read_bytes(REAL_PLUGIN)) {
    std::mt19937_64 random(1);
    for (int i = 0; i < count; ++i) bits_.push_back(random() % (8 * whole_.size()));
  }
  /// Takes batches until there are none left; several threads may.
  void work() {
    for (int first; (first = next_batch()) < count_;) try_batch(first);
  }
  const Counts& counts() const { return counts_; }
  std::size_t plugin_bytes() const { return whole_.size(); }

 private:
  static constexpr int kPerHost = 50;

  int next_batch() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(next_, next_ + kPerHost);
  }
  void try_batch(int first) {
    const TemporaryFolder folder;
    const int last = std::min(count_, first + kPerHost);
    for (int i = first; i < last; ++i) {
      std::string bytes = whole_;
      const std::size_t bit = bits_[static_cast<std::size_t>(i)];
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
      write_bytes(folder.path() / name_of(i), bytes);
    }
    const json plugins =
        run_lister({"--folder", folder.path().string()}, {{"SOMA_PROBE_SECONDS", "20"}})["plugins"];
    const std::scoped_lock lock(mutex_);
    for (int i = first; i < last; ++i) {
      const json record = record_of(plugins, folder.path() / name_of(i));
      ASSERT_FALSE(record.is_null()) << "flip " << i << " is not listed";
      // All bring the same name, so only one of a host's is "ready"; the others were entered too.
      const std::string code = record["code"];
      ++counts_[code.empty() || code == "duplicate_name" ? "admitted" : code];
      EXPECT_EQ(record["reason"].get<std::string>().empty(), code.empty()) << record;
    }
  }
  static std::string name_of(int i) { return "libsoma_flip" + std::to_string(i) + ".so"; }

  int count_;
  std::string whole_;
  std::vector<std::size_t> bits_;
  std::mutex mutex_;
  int next_ = 0;
  Counts counts_;
};

TEST(HostileFiles, NoFlippedBitEndsTheHost) {
  const char* wish = std::getenv("SOMA_HOSTILE_FLIPS");
  const int count = wish != nullptr ? std::atoi(wish) : 3000;
  Flips flips(count);
  std::thread other([&] { flips.work(); });
  flips.work();
  other.join();
  int seen = 0;
  for (const auto& [what, of_it] : flips.counts()) seen += of_it;
  EXPECT_EQ(seen, count);
  std::printf("%d one-bit flips of a plugin of %zu bytes: %s\n", seen, flips.plugin_bytes(),
              text(flips.counts()).c_str());
}

// --- everything else, in one folder for one host

struct Hostile {
  const char* name;
  void (*make)(const fs::path& file);
  const char* code;
};

std::string with_byte(std::size_t at, char byte) {
  std::string bytes = read_bytes(REAL_PLUGIN);
  bytes.at(at) = byte;
  return bytes;
}

const Hostile kMade[] = {
    {"text", [](const fs::path& f) { write_bytes(f, "#!/bin/sh\necho no library\n"); },
     "not_a_library"},
    {"empty", [](const fs::path& f) { write_bytes(f, ""); }, "not_a_library"},
    {"folder", [](const fs::path& f) { fs::create_directory(f); }, "not_a_library"},
    {"pipe", [](const fs::path& f) { ::mkfifo(f.c_str(), 0600); }, "not_a_library"},
    {"link_to_nothing", [](const fs::path& f) { fs::create_symlink("nothing", f); }, "unreadable"},
    {"link_to_itself", [](const fs::path& f) { fs::create_symlink(f, f); }, "unreadable"},
    {"link_in_a_ring",
     [](const fs::path& f) {
       const fs::path back = f.parent_path() / "back";
       fs::create_symlink(f, back);
       fs::create_symlink(back, f);
     },
     "unreadable"},
    {"device", [](const fs::path& f) { fs::create_symlink("/dev/zero", f); }, "not_a_library"},
    {"arm64", [](const fs::path& f) { write_bytes(f, with_byte(18, '\xB7')); }, "wrong_machine"},
    {"riscv", [](const fs::path& f) { write_bytes(f, with_byte(18, '\xF3')); }, "wrong_machine"},
    {"i386", [](const fs::path& f) { write_bytes(f, with_byte(4, 1)); }, "wrong_machine"},
    {"big_endian", [](const fs::path& f) { write_bytes(f, with_byte(5, 2)); }, "wrong_machine"},
    {"noise",
     [](const fs::path& f) {
       std::string bytes = read_bytes(REAL_PLUGIN).substr(0, 64);
       for (std::mt19937 random(7); bytes.size() < 20'000;) bytes += static_cast<char>(random());
       write_bytes(f, bytes);
     },
     "truncated"},
};

struct Built {
  const char* fixture;
  const char* code;
};
constexpr Built kBuilt[] = {
    {"missing_dependency", "load_failed"},
    {"undefined", "load_failed"},
    {"fast_math", "fp_environment"},
    {"load_abort", "probe_crash"},
    {"load_throws", "probe_crash"},
    {"load_crash", "probe_crash"},
    {"load_exit_0", "probe_crash"},
    {"load_close_everything_and_crash", "probe_crash"},
    {"load_never_return", "probe_timeout"},
    {"throws", "entry_failed"},
    {"entry_fails", "entry_failed"},
    {"entry_abort", "probe_crash"},
    {"entry_crash", "probe_crash"},
    {"entry_exit_0", "probe_crash"},
    {"entry_never_return", "probe_timeout"},
    {"use_crash", "probe_crash"},
    {"use_never_return", "probe_timeout"},
    {"use_too_far", "self_check"},
    {"exit_crash", "probe_crash"},
    {"exit_never_return", "probe_timeout"},
    {"short_table", "bad_table"},
    {"table_of_other_major", "abi_version"},
    {"untagged", "no_abi_tag"},
    {"needs_v9", "instruction_set"},
};

TEST(HostileFiles, AFolderFullOfThemIsListedFileByFile) {
  const TemporaryFolder folder;
  std::map<fs::path, std::string> expected;
  for (const Hostile& hostile : kMade) {
    const fs::path file = folder.path() / (std::string("libsoma_") + hostile.name + ".so");
    hostile.make(file);
    expected[file] = hostile.code;
  }
  for (const Built& built : kBuilt) expected[folder.add(built.fixture)] = built.code;
  const fs::path good = folder.add("good");

  const json plugins =
      run_lister({"--folder", folder.path().string()}, {{"SOMA_PROBE_SECONDS", "2"}})["plugins"];
  Counts counts;
  for (const auto& [file, code] : expected) {
    const json record = record_of(plugins, file);
    ASSERT_FALSE(record.is_null()) << file << " is not listed";
    EXPECT_EQ(record["status"], "rejected") << record;
    EXPECT_EQ(record["code"], code) << record;
    EXPECT_FALSE(record["reason"].get<std::string>().empty()) << record;
    ++counts[record["code"]];
  }
  EXPECT_EQ(record_of(plugins, good)["status"], "ready") << "the one good file among them";
  std::printf("%zu hostile files of other kinds: %s\n", expected.size(), text(counts).c_str());
}

TEST(HostileFiles, AFileWithoutReadPermissionIsUnreadable) {
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms(0755));
  const fs::path file = folder.add("good");
  fs::permissions(file, fs::perms::none);
  constexpr uid_t kNobody = 65534;
  const bool root = ::geteuid() == 0;  // whom permissions do not stop
  ASSERT_EQ(root ? ::seteuid(kNobody) : 0, 0);
  soma::plugins::Manifest manifest;
  const soma::plugins::Rejection no = soma::plugins::admit(file, &manifest);
  ASSERT_EQ(root ? ::seteuid(0) : 0, 0);
  EXPECT_EQ(no.code, "unreadable");
  EXPECT_EQ(no.reason, "the file cannot be opened: Permission denied");
}

}  // namespace
