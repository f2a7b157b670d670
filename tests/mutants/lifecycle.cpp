// How a library comes and goes, and files that are none. What they do stands in backend.cpp and
// damaged_files.cpp.
#include "mutant.hpp"

namespace mutants {
namespace {

const Mutant kMutants[] = {
    {"static_constructor_aborts", "lifecycle", "plugin", "when the library is loaded", "C1"},
    {"static_constructor_throws", "lifecycle", "plugin", "when the library is loaded", "C1"},
    {"static_destructor_crashes", "lifecycle", "plugin", "when the process ends", "C1"},
    {"flushes_when_loaded", "lifecycle", "plugin", "its constructor switches on flush-to-zero",
     "C1"},
    {"context_left_open_hangs", "lifecycle", "backend", "the end waits for contexts to be closed",
     "C1"},
    {"opens_64_times", "lifecycle", "backend", "the 65th context cannot be opened", "C1"},

    {"entry_throws", "entry point", "plugin", "an exception leaves it", "C1"},
    {"entry_aborts", "entry point", "plugin", "always", "C1"},
    {"entry_hangs", "entry point", "plugin", "always", "C1"},
    {"entry_alternates", "entry point", "plugin", "the second table has another name", "C1"},
    {"entry_half_built", "entry point", "plugin", "two threads: one gets no table", "C1"},
    {"entry_needs_a_text", "entry point", "plugin", "no place for a text", "C1"},
    {"refuses_newer_hosts", "hosts of other versions", "plugin", "a later minor version", "C1"},
    {"reads_behind_the_host", "hosts of other versions", "plugin",
     "a member that hosts of ABI 1.0 do not have", "C1"},
    {"other_ops_the_second_time", "hosts of other versions", "plugin",
     "the second table lacks an op", "C1"},

    {.name = "file_truncated",
     .fault_class = "damaged file",
     .op = "plugin",
     .where = "its last half is missing",
     .level = "C0",
     .subject = Subject::file},
    {.name = "file_future_abi",
     .fault_class = "damaged file",
     .op = "plugin",
     .where = "its tag says ABI 2.0",
     .level = "C0",
     .subject = Subject::file},
    {.name = "file_without_tag",
     .fault_class = "damaged file",
     .op = "plugin",
     .where = "no tag of any ABI",
     .level = "C0",
     .subject = Subject::file},
    {.name = "file_other_machine",
     .fault_class = "damaged file",
     .op = "plugin",
     .where = "for another architecture",
     .level = "C0",
     .subject = Subject::file},
    {.name = "file_empty",
     .fault_class = "damaged file",
     .op = "plugin",
     .where = "no bytes at all",
     .level = "C0",
     .subject = Subject::file},
    {.name = "file_without_entry",
     .fault_class = "damaged file",
     .op = "plugin",
     .where = "its entry point has another name",
     .level = "C1",
     .subject = Subject::file},
};

}  // namespace

std::span<const Mutant> lifecycle_mutants() { return kMutants; }

}  // namespace mutants
