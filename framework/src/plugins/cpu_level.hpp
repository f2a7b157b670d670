#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace soma::plugins {

/// What CPUID and XGETBV say, in the words they say it.
struct CpuWords {
  std::uint32_t leaf1_ecx = 0, leaf7_ebx = 0, extended1_ecx = 0;
  std::uint64_t xcr0 = 0;  ///< register state that the operating system saves
};

CpuWords read_cpu() noexcept;
/// The processor brand string of CPUID, such as "Intel(R) Xeon(R) ..."; "" if it has none.
std::string cpu_brand();

/// What this CPU or its operating system lacks for instruction set `level` ("x86_64", "x86_64_v3",
/// "x86_64_v4"), as a list for people: "AVX512F, AVX512BW". Empty when it has everything; "?" for a
/// level that is not known here.
/// Source: x86-64 psABI, "Micro-architecture levels"; Intel SDM vol. 1, 13.3 and 14.3 (XCR0).
std::string missing_features(std::string_view level, const CpuWords& cpu);

}  // namespace soma::plugins
