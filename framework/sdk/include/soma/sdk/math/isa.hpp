#pragma once

/// What the canonical functions ask of the compiler, and the namespace that keeps builds apart.
///
/// Their bits rest on fused multiply-add and on every other operation rounding by itself. Compile
/// with -march=x86-64-v3 (or more) and -ffp-contract=off, and without -ffast-math; the first and
/// the last are checked here, contraction cannot be seen by the preprocessor.

#if !defined(__AVX2__) || !defined(__FMA__)
#error "soma/sdk/math needs AVX2 and FMA: compile with -march=x86-64-v3 or more"
#endif
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "soma/sdk/math gives up its bits under -ffast-math: compile without it"
#endif

// One program may hold units compiled for AVX2 and others for AVX-512. The linker keeps one copy of
// each inline function, so the two must have different names, or the AVX-512 copy could run on a
// CPU without it.
#if defined(__AVX512F__)
#define SOMA_MATH_ISA avx512
#else
#define SOMA_MATH_ISA avx2
#endif

#define SOMA_MATH_INLINE [[gnu::always_inline]] inline
