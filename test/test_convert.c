/* test_convert.c - dsv4_convert() against quantisers of the test's own, on toys of every flavour.
 *
 * What the target must hold is worked out here from the toy's dequantised twin by trying every code, or, where the
 * source is stored alike, is the source's bytes. */
#include "format/checkpoint.h"
#include "logits.h"
#include "toy_flavours.h"

/* ---- quantisers, by the definitions ---- */

/* The code whose value is nearest to |y|, of codes 0 to last; ties go to the even one. */
static unsigned nearest(float y, float (*value)(unsigned), unsigned last)
{
    unsigned best = 0;

    for (unsigned c = 1; c <= last; c++) {
        const double a = fabs((double)value(best) - fabs((double)y)), b = fabs((double)value(c) - fabs((double)y));
        if (b < a || (b == a && c % 2 == 0)) best = c;
    }
    return best;
}

static unsigned to_e2m1(float y) { return nearest(y, toy_e2m1, 7) | (signbit(y) ? 8u : 0u); }
static unsigned to_e4m3(float y) { return nearest(y, toy_e4m3, 0x7e) | (signbit(y) ? 0x80u : 0u); }

static unsigned to_bf16(float y)
{
    uint32_t bits, half;
    memcpy(&bits, &y, 4);
    half = bits >> 16;
    const uint32_t rest = bits & 0xffff;
    return half + (rest > 0x8000 || (rest == 0x8000 && half % 2));
}

/* The byte of the least power of two that brings amax down to `top`. */
static int to_e8m0(float amax, float top, float least)
{
    const double a = amax > least ? (double)amax : (double)least;
    int          e = -127;

    while (e < 127 && ldexp(top, e) < a) e++;
    return e + 127;
}

static float amax_of(const float *x, int64_t n)
{
    float most = 0;
    for (int64_t i = 0; i < n; i++) most = fmaxf(most, fabsf(x[i]));
    return most;
}

/* ---- comparing ---- */

typedef struct folders {
    ds_checkpoint *source, *target;
    const toy     *twin;
    dsv4_flavour   to;
    const char    *what;
} folders;

static const ds_stored *find(const ds_checkpoint *cp, const char *module, const char *tail)
{
    char name[200];

    snprintf(name, sizeof name, "%s%s%s", module, *tail ? "." : "", tail);
    for (int64_t i = 0; i < ds_checkpoint_count(cp); i++) {
        const ds_stored *t = ds_checkpoint_tensor(cp, i);
        if (t->canonical && !strcmp(t->canonical, name)) return t;
    }
    return NULL;
}

static const ds_stored *need(const folders *f, const char *module, const char *tail, const char *dtype, uint64_t bytes)
{
    const ds_stored *t = find(f->target, module, tail);

    if (!t) fail_msg("%s to %s: no %s.%s", f->what, dsv4_flavour_name(f->to), module, tail);
    if (strcmp(t->dtype_name, dtype) || t->bytes != bytes || strcmp(t->name, t->canonical))
        fail_msg("%s to %s: %s is %s of %llu bytes", f->what, dsv4_flavour_name(f->to), t->name, t->dtype_name,
                 (unsigned long long)t->bytes);
    return t;
}

static void expect_bytes(const folders *f, const ds_stored *t, const void *expected)
{
    if (memcmp(t->data, expected, t->bytes)) fail_msg("%s to %s: %s differs", f->what, dsv4_flavour_name(f->to), t->name);
}

static void expect_code(const folders *f, const char *name, int64_t i, unsigned found, unsigned expected)
{
    if (found != expected)
        fail_msg("%s to %s: %s[%lld]: expected code %#x, found %#x", f->what, dsv4_flavour_name(f->to), name, (long long)i, expected, found);
}

static void expect_floats(const folders *f, const ds_stored *t, const float *x, int64_t n)
{
    const bool wide = !strcmp(t->dtype_name, "F32");

    for (int64_t i = 0; i < n; i++) {
        uint32_t bits, found = 0;
        memcpy(&bits, &x[i], 4);
        memcpy(&found, t->data + i * (wide ? 4 : 2), wide ? 4 : 2);
        expect_code(f, t->name, i, found, wide ? bits : to_bf16(x[i]));
    }
}

static unsigned code4(const ds_stored *t, int64_t k, int64_t row, int64_t i)
{
    return t->data[row * (k / 2) + i / 2] >> (i % 2 * 4) & 15;
}

static void expect_fp8(const folders *f, const char *module, const float *x, int64_t n, int64_t k)
{
    const int64_t    columns = (k + 127) / 128;
    const ds_stored *code = need(f, module, "weight", "F8_E4M3", (uint64_t)(n * k));
    const ds_stored *scale = need(f, module, "scale", "F8_E8M0", (uint64_t)((n + 127) / 128 * columns));
    const ds_stored *from = find(f->source, module, "weight"), *from_scale = find(f->source, module, "scale");

    if (from && from->dtype == DS_E4M3 && from_scale && from_scale->dtype == DS_E8M0 && from_scale->bytes == scale->bytes) {
        expect_bytes(f, code, from->data);
        expect_bytes(f, scale, from_scale->data);
        return;
    }
    for (int64_t b = 0; b < (n + 127) / 128 * columns; b++) {
        const int64_t r0 = b / columns * 128, r1 = r0 + 128 < n ? r0 + 128 : n, c0 = b % columns * 128, len = k - c0 < 128 ? k - c0 : 128;
        float         amax = 0;
        for (int64_t r = r0; r < r1; r++) amax = fmaxf(amax, amax_of(x + r * k + c0, len));
        expect_code(f, scale->name, b, scale->data[b], (unsigned)to_e8m0(amax, 448, 1e-4f));
        for (int64_t r = r0; r < r1; r++)
            for (int64_t c = c0; c < c0 + len; c++)
                expect_code(f, code->name, r * k + c, code->data[r * k + c], to_e4m3(x[r * k + c] / ldexpf(1, scale->data[b] - 127)));
    }
}

static bool is_mxfp4(const ds_checkpoint *cp, const char *module)
{
    const ds_stored *w = find(cp, module, "weight"), *s = find(cp, module, "scale");
    return w && s && (w->dtype == DS_I8 || w->dtype == DS_U8) && (s->dtype == DS_E8M0 || s->dtype == DS_U8);
}

static void expect_mxfp4(const folders *f, const char *module, const float *x, int64_t n, int64_t k)
{
    const int64_t    columns = (k + 31) / 32;
    const ds_stored *code = need(f, module, "weight", "I8", (uint64_t)(n * k / 2));
    const ds_stored *scale = need(f, module, "scale", "F8_E8M0", (uint64_t)(n * columns));

    if (is_mxfp4(f->source, module)) {
        expect_bytes(f, code, find(f->source, module, "weight")->data);
        expect_bytes(f, scale, find(f->source, module, "scale")->data);
        return;
    }
    for (int64_t b = 0; b < n * columns; b++) {
        const int64_t row = b / columns, c0 = b % columns * 32, len = k - c0 < 32 ? k - c0 : 32;
        expect_code(f, scale->name, b, scale->data[b], (unsigned)to_e8m0(amax_of(x + row * k + c0, len), 6, 6 * 0x1p-126f));
        for (int64_t c = c0; c < c0 + len; c++)
            expect_code(f, code->name, row * k + c, code4(code, k, row, c), to_e2m1(x[row * k + c] / ldexpf(1, scale->data[b] - 127)));
    }
}

/* The largest exponent of MXFP4 blocks that hold something. */
static int largest_exponent(const folders *f, const char *module, int64_t n, int64_t k)
{
    const ds_stored *code = find(f->source, module, "weight"), *scale = find(f->source, module, "scale");
    int              most = -1000;

    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < k; i++) {
            const int e = scale->data[r * ((k + 31) / 32) + i / 32] - 127;
            if (code4(code, k, r, i) & 7 && e > most) most = e;
        }
    return most;
}

/* The other matrix of the pair that shares a global scale, or the same one. */
static void other_of(char out[112], const char *module)
{
    const size_t n = strlen(module);

    strcpy(out, module);
    if (out[n - 1] != '2') out[n - 1] = out[n - 1] == '1' ? '3' : '1';
}

static void expect_nvfp4(const folders *f, const char *module, const float *x, int64_t n, int64_t k)
{
    const int64_t    columns = (k + 15) / 16;
    const ds_stored *code = need(f, module, "weight", "U8", (uint64_t)(n * k / 2));
    const ds_stored *scale = need(f, module, "weight_scale", "F8_E4M3", (uint64_t)(n * columns));
    const ds_stored *global = need(f, module, "weight_scale_2", "F32", 4), *from = find(f->source, module, "weight_packed");
    char             other[112], name[128];
    float            g, expected;

    memcpy(&g, global->data, 4);
    assert_int_equal(global->rank, 0);
    if (!from && find(f->source, module, "weight_scale_2")) from = find(f->source, module, "weight");
    if (from) { /* stored alike, the global scale perhaps as a reciprocal */
        const bool       packed = !find(f->source, module, "weight_scale_2");
        const ds_stored *input = find(f->source, module, packed ? "input_global_scale" : "input_scale");
        memcpy(&expected, find(f->source, module, packed ? "weight_global_scale" : "weight_scale_2")->data, 4);
        if (packed) expected = 1 / expected;
        assert_memory_equal(&g, &expected, 4);
        expect_bytes(f, code, from->data);
        expect_bytes(f, scale, find(f->source, module, "weight_scale")->data);
        memcpy(&expected, input->data, 4);
        if (packed) expected = 1 / expected;
        expect_bytes(f, need(f, module, "input_scale", "F32", 4), &expected);
        return;
    }
    assert_null(find(f->target, module, "input_scale"));
    other_of(other, module);
    snprintf(name, sizeof name, "%s.weight", other);
    const bool cast = is_mxfp4(f->source, module) && is_mxfp4(f->source, other);
    const int  here = cast ? largest_exponent(f, module, n, k) : 0, there = cast ? largest_exponent(f, other, n, k) : 0;
    const int  most = here > there ? here : there;
    /* a pair need not be rounded alike: w1 may be NVFP4 already in a mixture of formats */
    const bool alone = find(f->source, other, "weight_scale_2") || find(f->source, other, "weight_packed");
    const float amax = fmaxf(amax_of(x, n * k), alone ? 0 : amax_of((const float *)toy_find(f->twin, name)->data, n * k));
    expected = cast ? ldexpf(1, most - 8) : amax / 2688.0f;
    if (g != expected) fail_msg("%s: %s: expected a global scale of %g, found %g", f->what, module, (double)expected, (double)g);
    for (int64_t b = 0; b < n * columns; b++) {
        const int64_t row = b / columns, c0 = b % columns * 16, len = k - c0 < 16 ? k - c0 : 16;
        const float  *y = x + row * k + c0, a = amax_of(y, len), s = a > 0 ? a / 6.0f / g : 1.0f;
        if (cast) { /* same codes, same values */
            const int e = find(f->source, module, "scale")->data[row * ((k + 31) / 32) + c0 / 32] - 127 - (most - 8);
            if (e >= -9 && e <= 8) {
                assert_true(toy_e4m3(scale->data[b]) == ldexpf(1, e));
                for (int64_t c = c0; c < c0 + len; c++) {
                    assert_int_equal(code4(code, k, row, c), code4(find(f->source, module, "weight"), k, row, c));
                    assert_true(toy_e2m1(code4(code, k, row, c)) * (toy_e4m3(scale->data[b]) * g) == x[row * k + c]);
                }
                continue;
            }
        }
        expect_code(f, scale->name, b, scale->data[b], to_e4m3(fmaxf(s, 0x1p-9f)));
        const float step = toy_e4m3(scale->data[b]) * g;
        for (int64_t c = c0; c < c0 + len; c++)
            expect_code(f, code->name, row * k + c, code4(code, k, row, c), to_e2m1(x[row * k + c] / step));
    }
}

/* ---- the model's tensors ---- */

static bool has(const char *name, const char *part) { return strstr(name, part) != NULL; }

static void check_tensor(const folders *f, const toy_tensor *e)
{
    static const char *const wide[] = { "hc_", "attn_sink", ".ape", "gate.bias" };
    static const char *const fp8[] = { "attn.wq_a.", "attn.wq_b.", "attn.wkv.", "attn.wo_a.", "attn.wo_b.", "attn.indexer.wq_b.",
                                       "shared_experts.", "e_proj.", "h_proj." };
    char                     module[112];
    const float             *x = (const float *)e->data;
    const int64_t            k = e->shape[e->rank - 1], n = (int64_t)e->bytes / 4 / k;

    if (!strcmp(e->dtype, "I64")) {
        expect_bytes(f, need(f, e->name, "", "I64", e->bytes), e->data);
        return;
    }
    strcpy(module, e->name);
    if (has(module, ".weight")) *strstr(module, ".weight") = 0;
    if (has(e->name, "ffn.experts.") && f->to != DSV4_FLAVOUR_BF16) {
        if (f->to == DSV4_FLAVOUR_NVFP4 && strncmp(e->name, "mtp", 3)) expect_nvfp4(f, module, x, n, k);
        else expect_mxfp4(f, module, x, n, k);
        return;
    }
    for (size_t i = 0; i < sizeof fp8 / sizeof *fp8 && f->to != DSV4_FLAVOUR_BF16; i++)
        if (has(e->name, fp8[i])) {
            expect_fp8(f, module, x, n, k);
            return;
        }
    bool floats = false;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) floats = floats || has(e->name, wide[i]);
    expect_floats(f, need(f, e->name, "", floats ? "F32" : "BF16", e->bytes / (floats ? 1 : 2)), x, n * k);
}

/* A file for the embedding, each layer, the head, each draft block. */
static void check_layout(const folders *f, bool mtp)
{
    for (int64_t i = 0; i < ds_checkpoint_count(f->target); i++) {
        const ds_stored *t = ds_checkpoint_tensor(f->target, i);
        char             file[64];
        const int        n = TOY_LAYERS + 2 + mtp;
        const int        at = !strncmp(t->name, "layers.", 7) ? 2 + atoi(t->name + 7) : !strncmp(t->name, "mtp.0.", 6) ? TOY_LAYERS + 3
                            : !strcmp(t->name, "embed.weight") ? 1 : TOY_LAYERS + 2;
        snprintf(file, sizeof file, "model-%05d-of-%05d.safetensors", at, n);
        assert_string_equal(t->file, file);
    }
}

static void check_conversion(const toy_flavour *flavour, const toy_sizes *z, uint64_t seed, dsv4_flavour to)
{
    static const char *const texts[DSV4_N_FLAVOURS] = { "official (FP8 + MXFP4)", "NVFP4 (ModelOpt)", "BF16" };
    toy                 t = toy_make(flavour, z, seed, false), twin = toy_make(flavour, z, seed, true);
    dsv4_convert_config config = { .to = to, .n_threads = 1 + (int32_t)(seed % 3) };
    dsv4_convert_report report;
    dsv4_model_info     info;
    char                folder[256], out[300];
    folders             f = { .twin = &twin, .to = to, .what = flavour->name };

    toy_write(&t, folder, 0);
    snprintf(out, sizeof out, "%s/out", folder);
    assert_ok(dsv4_convert(folder, out, &config, &report));
    dsv4_model *model = test_model(out);
    assert_ok(dsv4_model_get_info(model, &info));
    assert_string_equal(info.flavour, texts[to]);
    assert_int_equal(info.n_tensors, report.n_tensors);
    assert_int_equal(info.n_draft_layers, flavour->mtp);
    assert_int_equal(report.n_left_out, !flavour->extras ? 0 : strcmp(flavour->extras, "kv") ? 1 : 2 * TOY_LAYERS);
    dsv4_model_close(model);
    assert_ok(ds_checkpoint_open(&f.source, folder, false, NULL));
    assert_ok(ds_checkpoint_open(&f.target, out, false, NULL));
    uint64_t bytes = 0;
    for (int64_t i = 0; i < ds_checkpoint_count(f.target); i++) bytes += ds_checkpoint_tensor(f.target, i)->bytes;
    assert_int_equal(bytes, report.bytes);
    check_layout(&f, flavour->mtp);
    for (int64_t i = 0; i < twin.n; i++) check_tensor(&f, &twin.tensor[i]);
    ds_checkpoint_close(f.source);
    ds_checkpoint_close(f.target);
    folder_remove(out);
    folder_remove(folder);
    toy_free(&t);
    toy_free(&twin);
}

static void every_flavour_becomes_every_other(void **state)
{
    (void)state;
    for (int i = 0; i < N_FLAVOURS; i++)
        for (int s = 0; s < 2; s++)
            for (int to = 0; to < DSV4_N_FLAVOURS; to++)
                for (uint64_t seed = 1; seed <= (flavours[i].naming == TOY_EITHER ? N_SEEDS_OF_MIXTURE : 1); seed++)
                    check_conversion(&flavours[i], &sizes[s], seed, (dsv4_flavour)to);
    printf("    %d flavours to %d, two sets of sizes\n", N_FLAVOURS, DSV4_N_FLAVOURS);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_flavour_becomes_every_other) };
    return cmocka_run_group_tests_name("convert", tests, NULL, NULL);
}
