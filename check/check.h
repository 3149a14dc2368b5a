/* check.h - every variant of every op against the scalar reference, on the same inputs.
 *
 * A case is written once, in check/<op>.c:
 *
 *     check_case(c, "n=%d dim=%d", 3, 512);
 *     while (check_next(c)) {                 (the scalar reference first, then every variant of this machine)
 *         ds_rms_norm_args a = { .x = check_float(c, DS_BF16, 3, 0, 512, CHECK_NORMAL), ... };
 *         a.y = check_out(c, "y", DS_BF16, 3, 0, 512, tolerance);
 *         check_call_rms_norm(c, &a, 3, alone);
 *     }
 *
 * The body runs anew for each function and for each of three placements of its buffers in memory, and draws the same
 * values each time: they come from the names of op and case. What check_call_<op> asks of a function:
 *   - its outputs are the reference's, within each output's tolerance;
 *   - nothing outside the outputs is written, nothing outside the inputs is read where the page ends there;
 *   - the same bits come out a second time, over other garbage, in other places, in any split of the units, and for
 *     each row alone, and from the parts of a fused op. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>

#include "cpu/kernels.h"

typedef struct check check;

/* ---- cases ---- */

/* Begin a case; its name is also the seed of its values. */
void check_case(check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for a case that is timed: it is skipped (check_next false at once) without --bench. */
void check_case_timed(check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* True once for each function and placement. */
bool check_next(check *c);

/* What the call moves and computes, for GB/s and GFLOP/s. Above CHECK_COLD bytes operands come from memory. */
enum { CHECK_COLD = 8 << 20 };
void check_cost(check *c, double bytes, double flops);
/* Its products are of numbers that BF16 holds: held against the rate of those. */
void check_narrow(check *c);

/* Run and judge. `rows` independent rows; alone(c, &one, i) cuts a copy of the arguments down to row i, results in
 * their place; NULL: the op has no rows of its own. */
#define DS_OP(op)                                                                                                      \
    void check_call_##op(check *c, const ds_##op##_args *a, int64_t rows,                                              \
                         void (*alone)(check *c, ds_##op##_args *one, int64_t row));                                   \
    void check_##op(check *c); /* check/<op>.c; an op without one does not link */
DS_OP_LIST(DS_OP)
#undef DS_OP

/* check/<op>.c: the same call by the parts of a fused op; its results must have these bits. */
#define DS_OP(op) void check_parts_##op(const ds_kernels *k, const ds_##op##_args *a);
DS_FUSED_OP_LIST(DS_OP)
#undef DS_OP

/* ---- inputs ---- */

typedef enum check_kind {
    CHECK_NORMAL = 0, /* about a standard normal */
    CHECK_MIXED,      /* magnitudes from 2^-20 to 2^12, some zeros */
    CHECK_TIES,       /* halves from -150 to 150: equal values, sums that lie between two BF16 */
    CHECK_ZEROS,      /* zeros of both signs */
    CHECK_DENORMAL,   /* below the smallest normal number, and a little above */
    CHECK_HUGE,       /* 2^20 to 2^50 */
    CHECK_NAN,        /* normal, with a NaN or some in every other row: what the reference lets through, a variant must */
    CHECK_INFINITE,   /* the same with infinities of both signs */
    CHECK_N_KIND,
    CHECK_VAST = CHECK_N_KIND /* 2^66 to 2^90: squares overflow; for ops that divide by the mean of them */
} check_kind;

extern const char *const check_kind_names[CHECK_VAST + 1];

/* The same numbers for the same seed. */
typedef struct check_random { uint64_t state; } check_random;
uint64_t check_draw(check_random *r);
int64_t  check_below(check_random *r, int64_t n);          /* 0 .. n - 1 */
float    check_value(check_random *r, check_kind kind);
float    check_special(check_random *r, check_kind kind);  /* a NaN or an infinity */
check_random check_seed(check *c);                         /* the next buffer's own */

/* Bytes of input to fill before the call: compared with themselves after it. `unit`: what alignment the op may count
 * on; placements are off by one unit. */
void *check_in(check *c, int64_t bytes, int64_t unit);
/* An input whose content already lies elsewhere: batches, tables. */
void *check_copy(check *c, const void *from, int64_t bytes, int64_t unit);

/* [n, width], or [n, m, width] if m > 0. F32 or BF16; or E4M3, NVFP4, made from such values by the reference. */
ds_tensor check_float(check *c, ds_dtype dtype, int64_t n, int64_t m, int64_t width, check_kind kind);
ds_tensor check_activation(check *c, ds_dtype dtype, int64_t n, int64_t width, check_kind kind);
ds_vector check_vector(check *c, ds_dtype dtype, int64_t n, check_kind kind);
float    *check_floats(check *c, int64_t n, check_kind kind);

/* A stored matrix at any byte. E4M3: blocks of block_n x block_k (0: 128 x 128), scales of scale_dtype. */
ds_weight check_weight(check *c, ds_dtype dtype, ds_dtype scale_dtype, int64_t n, int64_t k, check_kind kind);
ds_weight check_weight_blocks(check *c, ds_dtype scale_dtype, int64_t n, int64_t k, int32_t block_n, int32_t block_k,
                              check_kind kind);

/* A step: runs of (position, n); the slots are in no order, blocks are scattered. Windows of both ratios are filled. */
typedef struct check_run_of { int64_t position; int32_t n; } check_run_of;
enum { CHECK_MAX_RUNS = 8 };
const ds_batch *check_batch(check *c, const check_run_of *runs, int32_t n_runs);
int32_t         check_batch_blocks(const ds_batch *b); /* how many blocks pages need */
/* Token i of it as a step of its own, in slot 0. */
const ds_batch *check_one_token(check *c, const ds_batch *b, int64_t i);

/* Packed rows of random vectors. */
uint8_t *check_rows(check *c, int64_t n, const ds_row_format *format, check_kind kind);
ds_ring  check_ring(check *c, const ds_batch *b, int64_t length, const ds_row_format *format, check_kind kind);
ds_pages check_pages(check *c, const ds_batch *b, int32_t ratio, const ds_row_format *format, check_kind kind);

/* ---- outputs ---- */

/* How far from the reference: |y - r| <= rms * RMS(row of r) + ulps * ulp(r) + tiny, ulp that of the output's dtype. */
typedef struct check_tolerance {
    double rms, ulps, tiny;
} check_tolerance;

#define CHECK_EXACT ((check_tolerance){ 0, 0, 0 })

/* Float outputs, [n, width] or [n, m, width]; a row is the last axis, or `group` values if that is set later. */
ds_tensor check_out(check *c, const char *name, ds_dtype dtype, int64_t n, int64_t m, int64_t width, check_tolerance t);
/* An output that starts as the input it overwrites. */
ds_tensor check_inout(check *c, const char *name, ds_dtype dtype, int64_t n, int64_t m, int64_t width, check_kind kind,
                      check_tolerance t);
/* The last output is judged in rows of `group` values. */
void check_group(check *c, int64_t group);
/* Codes, integers, packed rows: the reference's to the byte. */
void *check_out_bytes(check *c, const char *name, int64_t bytes, int64_t unit);
/* The same, where what is not written stays: begins as random bytes. */
void *check_inout_bytes(check *c, const char *name, int64_t bytes, int64_t unit);
/* Codes of a float output, which may differ where that is off by a rounding: held against the parts, not the reference. */
ds_tensor check_out_quantized(check *c, ds_dtype dtype, int64_t n, int64_t width); /* E4M3 or NVFP4 */
/* The last output is [n, width] int32_t of which the first count[row] count. */
void check_ragged(check *c, const int32_t *count, int64_t width);
/* Memory that the op may leave in any state. */
void *check_scratch(check *c, int64_t bytes, int64_t unit);
/* Memory for what `alone` needs beyond the case's buffers; freed with the case. */
void *check_temp(check *c, int64_t bytes);
/* What the first body of a case worked out, for the later ones: true for them, with the bytes that the first left at *at. */
bool check_known(check *c, void **at, int64_t bytes);

/* One row of a tensor. */
ds_tensor check_row_of(ds_tensor t, int64_t row);

/* ---- running ---- */

typedef enum check_fault {
    CHECK_FINE = 0,
    CHECK_VALUE,  /* not the reference's value */
    CHECK_GUARD,  /* wrote outside its output */
    CHECK_INPUT,  /* wrote to an input */
    CHECK_REPEAT, /* other bits the second time */
    CHECK_PLACE,  /* other bits at another address */
    CHECK_SPLIT,  /* other bits when the units are split */
    CHECK_ALONE,  /* other bits for a row alone */
    CHECK_PARTS,  /* a fused op with other bits than its parts */
    CHECK_SIGNAL, /* touched memory that is not there */
    CHECK_MISSING, /* no case ran at all */
    CHECK_N_FAULT
} check_fault;

typedef struct check_options {
    ds_isa isa;                        /* the best to use */
    bool   bench, json, verbose;
    bool   first_fault;                /* of an op is enough: no more cases after it */
    FILE  *out;
} check_options;

check *check_open(const check_options *options);
void   check_close(check *c);

/* A variant that is not in the kernel table; functions that equal the scalar ones are not run. */
void check_add_variant(check *c, const char *name, const ds_kernels *kernels);

/* Check one op of the list by number; the number of faults. */
int64_t     check_op(check *c, int op);
int         check_n_ops(void);
const char *check_op_name(int op);
void        check_list(check *c);
void        check_print_limit(const check *c);
/* Faults of a kind so far. */
int64_t     check_faults(const check *c, check_fault fault);
int64_t     check_cases(const check *c);

/* ---- this machine's limits (limit.c), one thread ---- */
typedef struct check_limit {
    double read_rate, cache_rate;  /* bytes/s from memory, from a core's own cache */
    double flop_rate, narrow_rate; /* operations/s: F32 multiply-adds, BF16 products where there are any */
} check_limit;

/* Each rate becomes the best seen so far: called again for every op, since others use the machine too. */
void        check_measure(check_limit *limit, ds_isa isa);
double      check_seconds(void);
void        check_evict(void); /* nothing of the operands is left in a cache */

#endif
