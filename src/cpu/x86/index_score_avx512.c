/* index_score_avx512.c - index_score_vec.h by the vectors of vec_avx512.h. */
#include "cpu/x86/vec_avx512.h"
/* first: it says how wide a vector is */
#include "cpu/x86/index_score_vec.h"
