/* test_check.c - the check itself: wrong variants of an op, each in its own way, must be seen for what they are; a right
 * one, computed in another order, must pass. */
#include <math.h>

#include "check.h"
#include "cpu/decode.h"
#include "test.h"

/* ---- variants of rms_norm ---- */

/* Right: 16 sums in F32, backwards. */
static void norm_right(const ds_rms_norm_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t dim = a->x.shape[a->x.rank - 1];

    for (int64_t i = begin; i < end; i++) {
        float lane[16] = { 0 }, sum = 0.0f;
        for (int64_t j = dim - 1; j >= 0; j--) lane[j % 16] += ds_at(&a->x, i * dim + j) * ds_at(&a->x, i * dim + j);
        for (int l = 0; l < 16; l++) sum += lane[l];
        if (!isfinite(sum)) { /* squares that no float holds */
            ds_rms_norm_scalar(a, i, i + 1, thread);
            continue;
        }
        const float scale = 1.0f / sqrtf(sum / (float)dim + a->eps);
        for (int64_t j = 0; j < dim; j++) {
            const float v = ds_at(&a->x, i * dim + j) * scale;
            ds_put(&a->y, i * dim + j, a->weight.data ? ds_vec(&a->weight, j) * v : v);
        }
    }
}

/* Three units in the last place too large. */
static void norm_ulps(const ds_rms_norm_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t dim = a->x.shape[a->x.rank - 1];

    ds_rms_norm_scalar(a, begin, end, thread);
    for (int64_t i = begin * dim; i < end * dim; i++)
        if (a->y.dtype == DS_BF16) ((ds_bf16 *)a->y.data)[i] = (ds_bf16)(((ds_bf16 *)a->y.data)[i] + 3);
}

/* One value past the end, as a vector store without a mask would. */
static void norm_past_end(const ds_rms_norm_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t dim = a->x.shape[a->x.rank - 1];

    ds_rms_norm_scalar(a, begin, end, thread);
    if (end == ds_rms_norm_units(a)) ds_put(&a->y, end * dim, 0.0f);
}

/* A read past the end, whose value is not used. */
static void norm_reads_past_end(const ds_rms_norm_args *a, int64_t begin, int64_t end, int thread)
{
    volatile float beyond = 0.0f;

    ds_rms_norm_scalar(a, begin, end, thread);
    if (end == ds_rms_norm_units(a)) beyond = ds_at(&a->x, end * a->x.shape[a->x.rank - 1]);
    (void)beyond;
}

static void norm_writes_input(const ds_rms_norm_args *a, int64_t begin, int64_t end, int thread)
{
    ds_rms_norm_scalar(a, begin, end, thread);
    if (a->x.data != a->y.data && begin < end) ds_put(&a->x, begin * a->x.shape[a->x.rank - 1], 7.5f);
}

/* A hair larger every other time. */
static void norm_moody(const ds_rms_norm_args *a, int64_t begin, int64_t end, int thread)
{
    static int       calls;
    ds_rms_norm_args other = *a;

    other.eps *= 1.0f + 1e-6f * (float)(calls++ % 2);
    ds_rms_norm_scalar(&other, begin, end, thread);
}

/* A hair larger when the row is one of many. */
static void norm_company(const ds_rms_norm_args *a, int64_t begin, int64_t end, int thread)
{
    ds_rms_norm_args other = *a;

    other.eps *= a->x.shape[0] > 1 ? 1.0f + 1e-6f : 1.0f;
    ds_rms_norm_scalar(&other, begin, end, thread);
}

/* A hair larger for a range that does not start at the first row. */
static void norm_split(const ds_rms_norm_args *a, int64_t begin, int64_t end, int thread)
{
    ds_rms_norm_args other = *a;

    other.eps *= begin > 0 ? 1.0f + 1e-6f : 1.0f;
    ds_rms_norm_scalar(&other, begin, end, thread);
}

/* A hair larger where the address is odd. */
static void norm_place(const ds_rms_norm_args *a, int64_t begin, int64_t end, int thread)
{
    ds_rms_norm_args other = *a;

    other.eps *= (uintptr_t)a->x.data % 64 ? 1.0f + 1e-6f : 1.0f;
    ds_rms_norm_scalar(&other, begin, end, thread);
}

/* Leaves the last value of a row as it was. */
static void norm_unwritten(const ds_rms_norm_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t dim = a->x.shape[a->x.rank - 1], size = ds_row_bytes(a->y.dtype, 1);
    uint8_t       last[4];

    for (int64_t i = begin; i < end; i++) {
        uint8_t *at = (uint8_t *)a->y.data + ((i + 1) * dim - 1) * size;
        memcpy(last, at, (size_t)size);
        ds_rms_norm_scalar(a, i, i + 1, thread);
        memcpy(at, last, (size_t)size);
    }
}

/* ---- of a fused op ---- */

/* Quantises what it has in registers, before the rounding to y. */
static void fused_unrounded(const ds_rms_norm_quantize_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t             n = a->norm.x.shape[0] * a->norm.x.shape[1];
    float                    *exact = calloc((size_t)n, sizeof *exact);
    ds_rms_norm_quantize_args other = *a;

    assert_non_null(exact);
    other.norm.y.data = exact;
    other.norm.y.dtype = DS_F32;
    ds_rms_norm_scalar(&a->norm, begin, end, thread);
    ds_rms_norm_quantize_scalar(&other, begin, end, thread);
    free(exact);
}

/* ---- of other ops ---- */

/* F32 activations cut to BF16: the mistake of a kernel for another numeric mode. */
static void linear_cut(const ds_linear_args *a, int64_t begin, int64_t end, int thread)
{
    ds_linear_args other = *a;
    const int64_t  n = a->x.shape[0] * ds_width(&a->x);

    if (a->x.dtype != DS_F32) {
        ds_linear_scalar(a, begin, end, thread);
        return;
    }
    float *x = malloc((size_t)n * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) x[i] = ds_round_bf16(ds_at(&a->x, i));
    other.x.data = x;
    ds_linear_scalar(&other, begin, end, thread);
    free(x);
}

/* Ties to the higher id. */
static void router_ties(const ds_router_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t n = a->z.shape[1];

    ds_router_scalar(a, begin, end, thread);
    for (int64_t i = begin; i < end && !a->table; i++) {
        int32_t *last = &a->expert[(i + 1) * a->k - 1];
        if (*last + 1 < n && ds_at(&a->z, i * n + *last) == ds_at(&a->z, i * n + *last + 1)) ++*last;
    }
}

/* Forgets to wrap in the ring. */
static void attention_flat(const ds_attention_args *a, int64_t begin, int64_t end, int thread)
{
    ds_attention_args other = *a;

    other.ring.length = a->ring.length - 1;
    ds_attention_scalar(&other, begin, end, thread);
}

/* ---- the tests ---- */

/* Faults of one kind that a check of `op` with this variant reports, up to the first case with one; *others: of any other kind. */
static int64_t faults_of(const char *op, const ds_kernels *wrong, check_fault fault, int64_t *others)
{
    FILE               *out = tmpfile();
    const check_options options = { .isa = DS_ISA_SCALAR, .out = out, .first_fault = true };
    check              *c = check_open(&options);
    int64_t             n = 0;

    assert_non_null(out);
    assert_non_null(c);
    check_add_variant(c, "wrong", wrong);
    for (int i = 0; i < check_n_ops(); i++)
        if (strcmp(check_op_name(i), op) == 0) check_op(c, i);
    *others = 0;
    for (int f = 1; f < CHECK_N_FAULT; f++) {
        if (f == (int)fault) n = check_faults(c, fault);
        else *others += check_faults(c, (check_fault)f);
    }
    check_close(c);
    fclose(out);
    return n;
}

static ds_kernels scalar(void)
{
    ds_kernels k;
    ds_kernels_pick(&k, DS_ISA_SCALAR);
    return k;
}

typedef void (*norm_fn)(const ds_rms_norm_args *a, int64_t begin, int64_t end, int thread);

static int64_t norm_faults(norm_fn fn, check_fault fault, int64_t *others)
{
    ds_kernels k = scalar();
    k.rms_norm = fn;
    return faults_of("rms_norm", &k, fault, others);
}

static void a_fused_op_is_its_parts(void **state)
{
    int64_t    others;
    ds_kernels k = scalar();

    (void)state;
    k.rms_norm_quantize = fused_unrounded;
    assert_true(faults_of("rms_norm_quantize", &k, CHECK_PARTS, &others) > 0);
    assert_int_equal(others, 0);
}

static void a_right_variant_passes(void **state)
{
    int64_t others;
    (void)state;
    assert_int_equal(norm_faults(norm_right, CHECK_FINE, &others), 0);
    assert_int_equal(others, 0);
}

static void wrong_variants_are_seen(void **state)
{
    static const struct { norm_fn fn; check_fault fault; bool only; } wrong[] = {
        { norm_ulps, CHECK_VALUE, true },       { norm_past_end, CHECK_GUARD, false },
        { norm_writes_input, CHECK_INPUT, true }, { norm_moody, CHECK_REPEAT, false },
        { norm_company, CHECK_ALONE, true },    { norm_split, CHECK_SPLIT, true },
        { norm_place, CHECK_PLACE, true },      { norm_unwritten, CHECK_VALUE, false },
    };
    int64_t others;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_true(norm_faults(wrong[i].fn, wrong[i].fault, &others) > 0);
        if (wrong[i].only) assert_int_equal(others, 0);
    }
}

static void a_read_past_the_end_is_seen(void **state)
{
    int64_t others;
    (void)state;
    assert_true(norm_faults(norm_reads_past_end, CHECK_SIGNAL, &others) > 0);
    assert_int_equal(others, 0);
}

static void other_ops(void **state)
{
    int64_t    others;
    ds_kernels k = scalar();

    (void)state;
    k.linear = linear_cut;
    k.router = router_ties;
    k.attention = attention_flat;
    assert_true(faults_of("linear", &k, CHECK_VALUE, &others) > 0);
    assert_true(faults_of("router", &k, CHECK_VALUE, &others) > 0);
    assert_true(faults_of("attention", &k, CHECK_VALUE, &others) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_variant_passes),
        cmocka_unit_test(a_fused_op_is_its_parts),
        cmocka_unit_test(wrong_variants_are_seen),
        cmocka_unit_test(a_read_past_the_end_is_seen),
        cmocka_unit_test(other_ops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
