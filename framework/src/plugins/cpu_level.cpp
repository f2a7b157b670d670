#include "plugins/cpu_level.hpp"

#include <cpuid.h>

#include <cstring>

namespace soma::plugins {
namespace {

struct Feature {
  const char* name;
  std::uint32_t CpuWords::*word;
  int bit;
};

constexpr Feature kV3[] = {
    {"SSE3", &CpuWords::leaf1_ecx, 0},     {"SSSE3", &CpuWords::leaf1_ecx, 9},
    {"FMA", &CpuWords::leaf1_ecx, 12},     {"CMPXCHG16B", &CpuWords::leaf1_ecx, 13},
    {"SSE4.1", &CpuWords::leaf1_ecx, 19},  {"SSE4.2", &CpuWords::leaf1_ecx, 20},
    {"MOVBE", &CpuWords::leaf1_ecx, 22},   {"POPCNT", &CpuWords::leaf1_ecx, 23},
    {"XSAVE", &CpuWords::leaf1_ecx, 27},   {"AVX", &CpuWords::leaf1_ecx, 28},
    {"F16C", &CpuWords::leaf1_ecx, 29},    {"BMI1", &CpuWords::leaf7_ebx, 3},
    {"AVX2", &CpuWords::leaf7_ebx, 5},     {"BMI2", &CpuWords::leaf7_ebx, 8},
    {"LAHF", &CpuWords::extended1_ecx, 0}, {"LZCNT", &CpuWords::extended1_ecx, 5},
};

constexpr Feature kV4[] = {
    {"AVX512F", &CpuWords::leaf7_ebx, 16},  {"AVX512DQ", &CpuWords::leaf7_ebx, 17},
    {"AVX512CD", &CpuWords::leaf7_ebx, 28}, {"AVX512BW", &CpuWords::leaf7_ebx, 30},
    {"AVX512VL", &CpuWords::leaf7_ebx, 31},
};

constexpr std::uint64_t kYmmState = 0x06;  // XMM and the upper halves of YMM
constexpr std::uint64_t kZmmState = 0xE6;  // and opmask, upper halves of ZMM, ZMM16..31

void append(std::string* list, const char* name) {
  if (!list->empty()) *list += ", ";
  *list += name;
}

template <std::size_t N>
void append_missing(std::string* list, const Feature (&features)[N], const CpuWords& cpu) {
  for (const Feature& f : features) {
    if ((cpu.*f.word >> f.bit & 1) == 0) append(list, f.name);
  }
}

__attribute__((target("xsave"))) std::uint64_t read_xcr0() noexcept {
  return __builtin_ia32_xgetbv(0);
}

}  // namespace

CpuWords read_cpu() noexcept {
  CpuWords cpu;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) cpu.leaf1_ecx = ecx;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) cpu.leaf7_ebx = ebx;
  if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx)) cpu.extended1_ecx = ecx;
  // XGETBV faults unless the operating system has switched it on (OSXSAVE).
  if (cpu.leaf1_ecx >> 27 & 1) cpu.xcr0 = read_xcr0();
  return cpu;
}

std::string cpu_brand() {
  constexpr unsigned kFirst = 0x80000002, kLast = 0x80000004;
  char text[49] = {};
  for (unsigned leaf = kFirst; leaf <= kLast; ++leaf) {
    unsigned words[4] = {};
    if (__get_cpuid(leaf, &words[0], &words[1], &words[2], &words[3]) == 0) return "";
    std::memcpy(text + (leaf - kFirst) * sizeof words, words, sizeof words);
  }
  return text;
}

std::string missing_features(std::string_view level, const CpuWords& cpu) {
  if (level == "x86_64") return {};
  if (level != "x86_64_v3" && level != "x86_64_v4") return "?";
  std::string missing;
  append_missing(&missing, kV3, cpu);
  if ((cpu.xcr0 & kYmmState) != kYmmState)
    append(&missing, "YMM registers kept by the operating system");
  if (level == "x86_64_v3") return missing;
  append_missing(&missing, kV4, cpu);
  if ((cpu.xcr0 & kZmmState) != kZmmState)
    append(&missing, "ZMM registers kept by the operating system");
  return missing;
}

}  // namespace soma::plugins
