#include "io/atomic_file.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <thread>

#include "soma/error.hpp"
#include "temporary_folder.hpp"

namespace {

using soma::FormatError;
using soma::io::FileSink;
using soma::io::Predecessor;
using soma::io::previous_of;
using soma::io::write_atomically;

void write_text(const std::filesystem::path& file, std::string_view text,
                Predecessor predecessor = Predecessor::discard) {
  write_atomically(
      file, [&](FileSink& sink) { sink.write(text); }, predecessor);
}

TEST(AtomicFile, WritesAndReplaces) {
  const TemporaryFolder folder;
  write_text(folder / "a", "one");
  EXPECT_EQ(read_all(folder / "a"), "one");
  write_text(folder / "a", "two");
  EXPECT_EQ(read_all(folder / "a"), "two");
  EXPECT_EQ(folder.files(), 1u);
}

TEST(AtomicFile, JoinsSmallAndLargeWritesInOrder) {
  const TemporaryFolder folder;
  const std::string large(200'000, 'x');
  write_atomically(folder / "a", [&](FileSink& sink) {
    for (const std::string_view piece : {"small", large.c_str(), "end"}) sink.write(piece);
  });
  EXPECT_EQ(read_all(folder / "a"), "small" + large + "end");
}

TEST(AtomicFile, KeepsOnePredecessor) {
  const TemporaryFolder folder;
  for (const char* text : {"one", "two", "three"})
    write_text(folder / "a", text, Predecessor::keep);
  EXPECT_EQ(read_all(folder / "a"), "three");
  EXPECT_EQ(read_all(folder / "a.previous"), "two");
  EXPECT_EQ(folder.files(), 2u);
}

TEST(AtomicFile, LeavesTheOldFileWhenTheWriterThrows) {
  const TemporaryFolder folder;
  write_text(folder / "a", "one");
  EXPECT_THROW(write_atomically(
                   folder / "a",
                   [](FileSink& sink) {
                     sink.write("half");
                     throw std::runtime_error("no");
                   },
                   Predecessor::keep),
               std::runtime_error);
  EXPECT_EQ(read_all(folder / "a"), "one");
  EXPECT_EQ(folder.files(), 1u);
}

TEST(AtomicFileErrors, NameTheFileAndTheReason) {
  const TemporaryFolder folder;
  EXPECT_EQ(message_of<FormatError>([&] { write_text(folder / "none/a", "x"); }),
            "cannot write " + (folder / "none/a").string() +
                ": creating a temporary file beside it: No such file or directory");
  EXPECT_EQ(message_of<FormatError>([&] { write_text(folder.path(), "x", Predecessor::keep); }),
            "cannot write " + folder.path().string() + ": it is a folder");
  EXPECT_NE(message_of<FormatError>([&] { write_text("", "x"); }), "");
}

TEST(AtomicFileErrors, LeaveNothingWhenTheDiskIsFull) {
  const TemporaryFolder folder;
  // A limit on file sizes stands in for a full disk.
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const rlimit small{.rlim_cur = 1000, .rlim_max = old.rlim_max};
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message =
      message_of<FormatError>([&] { write_text(folder / "a", std::string(5000, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &old);
  ::signal(SIGXFSZ, handler);
  EXPECT_EQ(message, "cannot write " + (folder / "a").string() + ": write: File too large");
  EXPECT_EQ(folder.files(), 0u);
}

TEST(AtomicFile, RemovesOnlyTemporariesOfDeadWriters) {
  const TemporaryFolder folder;
  write_all(folder / ".a.tmp-1-0", "left behind");
  write_all(folder / ".other.tmp-1-0", "not ours");
  write_atomically(folder / "a", [&](FileSink& outer) {
    outer.write("outer");
    write_text(folder / "a", "inner");  // finds the temporary of a living writer
  });
  EXPECT_EQ(read_all(folder / "a"), "outer");
  EXPECT_EQ(folder.files(), 2u);
  EXPECT_TRUE(std::filesystem::exists(folder / ".other.tmp-1-0"));
}

/// A file that says how long it is and is made of one byte: whole or evidently not.
std::string numbered(std::uint32_t n) {
  const std::size_t size = 1000 + n % 97 * 4096;
  return std::to_string(size) + ":" + std::string(size, static_cast<char>('a' + n % 26));
}

bool whole(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == text.npos || std::stoul(text.substr(0, colon)) != text.size() - colon - 1)
    return false;
  return text.find_first_not_of(text[colon + 1], colon + 1) == text.npos;
}

TEST(AtomicFile, SurvivesKillsAtAnyMoment) {
  const TemporaryFolder folder;
  const auto target = folder / "checkpoint";
  write_text(target, numbered(0), Predecessor::keep);
  for (std::uint32_t round = 0; round < 50; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (std::uint32_t n = round;; ++n) write_text(target, numbered(n), Predecessor::keep);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200 + round * 7919 % 20'000));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_TRUE(whole(read_all(target))) << "round " << round;
    if (std::filesystem::exists(previous_of(target))) {
      EXPECT_TRUE(whole(read_all(previous_of(target)))) << "round " << round;
    }
  }
  write_text(target, "end", Predecessor::keep);
  EXPECT_EQ(folder.files(), 2u) << "temporaries of killed writers are left";
}

}  // namespace
