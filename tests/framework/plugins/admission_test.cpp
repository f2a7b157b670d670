// Which files are admitted, and what is said about the others.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "support.hpp"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct FixtureCase {
  const char* fixture;
  const char* status;
  const char* code;
  const char* says;  // part of the sentence
};
void PrintTo(const FixtureCase& c, std::ostream* out) { *out << c.fixture; }

const FixtureCase kFixtures[] = {
    {"good", "ready", "", ""},
    {"stripped", "ready", "", ""},
    {"newer_minor", "ready", "", ""},
    {"c_backend", "ready", "", ""},
    {"moody", "ready", "", ""},
    {"other_abi", "rejected", "abi_version", "soma_abi_2_0, this host speaks soma_abi_1_0"},
    {"odd_tag", "rejected", "abi_version", "soma_abi_one"},
    {"untagged", "rejected", "no_abi_tag", "no section named soma_abi_MAJOR_MINOR"},
    {"without_isa", "rejected", "instruction_set", "does not say which instruction set"},
    {"needs_v9", "rejected", "instruction_set", "x86_64_v9, an instruction set unknown"},
    {"flush_to_zero", "rejected", "fp_environment", "-ffast-math"},
    {"rounds_up", "rejected", "fp_environment", "from 1f80 to 5f80"},
    {"entry_fails", "rejected", "entry_failed", "status 3: no licence for this machine"},
    {"throws", "rejected", "entry_failed", "threw an exception: the fixture threw this"},
    {"brings_nothing", "rejected", "entry_failed", "brought nothing"},
    {"without_entry", "rejected", "entry_failed", "soma_plugin_entry_v1 is missing"},
    {"undefined", "rejected", "load_failed", "soma_fixture_defined_nowhere"},
    {"missing_dependency", "rejected", "load_failed", "libsoma_fixture_elsewhere.so: cannot open"},
    {"fast_math", "rejected", "fp_environment", "as a library linked with -ffast-math does"},
    {"load_abort", "rejected", "probe_crash", "loading it ended a test process with signal 6 (Abo"},
    {"load_throws", "rejected", "probe_crash", "loading it ended a test process with signal 6"},
    {"load_crash", "rejected", "probe_crash", "loading it ended a test process with signal 11"},
    {"load_exit_0", "rejected", "probe_crash", "loading it ended a test process with exit code 0"},
    {"load_exit_3", "rejected", "probe_crash", "loading it ended a test process with exit code 3"},
    {"load_never_return", "rejected", "probe_timeout", "loading it did not come back within 1 s"},
    {"load_close_everything", "rejected", "probe_crash", "ended a test process"},
    {"load_close_everything_and_crash", "rejected", "probe_crash", "with signal 11"},
    {"entry_abort", "rejected", "probe_crash", "its entry point ended a test process with signal"},
    {"entry_crash", "rejected", "probe_crash", "its entry point ended a test process with signal"},
    {"entry_exit_0", "rejected", "probe_crash", "its entry point ended a test process with exit"},
    {"entry_never_return", "rejected", "probe_timeout", "its entry point did not come back within"},
    {"use_crash", "rejected", "probe_crash", "forward_f32 of activation 'twice' ended a test proc"},
    {"use_never_return", "rejected", "probe_timeout", "forward_f32 of activation 'twice' did not"},
    {"use_too_far", "rejected", "self_check", "'twice' wrote outside its buffer"},
    {"use_not_in_place", "rejected", "self_check", "gave other bits when it ran in place"},
    {"exit_crash", "rejected", "probe_crash", "its clean-up at exit ended a test process with sig"},
    {"exit_never_return", "rejected", "probe_timeout", "its clean-up at exit did not come back"},
    {"short_table", "rejected", "bad_table", "says it has 24 bytes, expected 56 or more"},
    {"table_of_other_major", "rejected", "abi_version", "ABI version 9.0"},
    {"without_forward", "rejected", "bad_table", "'twice' lacks forward_f32"},
    {"unnamed", "rejected", "bad_table", "no name"},
    {"noise_for_a_version", "rejected", "bad_table", "its version is no UTF-8 text"},
    {"claims_relu", "rejected", "duplicate_name", "'relu', a name that is built in"},
    {"twice_the_same", "rejected", "duplicate_name", "'again', more than once"},
};

class PluginAdmission : public testing::TestWithParam<FixtureCase> {};

TEST_P(PluginAdmission, GivesEachFileItsStatusCodeAndSentence) {
  const TemporaryFolder folder;
  const fs::path file = folder.add(GetParam().fixture);
  const bool hangs = std::string_view(GetParam().code) == "probe_timeout";
  const json result = run_lister({"--folder", folder.path().string()},
                                 {{"SOMA_PROBE_SECONDS", hangs ? "1" : "60"}});
  const json record = record_of(result["plugins"], file);
  ASSERT_FALSE(record.is_null());
  EXPECT_EQ(record["status"], GetParam().status) << record;
  EXPECT_EQ(record["code"], GetParam().code) << record;
  EXPECT_NE(record["reason"].get<std::string>().find(GetParam().says), std::string::npos) << record;
  EXPECT_EQ(record["reason"].get<std::string>().empty(), record["status"] == "ready");
  EXPECT_EQ(result["mxcsr_before"], result["mxcsr_after"]) << "the floating-point environment";
}
INSTANTIATE_TEST_SUITE_P(Fixtures, PluginAdmission, testing::ValuesIn(kFixtures),
                         [](const auto& info) { return std::string(info.param.fixture); });

TEST(PluginAdmissionRecord, TellsNameVersionAndKindFromTheManifest) {
  const TemporaryFolder folder;
  const json plugins = run_lister({"--folder", folder.path().string()})["plugins"];
  const fs::path file = folder.add("good"), backend = folder.add("c_backend");
  const json after = run_lister({"--folder", folder.path().string()})["plugins"];
  EXPECT_TRUE(record_of(plugins, file).is_null());
  EXPECT_EQ(record_of(after, file)["name"], "fixture twice");
  EXPECT_EQ(record_of(after, file)["version"], "1.2.3");
  EXPECT_EQ(record_of(after, file)["kind"], "activation");
  EXPECT_EQ(record_of(after, backend)["kind"], "backend");
}

TEST(PluginAdmissionRecord, TakesTheNameOfARejectedFileFromTheFile) {
  const TemporaryFolder folder;
  const fs::path file = folder.add("other_abi");
  EXPECT_EQ(record_of(run_lister({"--folder", folder.path().string()})["plugins"], file)["name"],
            "other_abi");
}

TEST(PluginAdmissionInstructionSet, FollowsTheCpuForAvx512Plugins) {
  const TemporaryFolder folder;
  const fs::path file = folder.add("needs_v4");
  const json record = record_of(run_lister({"--folder", folder.path().string()})["plugins"], file);
  const bool has_v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  EXPECT_EQ(record["status"], has_v4 ? "ready" : "rejected") << record;
  EXPECT_EQ(record["code"], has_v4 ? "" : "instruction_set") << record;
}

TEST(PluginAdmissionNames, GivesANameToTheFirstFileThatBringsIt) {
  const TemporaryFolder folder;
  const fs::path first = folder.add("good"), second = folder.add("twin");
  const json plugins = run_lister({"--folder", folder.path().string()})["plugins"];
  EXPECT_EQ(record_of(plugins, first)["status"], "ready");
  EXPECT_EQ(record_of(plugins, second)["code"], "duplicate_name");
  EXPECT_NE(record_of(plugins, second)["reason"].get<std::string>().find(first.string()),
            std::string::npos);
}

TEST(PluginAdmissionOrder, RunsNoCodeOfAFileThatStaticChecksReject) {
  for (const char* fixture : {"other_abi", "odd_tag", "untagged", "without_isa", "needs_v9"}) {
    const TemporaryFolder folder;
    folder.add(fixture);
    const fs::path trace = folder.path() / "trace";
    run_lister({"--folder", folder.path().string()}, {{"SOMA_FIXTURE_TRACE", trace.string()}});
    EXPECT_FALSE(fs::exists(trace)) << fixture << " ran " << read_bytes(trace);
  }
  const TemporaryFolder folder;
  folder.add("good");
  const fs::path trace = folder.path() / "trace";
  run_lister({"--folder", folder.path().string()}, {{"SOMA_FIXTURE_TRACE", trace.string()}});
  EXPECT_TRUE(fs::exists(trace)) << "the trace itself does not work";
}

struct FileCase {
  const char* name;
  void (*make)(const fs::path& file);
  const char* code;
};
void PrintTo(const FileCase& c, std::ostream* out) { *out << c.name; }

void patch(const fs::path& file, std::size_t at, char byte) {
  std::string bytes = read_bytes(fixture_file("good"));
  bytes.at(at) = byte;
  write_bytes(file, bytes);
}

const FileCase kFiles[] = {
    {"text", [](const fs::path& f) { write_bytes(f, "# not a library, a note\n"); },
     "not_a_library"},
    {"empty", [](const fs::path& f) { write_bytes(f, ""); }, "not_a_library"},
    {"folder", [](const fs::path& f) { fs::create_directory(f); }, "not_a_library"},
    {"pipe", [](const fs::path& f) { ASSERT_EQ(mkfifo(f.c_str(), 0600), 0); }, "not_a_library"},
    {"dangling_link", [](const fs::path& f) { fs::create_symlink("nowhere", f); }, "unreadable"},
    {"program", [](const fs::path& f) { patch(f, 16, 2); }, "not_a_library"},
    {"other_machine", [](const fs::path& f) { patch(f, 18, '\xB7'); }, "wrong_machine"},
    {"other_endianness", [](const fs::path& f) { patch(f, 5, 2); }, "wrong_machine"},
    {"other_word_size", [](const fs::path& f) { patch(f, 4, 1); }, "wrong_machine"},
    {"half",
     [](const fs::path& f) {
       const std::string bytes = read_bytes(fixture_file("good"));
       write_bytes(f, bytes.substr(0, bytes.size() / 2));
     },
     "truncated"},
    {"header_only",
     [](const fs::path& f) { write_bytes(f, read_bytes(fixture_file("good")).substr(0, 64)); },
     "truncated"},
    {"first_bytes_only",
     [](const fs::path& f) { write_bytes(f, read_bytes(fixture_file("good")).substr(0, 20)); },
     "truncated"},
    {"last_byte_missing",
     [](const fs::path& f) {
       const std::string bytes = read_bytes(fixture_file("good"));
       write_bytes(f, bytes.substr(0, bytes.size() - 1));
     },
     "truncated"},
};

class PluginFiles : public testing::TestWithParam<FileCase> {};

TEST_P(PluginFiles, AreRejectedWithTheRightCode) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "libsoma_strange.so";
  GetParam().make(file);
  const json record = record_of(run_lister({"--folder", folder.path().string()})["plugins"], file);
  ASSERT_FALSE(record.is_null());
  EXPECT_EQ(record["status"], "rejected") << record;
  EXPECT_EQ(record["code"], GetParam().code) << record;
  EXPECT_FALSE(record["reason"].get<std::string>().empty());
}
INSTANTIATE_TEST_SUITE_P(Files, PluginFiles, testing::ValuesIn(kFiles),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
