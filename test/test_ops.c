/* test_ops.c - the definitions of ops against published vectors, worked examples and their own invariants. What
 * the vectors do not reach is held by the whole-model tests (toys, golden outputs). */
#include <jansson.h>
#include <math.h>

#include "cpu/decode.h"
#include "cpu/kernels.h"
#include "model/network.h"
#include "test.h"

static json_t *vectors(const char *name)
{
    char path[256];

    snprintf(path, sizeof path, TEST_PATH("test/vectors/%s"), name);
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    return root;
}

/* An array of "0x..." strings or numbers. */
static size_t bits_of(const json_t *array, uint32_t *out)
{
    size_t  i;
    json_t *v;

    json_array_foreach(array, i, v) out[i] = json_is_string(v) ? (uint32_t)strtoul(json_string_value(v), NULL, 16)
                                                               : (uint32_t)json_integer_value(v);
    return json_array_size(array);
}

static size_t floats_of(const json_t *array, float *out)
{
    uint32_t     bits[256];
    const size_t n = bits_of(array, bits);
    for (size_t i = 0; i < n; i++) out[i] = ds_bits_f32(bits[i]);
    return n;
}

static ds_tensor tensor2(ds_dtype dtype, void *data, int64_t n, int64_t width)
{
    return (ds_tensor){ .data = data, .dtype = dtype, .rank = 2, .shape = { n, width } };
}

static void decoding_by_bits_equals_the_tables(void **state)
{
    uint8_t code[256], pairs[128];
    float   out[256];

    (void)state;
    for (int i = 0; i < 256; i++) code[i] = (uint8_t)i;
    ds_decode_e4m3(out, code, 256, 1.0f);
    for (int i = 0; i < 256; i++) {
        const float t = ds_e4m3_to_f32((uint8_t)i);
        assert_true(isnan(t) ? isnan(out[i]) : ds_f32_bits(out[i]) == ds_f32_bits(t));
    }
    for (int first = 0; first < 2; first++) { /* the paired path and the single one */
        for (int i = 0; i < 128; i++) pairs[i] = (uint8_t)(i * 37 + 11);
        ds_decode_e2m1(out, pairs, first, 254, 1.0f);
        for (int i = 0; i < 254; i++)
            assert_int_equal(ds_f32_bits(out[i]), ds_f32_bits(ds_e2m1_to_f32(ds_fp4_code(pairs, first + i))));
    }
}

static void fp8_activations(void **state)
{
    json_t  *v = vectors("fp8_act.json"), *g = json_object_get(v, "group128"), *g64 = json_object_get(v, "group64");
    float    x[128];
    uint32_t codes[128], scale[2], dequant[128];
    uint8_t  out[128], s[1], row[128 + 8];

    (void)state;
    assert_int_equal(floats_of(json_object_get(v, "input_bits"), x), 128);
    ds_quantize_args a = { tensor2(DS_F32, x, 1, 128), tensor2(DS_E4M3, out, 1, 128) };
    a.y.scale = s;
    ds_quantize_scalar(&a, 0, 1, 0);
    bits_of(json_object_get(g, "codes"), codes);
    bits_of(json_object_get(g, "scale"), scale);
    assert_int_equal(s[0], scale[0]);
    for (int i = 0; i < 128; i++) assert_int_equal(out[i], codes[i]);

    /* blocks of 64: the cached row, codes and what it reads as */
    const ds_row_format f = ds_row_format_of(DS_ROW_FP8, 128, 0);
    float               back[128];
    ds_kv_pack_args     p = { tensor2(DS_F32, x, 1, 128), row, f };
    ds_kv_pack_scalar(&p, 0, 1, 0);
    ds_row_unpack(back, row, &f);
    bits_of(json_object_get(g64, "codes"), codes);
    bits_of(json_object_get(g64, "scale"), scale);
    bits_of(json_object_get(g64, "dequant_bf16"), dequant);
    for (int i = 0; i < 128; i++) {
        assert_int_equal(row[i], codes[i]);
        assert_int_equal(ds_f32_to_bf16(back[i]), dequant[i]);
    }
    assert_int_equal(row[128], scale[0]);
    assert_int_equal(row[129], scale[1]);
    json_decref(v);
}

static void published_row_sizes(void **state)
{
    (void)state;
    assert_int_equal(ds_row_format_of(DS_ROW_FP8, 512, 64).bytes, 584);
    assert_int_equal(ds_row_format_of(DS_ROW_FP4, 128, 0).bytes, 68);
    assert_int_equal(ds_row_format_of(DS_ROW_F32, 512, 64).bytes, 2048);
}

static void fp4_activations(void **state)
{
    json_t             *v = vectors("fp4_act.json");
    float               x[64], back[64];
    uint32_t            codes[64], scale[2], dequant[64];
    ds_bf16             sim[64];
    uint8_t             row[64];
    const ds_row_format f = ds_row_format_of(DS_ROW_FP4, 64, 0);

    (void)state;
    assert_int_equal(floats_of(json_object_get(v, "input_bits"), x), 64);
    bits_of(json_object_get(v, "codes"), codes);
    bits_of(json_object_get(v, "scale"), scale);
    bits_of(json_object_get(v, "dequant_bf16"), dequant);
    for (int i = 0; i < 64; i++) sim[i] = ds_f32_to_bf16(x[i]);
    const ds_fp4_sim_args a = { tensor2(DS_BF16, sim, 1, 64) };
    for (int twice = 0; twice < 2; twice++) { /* rounding what is rounded changes nothing */
        ds_fp4_sim_scalar(&a, 0, 1, 0);
        for (int i = 0; i < 64; i++) assert_int_equal(sim[i], dequant[i]);
    }
    const ds_kv_pack_args p = { tensor2(DS_F32, x, 1, 64), row, f };
    ds_kv_pack_scalar(&p, 0, 1, 0);
    ds_row_unpack(back, row, &f);
    for (int i = 0; i < 64; i++) {
        assert_int_equal(ds_fp4_code(row, i), codes[i]);
        assert_int_equal(ds_f32_to_bf16(back[i]), dequant[i]);
    }
    assert_int_equal(row[32], scale[0]);
    assert_int_equal(row[33], scale[1]);
    json_decref(v);
}

static void nvfp4_activations_and_weights(void **state)
{
    json_t          *v = vectors("nvfp4.json"), *act = json_object_get(v, "activation"), *weight = json_object_get(v, "modelopt_weight");
    float            x[64], out[64], global;
    uint32_t         codes[64], scales[4], dequant[64];
    uint8_t          y[32], s[4];
    ds_quantize_args a = { .x = tensor2(DS_F32, x, 1, 64), .y = tensor2(DS_NVFP4, y, 1, 64) };

    (void)state;
    assert_int_equal(floats_of(json_object_get(v, "input_bits"), x), 64);
    a.y.scale = s;
    a.y.global = &global;
    ds_quantize_scalar(&a, 0, 1, 0);
    bits_of(json_object_get(act, "codes"), codes);
    bits_of(json_object_get(act, "scales_e4m3"), scales);
    bits_of(json_object_get(act, "dequant_bits"), dequant);
    assert_int_equal(ds_f32_bits(global), strtoul(json_string_value(json_object_get(v, "global_scale_bits")), NULL, 16));
    for (int b = 0; b < 4; b++) assert_int_equal(s[b], scales[b]);
    for (int i = 0; i < 64; i++) {
        assert_int_equal(ds_fp4_code(y, i), codes[i]);
        assert_int_equal(ds_f32_bits(ds_e2m1_to_f32(ds_fp4_code(y, i)) * (ds_e4m3_to_f32(s[i / 16]) * global)), dequant[i]);
    }
    /* the same codes as a weight row; its scales differ where a block is all zero */
    bits_of(json_object_get(weight, "scales_e4m3"), scales);
    for (int b = 0; b < 4; b++) s[b] = (uint8_t)scales[b];
    const ds_weight w = { .data = y, .scale = s, .dtype = DS_NVFP4, .scale_dtype = DS_E4M3, .global = global, .n = 1, .k = 64 };
    ds_decode_weight(out, &w, 0, 0, 64, true);
    for (int i = 0; i < 64; i++)
        assert_int_equal(ds_f32_bits(out[i]), ds_f32_bits(ds_e2m1_to_f32(ds_fp4_code(y, i)) * (ds_e4m3_to_f32(s[i / 16]) * global)));
    json_decref(v);
}

static void mxfp4_weights(void **state)
{
    json_t  *v = vectors("mxfp4.json"), *expected = json_object_get(v, "dequant");
    uint32_t bytes[48], scales[3];
    uint8_t  packed[48], s[3];
    float    out[96];

    (void)state;
    const size_t n = bits_of(json_object_get(v, "packed"), bytes);
    bits_of(json_object_get(v, "scale_e8m0"), scales);
    for (size_t i = 0; i < n; i++) packed[i] = (uint8_t)bytes[i];
    for (int i = 0; i < 3; i++) s[i] = (uint8_t)scales[i];
    const ds_weight w = { .data = packed, .scale = s, .dtype = DS_MXFP4, .scale_dtype = DS_E8M0, .global = 1.0f, .n = 1, .k = 96 };
    ds_decode_weight(out, &w, 0, 0, 96, true);
    assert_int_equal(json_array_size(expected), 96);
    for (size_t i = 0; i < 96; i++) assert_true((double)out[i] == json_number_value(json_array_get(expected, i)));
    json_decref(v);
}

/* A row of zeros, of one huge value, of subnormals: finite codes, and what they stand for is near. */
static void quantisers_at_the_edges(void **state)
{
    static const float values[] = { 0.0f, -0.0f, 1e-45f, 1e-38f, 3e38f, -3e38f };

    (void)state;
    for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
        float            x[128] = { 0 }, global;
        uint8_t          y8[128], s8[1], y4[64], s4[8];
        x[77] = values[k];
        ds_quantize_args a = { tensor2(DS_F32, x, 1, 128), tensor2(DS_E4M3, y8, 1, 128) };
        a.y.scale = s8;
        ds_quantize_scalar(&a, 0, 1, 0);
        assert_true((y8[77] & 0x7f) != 0x7f && s8[0] != 255);
        const float back = ds_e4m3_to_f32(y8[77]) * ds_e8m0_to_f32(s8[0]);
        assert_true(fabsf(back - values[k]) <= fabsf(values[k]) / 16.0f + 1e-6f);
        ds_quantize_args b = { tensor2(DS_F32, x, 1, 128), tensor2(DS_NVFP4, y4, 1, 128) };
        b.y.scale = s4;
        b.y.global = &global;
        ds_quantize_scalar(&b, 0, 1, 0);
        assert_true(isfinite(global) && global > 0.0f);
    }
}

/* The worked example: mixes, Sinkhorn, and sums of rows and columns. */
static void hyper_connection_example(void **state)
{
    static const float mixes[24] = { 0.5f, -0.25f, 0.125f, 1.0f, -1.0f, 0.75f, 0.0f, 0.3f, 2.0f, 0.1f, -0.4f, 0.0f, 0.3f, 1.5f, 0.2f, -0.6f,
                                     -0.2f, 0.4f, 1.8f, 0.1f, 0.0f, -0.5f, 0.25f, 2.2f };
    static const double post_expected[4] = { 0.4283300, 1.3027097, 0.9003320, 1.0649086 }, pre_expected[4] = { 0.6224603, 0.4750218, 0.5498350, 0.7109505 };
    static const double comb_expected[16] = { 0.6263155, 0.1491469, 0.0947100, 0.1298265, 0.1856258, 0.5604844, 0.1732420, 0.0806467,
                                              0.0933151, 0.2108293, 0.5764737, 0.1193809, 0.0947426, 0.0795384, 0.1555732, 0.6701449 };
    float x[4 * 4] = { 0 }, base[24], scale[3] = { 0.8f, 1.1f, 0.9f }, post[4], comb[16], y[4], mix[24];

    (void)state;
    for (int j = 0; j < 4; j++) x[j * 4 + j] = 2.0f; /* the identity: y shows the pre weights; mean square 1 */
    for (int i = 0; i < 4; i++) base[i] = 0.1f, base[4 + i] = -0.2f;
    for (int i = 0; i < 16; i++) base[8 + i] = -0.1f + 0.05f * (float)(i % 5);
    memcpy(mix, mixes, sizeof mix);
    const ds_hc_pre_args a = {
        .x = { .data = x, .dtype = DS_F32, .rank = 3, .shape = { 1, 4, 4 } }, .mix = tensor2(DS_F32, mix, 1, 24),
        .base = { base, DS_F32, 24 }, .scale = { scale, DS_F32, 3 }, .y = tensor2(DS_F32, y, 1, 4), .post = tensor2(DS_F32, post, 1, 4),
        .comb = { .data = comb, .dtype = DS_F32, .rank = 3, .shape = { 1, 4, 4 } }, .iterations = 20, .hc_eps = 1e-6f, .norm_eps = 0.0f };
    ds_hc_pre_scalar(&a, 0, 1, 0);
    for (int i = 0; i < 4; i++) {
        assert_true(fabs(y[i] / 2.0 - pre_expected[i]) < 2e-6);
        assert_true(fabs(post[i] - post_expected[i]) < 2e-6);
        assert_true(fabsf(comb[4 * i] + comb[4 * i + 1] + comb[4 * i + 2] + comb[4 * i + 3] - 0.9999990f) < 2e-6f);
        assert_true(fabsf(comb[i] + comb[4 + i] + comb[8 + i] + comb[12 + i] - 0.9999990f) < 2e-6f);
    }
    for (int i = 0; i < 16; i++) assert_true(fabs(comb[i] - comb_expected[i]) < 2e-6);
}

static void rotary_frequencies(void **state)
{
    static const struct { int i; double f; } plain[] = { { 0, 1 }, { 1, 0.7498942 }, { 2, 0.56234133 }, { 4, 0.31622776 }, { 8, 0.1 },
        { 16, 0.0099999998 }, { 20, 0.0031622779 }, { 24, 0.001 }, { 28, 0.00031622779 }, { 31, 0.00013335215 } };
    static const struct { int i; double f; } yarn[] = { { 0, 1 }, { 1, 0.68765604 }, { 2, 0.4728708 }, { 4, 0.2236068 }, { 8, 0.050000001 },
        { 12, 0.01118034 }, { 15, 0.0036355385 }, { 16, 0.0022656249 }, { 17, 0.0013968013 }, { 18, 0.00084968971 }, { 19, 0.00050808198 },
        { 20, 0.00029697779 }, { 21, 0.00016817998 }, { 22, 9.0867841e-05 }, { 23, 4.5444231e-05 }, { 24, 1.9531253e-05 },
        { 25, 5.3723124e-06 }, { 26, 3.6943034e-06 }, { 28, 1.7469282e-06 }, { 31, 5.6805294e-07 } };
    const ds_config c = { .rope_dim = 64, .rope_theta = 10000, .compress_rope_theta = 160000, .yarn = true, .yarn_factor = 16,
                          .yarn_beta_fast = 32, .yarn_beta_slow = 1, .yarn_original_max = 65536 };
    float f[32];

    (void)state;
    ds_rope_frequencies(f, &c, false);
    for (size_t k = 0; k < sizeof plain / sizeof *plain; k++) assert_true(fabs(f[plain[k].i] / plain[k].f - 1.0) < 3e-7);
    ds_rope_frequencies(f, &c, true);
    for (size_t k = 0; k < sizeof yarn / sizeof *yarn; k++) assert_true(fabs(f[yarn[k].i] / yarn[k].f - 1.0) < 3e-7);
}

/* There and back, at a position where a careless angle would be off by whole turns. */
static void rotation_and_its_inverse(void **state)
{
    static const int64_t position[2] = { 3, 1048575 };
    const float          frequency[4] = { 1.0f, 0.31622776f, 0.1f, 0.01f };
    float                x[2 * 3 * 12], kept[2 * 3 * 12];

    (void)state;
    for (int i = 0; i < 72; i++) kept[i] = x[i] = sinf((float)i);
    ds_rope_args a = { { .data = x, .dtype = DS_F32, .rank = 3, .shape = { 2, 3, 12 } }, position, frequency, 8, false };
    ds_rope_scalar(&a, 0, 2, 0);
    for (int r = 0; r < 6; r++) {
        for (int c = 0; c < 4; c++) assert_true(x[r * 12 + c] == kept[r * 12 + c]); /* leading channels pass */
        for (int p = 0; p < 4; p++) {
            const double angle = (double)((float)position[r / 3] * frequency[p]);
            const double u = kept[r * 12 + 4 + 2 * p], v = kept[r * 12 + 5 + 2 * p];
            assert_true(fabs(x[r * 12 + 4 + 2 * p] - (u * cos(angle) - v * sin(angle))) < 1e-6);
            assert_true(fabs(x[r * 12 + 5 + 2 * p] - (u * sin(angle) + v * cos(angle))) < 1e-6);
        }
    }
    a.inverse = true;
    ds_rope_scalar(&a, 0, 2, 0);
    for (int i = 0; i < 72; i++) assert_true(fabsf(x[i] - kept[i]) < 1e-6f);
}

static void hadamard_is_the_sylvester_matrix(void **state)
{
    float x[128], y[128];

    (void)state;
    for (int i = 0; i < 128; i++) x[i] = y[i] = cosf((float)(i * i));
    const ds_hadamard_args a = { tensor2(DS_F32, y, 1, 128) };
    ds_hadamard_scalar(&a, 0, 1, 0);
    for (int i = 0; i < 128; i++) {
        double sum = 0.0;
        for (int j = 0; j < 128; j++) sum += __builtin_popcount((unsigned)(i & j)) % 2 ? -x[j] : x[j];
        assert_true(fabs(y[i] - sum / sqrt(128.0)) < 1e-5);
    }
    ds_hadamard_scalar(&a, 0, 1, 0); /* its own inverse */
    for (int i = 0; i < 128; i++) assert_true(fabsf(x[i] - y[i]) < 1e-5f);
}

/* Ties go to the lower id or entry. */
static void ties(void **state)
{
    float            z[6] = { 0.5f, 2.0f, 0.5f, 2.0f, 0.5f, -1.0f }, bias[6] = { 0 }, weight[3];
    int32_t          expert[3];
    ds_router_args   r = { .z = tensor2(DS_F32, z, 1, 6), .bias = { bias, DS_F32, 6 }, .k = 3, .factor = 1.5f, .expert = expert, .weight = weight };

    (void)state;
    ds_router_scalar(&r, 0, 1, 0);
    assert_int_equal(expert[0], 0);
    assert_int_equal(expert[1], 1);
    assert_int_equal(expert[2], 3);
    assert_true(fabsf(weight[0] + weight[1] + weight[2] - 1.5f) < 1e-6f);
    bias[4] = 10.0f; /* the bias chooses and does not weigh */
    ds_router_scalar(&r, 0, 1, 0);
    assert_int_equal(expert[2], 4);
    assert_true(weight[2] < weight[0]);

    /* index entries: eight equal keys, then four larger ones; the top six are the larger ones and entries 0 and 1 */
    enum { ENTRIES = 12, DIM = 4, TOP = 6 };
    float          keys[32][DIM], q[DIM] = { 1, 0, 0, 0 }, w[1] = { 1.0f }, scratch[64], scores[ENTRIES];
    int32_t        selected[TOP], count[1], block = 0, run_of = 0;
    const int64_t  position = 4 * ENTRIES - 1;
    const ds_run   run = { .position = position, .n = 1 };
    const ds_batch b = { .n_tokens = 1, .n_runs = 1, .position = &position, .run_of = &run_of, .run = &run, .blocks = &block, .max_blocks = 1 };
    for (int i = 0; i < 32; i++) {
        memset(keys[i], 0, sizeof keys[i]);
        keys[i][0] = i < 8 ? 1.0f : 2.0f;
    }
    const ds_tensor           score = tensor2(DS_F32, scores, 1, ENTRIES);
    const ds_index_score_args a = { .q = { .data = q, .dtype = DS_F32, .rank = 3, .shape = { 1, 1, DIM } }, .weight = tensor2(DS_F32, w, 1, 1),
        .scale = 1.0f, .pages = { (uint8_t *)keys, ds_row_format_of(DS_ROW_F32, DIM, 0), 32 }, .batch = &b, .ratio = 4, .score = score,
        .scratch = scratch };
    const ds_index_topk_args  choice = { .score = score, .batch = &b, .ratio = 4, .top_k = TOP, .selected = selected, .count = count };
    ds_index_score_scalar(&a, 0, 1, 0);
    for (int i = 0; i < ENTRIES; i++) assert_float_equal(scores[i], i < 8 ? 1.0f : 2.0f, 0.0f);
    ds_index_topk_scalar(&choice, 0, 1, 0);
    static const int32_t expected[TOP] = { 0, 1, 8, 9, 10, 11 };
    assert_int_equal(count[0], TOP);
    assert_memory_equal(selected, expected, sizeof expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding_by_bits_equals_the_tables),
        cmocka_unit_test(fp8_activations),
        cmocka_unit_test(published_row_sizes),
        cmocka_unit_test(fp4_activations),
        cmocka_unit_test(nvfp4_activations_and_weights),
        cmocka_unit_test(mxfp4_weights),
        cmocka_unit_test(quantisers_at_the_edges),
        cmocka_unit_test(hyper_connection_example),
        cmocka_unit_test(rotary_frequencies),
        cmocka_unit_test(rotation_and_its_inverse),
        cmocka_unit_test(hadamard_is_the_sylvester_matrix),
        cmocka_unit_test(ties),
    };
    return cmocka_run_group_tests_name("ops", tests, NULL, NULL);
}
