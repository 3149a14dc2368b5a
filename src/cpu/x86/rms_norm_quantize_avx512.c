/* rms_norm_quantize_avx512.c - rms_norm_quantize_vec.h by the vectors of vec_avx512.h. */
#include "cpu/x86/vec_avx512.h"
/* first: it says how wide a vector is */
#include "cpu/x86/rms_norm_quantize_vec.h"
