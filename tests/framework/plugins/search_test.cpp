// Where plugins are looked for, which of several wins, and what is said when there is none.
#include <gtest/gtest.h>

#include "support.hpp"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

TEST(PluginSearch, TakesAddedFoldersThenTheVariableThenThePlacesAroundTheProgram) {
  const TemporaryFolder a, b, c, d;
  const json folders =
      run_lister({"--folder", b.path().string(), "--folder", a.path().string(), "folders"},
                 {{"SOMA_PLUGIN_PATH", c.path().string() + ":" + d.path().string()}});
  ASSERT_GE(folders.size(), 6u);
  EXPECT_EQ(folders[0], a.path().string()) << "the folder added last comes first";
  EXPECT_EQ(folders[1], b.path().string());
  EXPECT_EQ(folders[2], c.path().string());
  EXPECT_EQ(folders[3], d.path().string());
  const fs::path around = fs::path(PLUGIN_LISTER).parent_path() / "../lib/soma";
  EXPECT_EQ(folders[4], fs::weakly_canonical(around).string());
  EXPECT_TRUE(folders[5].get<std::string>().ends_with("/lib/soma")) << folders[5];
}

TEST(PluginSearch, NeverLooksIntoTheCurrentFolder) {
  const TemporaryFolder here, elsewhere;
  const fs::path file = here.add("good");
  for (const std::string& path : {std::string(), std::string(":"), std::string("::"),
                                  ":" + elsewhere.path().string() + ":"}) {
    const json plugins = run_lister({}, {{"SOMA_PLUGIN_PATH", path}}, here.path())["plugins"];
    EXPECT_TRUE(record_of(plugins, file).is_null()) << "SOMA_PLUGIN_PATH='" << path << "'";
  }
}

TEST(PluginSearch, CountsAFolderThatIsNamedTwiceOnce) {
  const TemporaryFolder folder;
  const fs::path file = folder.add("good");
  const std::string twice = folder.path().string() + ":" + folder.path().string() + "/";
  int seen = 0;
  const json plugins = run_lister({}, {{"SOMA_PLUGIN_PATH", twice}})["plugins"];
  for (const json& record : plugins) {
    seen += record["path"] == file.string() ? 1 : 0;
  }
  EXPECT_EQ(seen, 1);
}

TEST(PluginSearch, LooksOnlyAtFilesNamedLikePlugins) {
  const TemporaryFolder folder;
  fs::copy_file(fixture_file("good"), folder.path() / "libother.so");
  fs::copy_file(fixture_file("good"), folder.path() / "libsoma_.so");
  fs::copy_file(fixture_file("good"), folder.path() / "libsoma_old.so.1");
  const json plugins = run_lister({"--folder", folder.path().string()})["plugins"];
  for (const json& record : plugins) {
    EXPECT_NE(fs::path(record["path"].get<std::string>()).parent_path(), folder.path()) << record;
  }
}

TEST(PluginSearch, FirstFileOfANameWinsAndTheOthersAreListedAsShadowed) {
  const TemporaryFolder first, second;
  const fs::path winner = first.add("good", "same"), loser = second.add("c_backend", "same");
  const fs::path trace = first.path() / "trace";
  const json plugins =
      run_lister({}, {{"SOMA_PLUGIN_PATH", first.path().string() + ":" + second.path().string()},
                      {"SOMA_FIXTURE_TRACE", trace.string()}})["plugins"];
  EXPECT_EQ(record_of(plugins, winner)["status"], "ready");
  const json shadowed = record_of(plugins, loser);
  EXPECT_EQ(shadowed["status"], "shadowed");
  EXPECT_EQ(shadowed["code"], "shadowed");
  EXPECT_NE(shadowed["reason"].get<std::string>().find(winner.string()), std::string::npos);
}

TEST(PluginSearch, TellsAllThreadsTheSame) {
  const TemporaryFolder folder;
  folder.add("good");
  folder.add("throws");
  folder.add("other_abi");
  const json seen = run_lister({"--folder", folder.path().string(), "threads"});
  ASSERT_EQ(seen.size(), 8u);
  EXPECT_FALSE(seen[0].empty());
  for (const json& list : seen) EXPECT_EQ(list, seen[0]);
}

TEST(PluginSearch, LoadsOnlyTheFileOfABackendThatIsNamed) {
  const TemporaryFolder folder;
  folder.add("good");
  const fs::path file = folder.add("c_backend");
  const fs::path trace = folder.path() / "trace";
  const json found = run_lister({"--folder", folder.path().string(), "backend", "c_backend"},
                                {{"SOMA_FIXTURE_TRACE", trace.string()}});
  EXPECT_EQ(found["path"], file.string()) << found;
  EXPECT_FALSE(fs::exists(trace)) << "another plugin was loaded, too";
}

TEST(PluginSearch, FindsABackendInAFileOfAnotherName) {
  const TemporaryFolder folder;
  const fs::path file = folder.add("c_backend", "anything");
  EXPECT_EQ(run_lister({"--folder", folder.path().string(), "backend", "c_backend"})["path"],
            file.string());
}

TEST(PluginSearch, SaysWhatIsReadyAndWhereItLookedForAnUnknownBackend) {
  const TemporaryFolder folder;
  folder.add("c_backend");
  const std::string error =
      run_lister({"--folder", folder.path().string(), "backend", "c_backnd"})["error"];
  EXPECT_TRUE(error.starts_with("backend 'c_backnd' not found: ready are c_backend")) << error;
  EXPECT_NE(error.find("; looked in " + folder.path().string() + ", "), std::string::npos) << error;
}

TEST(PluginSearch, SaysWhyTheFileOfABackendWasRejectedAndTakesNoOther) {
  const TemporaryFolder first, second;
  const fs::path rejected = first.add("other_abi", "c_backend");
  second.add("c_backend", "anything");
  const std::string path = first.path().string() + ":" + second.path().string();
  const std::string error =
      run_lister({"backend", "c_backend"}, {{"SOMA_PLUGIN_PATH", path}})["error"];
  EXPECT_EQ(error, "backend 'c_backend' cannot be used: " + rejected.string() +
                       " was rejected (abi_version): it is built for soma_abi_2_0, this host "
                       "speaks soma_abi_1_0");
}

TEST(PluginSearch, FindsActivationsByName) {
  const TemporaryFolder folder;
  folder.add("good");
  folder.add("newer_minor");
  const json twice = run_lister({"--folder", folder.path().string(), "activation", "twice"});
  EXPECT_EQ(twice["f(21)"], 42);
  EXPECT_EQ(twice["has_f64"], false);
  EXPECT_EQ(run_lister({"--folder", folder.path().string(), "activation", "newer"})["f(21)"], 42);
  EXPECT_TRUE(run_lister({"--folder", folder.path().string(), "activation", "thrice"}).is_null());
}

}  // namespace
