// The test process of admission: what it costs its host, and when its verdict is asked for again.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "support.hpp"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using namespace std::chrono_literals;

// --- hosts of all kinds

class BusyHost : public testing::TestWithParam<const char*> {};

TEST_P(BusyHost, ListsAmongThreadsAndSignalsAndIsLeftWithoutChildren) {
  const TemporaryFolder folder;
  const fs::path good = folder.add("good"), crash = folder.add("load_crash");
  const json host = run_lister({"--folder", folder.path().string(), "busy", GetParam()},
                               {{"SOMA_PROBE_SECONDS", "60"}});
  EXPECT_EQ(record_of(host["plugins"], good)["status"], "ready") << host;
  const json crashed = record_of(host["plugins"], crash);
  EXPECT_EQ(crashed["code"], "probe_crash") << host;
  EXPECT_NE(crashed["reason"].get<std::string>().find("signal 11"), std::string::npos) << crashed;
  EXPECT_EQ(host["childless"], true);
}
INSTANTIATE_TEST_SUITE_P(Children, BusyHost,
                         testing::Values("awaited", "ignored", "taken", "blocked"),
                         [](const auto& info) { return std::string(info.param); });

/// The verdict of the program itself.
json run_probe(const std::string& fixture, const std::string& seconds = "60") {
  const std::string command =
      std::string("'") + SOMA_PROBE + "' '" + fixture_file(fixture).string() + "' " + seconds;
  std::FILE* pipe = popen(command.c_str(), "r");
  std::string output;
  char piece[256];
  while (std::fgets(piece, sizeof piece, pipe) != nullptr) output += piece;
  pclose(pipe);
  return json::parse(output);
}

TEST(SomaProbe, IsNotMisledByALibraryThatTalks) {
  EXPECT_EQ(run_probe("load_talk")["probe"], "0.1.0");
}

TEST(SomaProbe, DoesNotWaitForWhatALibraryStarted) {
  EXPECT_EQ(run_probe("load_leave_a_child")["code"], "");
}

// --- the cache of verdicts

/// A folder with one plugin, a cache of its own, and a probe that counts how often it is started.
class VerdictCacheTest : public testing::Test {
 protected:
  VerdictCacheTest() {
    const fs::path program = home_.path() / "probe";
    write_bytes(program, "#!/bin/sh\necho >>'" + (home_.path() / "starts").string() +
                             "'\nexec '" SOMA_PROBE "' \"$@\"\n");
    ::chmod(program.c_str(), 0700);
    environment_ = {{"SOMA_PROBE", program.string()},
                    {"SOMA_PROBE_SECONDS", "60"},
                    {"XDG_CACHE_HOME", cache().string()}};
  }
  fs::path cache() const { return home_.path() / "cache"; }
  fs::path add(const std::string& fixture) {
    const fs::path file = folder_.add(fixture, "it");
    let_time_pass();
    return file;
  }
  /// Until time stamps of files tell the next change from the last one.
  static void let_time_pass() { std::this_thread::sleep_for(150ms); }
  json list() {
    const json plugins = run_lister({"--folder", folder_.path().string()}, environment_)["plugins"];
    return record_of(plugins, folder_.path() / "libsoma_it.so");
  }
  /// Starts of the probe so far, those for the plugins that ship included.
  long starts() const {
    const std::string text = read_bytes(home_.path() / "starts");
    return std::ranges::count(text, '\n');
  }
  /// The record of our plugin; those of the plugins that ship lie beside it.
  fs::path record() const {
    if (!fs::exists(cache())) return {};
    for (const auto& entry : fs::directory_iterator(cache() / "soma" / "plugins")) {
      if (read_bytes(entry.path()).find("libsoma_it.so") != std::string::npos) return entry.path();
    }
    return {};
  }

  TemporaryFolder home_, folder_;
  std::map<std::string, std::string> environment_;
};

TEST_F(VerdictCacheTest, AsksOnceAboutAFile) {
  add("good");
  EXPECT_EQ(list()["status"], "ready");
  const long first = starts();
  EXPECT_GE(first, 1);
  EXPECT_EQ(list()["status"], "ready");
  EXPECT_EQ(starts(), first);
}

TEST_F(VerdictCacheTest, LooksAtTheContentWhenOnlyTheTimeChanged) {
  const fs::path file = add("good");
  list();
  const long first = starts();
  fs::last_write_time(file, fs::file_time_type::clock::now() - 1h);
  let_time_pass();
  EXPECT_EQ(list()["status"], "ready");
  EXPECT_EQ(starts(), first);
}

TEST_F(VerdictCacheTest, AsksAgainAboutAnotherContentOfTheSameSizeAndTime) {
  const fs::path file = add("good");
  const auto time = fs::last_write_time(file);
  list();
  const long first = starts();
  std::string bytes = read_bytes(file);
  bytes.at(bytes.find("1.2.3")) = '7';
  write_bytes(file, bytes);
  fs::last_write_time(file, time);
  let_time_pass();
  EXPECT_EQ(list()["version"], "7.2.3");
  EXPECT_EQ(starts(), first + 1);
}

TEST_F(VerdictCacheTest, AsksAgainAboutAFileInPlaceOfAnother) {
  const fs::path file = add("good");
  list();
  const long first = starts();
  fs::remove(file);
  add("load_crash");
  EXPECT_EQ(list()["code"], "probe_crash");
  EXPECT_EQ(starts(), first + 1);
}

TEST_F(VerdictCacheTest, DoesNotTrustAFileThatChangedAMomentAgo) {
  folder_.add("good", "it");
  list();
  if (record().empty()) return;
  const json written = json::parse(read_bytes(record()));  // this machine took its time
  EXPECT_GE(written["at"].get<long>() - written["changed_ns"].get<long>(), 50'000'000);
}

TEST_F(VerdictCacheTest, KeepsTimeoutsButNoOtherRejection) {
  environment_["SOMA_PROBE_SECONDS"] = "1";
  add("load_never_return");
  const json first = list();
  EXPECT_EQ(first["code"], "probe_timeout");
  const long once = starts();
  EXPECT_EQ(list(), first);
  EXPECT_EQ(starts(), once);

  fs::remove(folder_.path() / "libsoma_it.so");
  add("load_crash");
  list();
  const long before = starts();
  EXPECT_EQ(list()["code"], "probe_crash");
  EXPECT_EQ(starts(), before + 1);
}

TEST_F(VerdictCacheTest, IgnoresADamagedRecordAndWritesItAnew) {
  add("good");
  list();
  const fs::path place = record();
  const std::string whole = read_bytes(place);
  const std::string foreign = [&] {
    std::string text = whole;
    return text.replace(text.find("libsoma_it"), 10, "libsoma_no");
  }();
  for (const std::string& damage :
       {std::string(), std::string("{"), whole.substr(0, whole.size() / 2), std::string("[]"),
        std::string("\xff\xfe", 2), std::string("{\"format\": 1}"), std::string(100'000, '['),
        foreign}) {
    write_bytes(place, damage);
    const long before = starts();
    EXPECT_EQ(list()["status"], "ready") << damage.substr(0, 40);
    EXPECT_EQ(starts(), before + 1) << damage.substr(0, 40);
    EXPECT_NE(read_bytes(place), damage);
  }
  fs::remove(place);
  fs::create_directory(place);
  EXPECT_EQ(list()["status"], "ready");
}

TEST_F(VerdictCacheTest, DoesWithoutAPlaceToWriteTo) {
  add("good");
  for (const char* place : {"/dev/null", "/proc/nowhere", "relative"}) {
    environment_["XDG_CACHE_HOME"] = place;
    environment_["HOME"] = "/dev/null";
    EXPECT_EQ(list()["status"], "ready") << place;
  }
}

TEST_F(VerdictCacheTest, LiesUnderHomeWhenNothingElseIsSaid) {
  add("good");
  environment_["XDG_CACHE_HOME"] = "";
  environment_["HOME"] = (home_.path() / "someone").string();
  list();
  EXPECT_TRUE(fs::exists(home_.path() / "someone/.cache/soma/plugins"));
}

// --- without the program

TEST(WithoutProbe, AdmitsAndSaysSo) {
  const TemporaryFolder folder;
  const fs::path file = folder.add("good");
  const auto note_with = [&](const std::string& probe) {
    const json record = record_of(
        run_lister({"--folder", folder.path().string()}, {{"SOMA_PROBE", probe}})["plugins"], file);
    EXPECT_EQ(record["status"], "ready");
    return record["note"].get<std::string>();
  };
  EXPECT_EQ(note_with("off"), "admitted without a test process: SOMA_PROBE is off");
  EXPECT_EQ(note_with("/no/such/program"),
            "admitted without a test process: SOMA_PROBE names /no/such/program, which cannot be "
            "run");
  EXPECT_EQ(note_with(""), "");
}

TEST(WithoutProbe, TheHostDiesOfWhatTheTestProcessWouldHaveFound) {
  const TemporaryFolder folder;
  folder.add("load_crash");
  EXPECT_THROW(run_lister({"--folder", folder.path().string()}, {{"SOMA_PROBE", "off"}}),
               std::runtime_error);
}

TEST(WithoutProbe, RejectsWhatTheProgramSaysNothingAbout) {
  const TemporaryFolder folder;
  const fs::path file = folder.add("good");
  const json record = record_of(
      run_lister({"--folder", folder.path().string()}, {{"SOMA_PROBE", "/bin/true"}})["plugins"],
      file);
  EXPECT_EQ(record["code"], "probe_crash");
  EXPECT_EQ(record["reason"], "the test process that loaded it ended without a verdict");
}

}  // namespace
