/* isa.c - see isa.h. */
#include "cpu/isa.h"

#include <stdbool.h>
#include <string.h>

#if defined(DS_SIMD)
#include <cpuid.h>
#endif

static const char *const names[DS_N_ISA] = { "scalar", "avx2", "avx512", "avx512bf16" };

const char *ds_isa_name(ds_isa isa)
{
    return (unsigned)isa < DS_N_ISA ? names[isa] : "?";
}

ds_isa ds_isa_from_name(const char *name)
{
    for (int i = 0; i < DS_N_ISA; i++)
        if (!strcmp(name, names[i])) return (ds_isa)i;
    return DS_N_ISA;
}

#if defined(DS_SIMD)
/* Not every compiler's __builtin_cpu_supports() knows it. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

ds_isa ds_isa_here(void)
{
#if defined(DS_SIMD)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c()) return DS_ISA_SCALAR;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq")
        || !__builtin_cpu_supports("avx512vl"))
        return DS_ISA_AVX2;
    if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512vbmi") || !__builtin_cpu_supports("avx512vnni"))
        return DS_ISA_AVX512;
    return DS_ISA_AVX512_BF16;
#else
    return DS_ISA_SCALAR;
#endif
}
