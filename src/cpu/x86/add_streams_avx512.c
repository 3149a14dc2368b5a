/* add_streams_avx512.c - add_streams_vec.h by the vectors of vec_avx512.h. */
#include "cpu/x86/vec_avx512.h"
/* first: it says how wide a vector is */
#include "cpu/x86/add_streams_vec.h"
