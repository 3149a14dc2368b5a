/* test_formats.c - the base number formats against their vectors. */
#include <math.h>

#include "base/bf16.h"
#include "base/encode.h"
#include "base/fp4.h"
#include "base/fp8.h"
#include "base/tensor.h"
#include "folder.h"

static json_t *vectors(const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s.json", TEST_PATH("test/vectors"), name);
    return read_vectors(path);
}

static uint32_t number_of(const json_t *v)
{
    assert_non_null(v);
    return json_is_string(v) ? (uint32_t)strtoul(json_string_value(v), NULL, 16) : (uint32_t)json_integer_value(v);
}

static uint32_t field(const json_t *object, const char *key)
{
    return number_of(json_object_get(object, key));
}

static uint32_t item(const json_t *list, size_t i)
{
    return number_of(json_array_get(list, i));
}

static void test_bf16(void **state)
{
    json_t *root = vectors("bf16"), *c;
    size_t  i, n = 0;

    (void)state;
    json_array_foreach(json_object_get(root, "cases"), i, c) {
        assert_int_equal(ds_f32_to_bf16(ds_bits_f32(field(c, "f32_bits"))), field(c, "bf16_bits"));
        assert_int_equal(ds_f32_bits(ds_bf16_to_f32((ds_bf16)field(c, "bf16_bits"))), field(c, "back_bits"));
        n++;
    }
    for (uint32_t b = 0; b < 65536; b++) { /* every value comes back; a NaN stays one */
        const float x = ds_bf16_to_f32((ds_bf16)b);
        assert_int_equal(ds_f32_to_bf16(x), isnan(x) ? (b | 0x40) : b);
    }
    assert_int_equal(n, 18);
    print_message("bf16: %zu cases, 65536 round trips\n", n);
    json_decref(root);
}

static void test_f16(void **state)
{
    (void)state;
    for (uint32_t b = 0; b < 65536; b++) {
        const int    e = (int)(b >> 10 & 31), m = (int)(b & 1023);
        const double mag = e == 31 ? (m ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
        const float  x = ds_f16_to_f32((uint16_t)b);
        if (isnan(mag)) assert_true(isnan(x));
        else assert_true(fabs((double)x) == mag && !signbit(x) == !(b >> 15));
    }
}

static void test_e2m1(void **state)
{
    json_t *root = vectors("e2m1"), *c;
    size_t  i, n = 0;

    (void)state;
    json_array_foreach(json_object_get(root, "decode"), i, c) {
        assert_true(ds_e2m1_to_f32(field(c, "code")) == (float)json_number_value(json_object_get(c, "value")));
        n++;
    }
    json_array_foreach(json_object_get(root, "encode"), i, c) {
        assert_int_equal(ds_f32_to_e2m1(ds_bits_f32(field(c, "x_bits"))), field(c, "code"));
        n++;
    }
    json_array_foreach(json_object_get(root, "midpoints"), i, c) {
        const float m = (float)json_number_value(json_object_get(c, "m"));
        assert_int_equal(ds_f32_to_e2m1(m), field(c, "tie_code"));
        assert_int_equal(ds_f32_to_e2m1(-m), 8 | field(c, "tie_code"));
        n++;
    }
    json_t *pack = json_object_get(root, "pack_example");
    uint8_t row[2] = { 0 };
    for (i = 0; i < 4; i++) ds_fp4_put(row, (int64_t)i, (uint8_t)item(json_object_get(pack, "codes"), i));
    for (i = 0; i < 2; i++) assert_int_equal(row[i], item(json_object_get(pack, "bytes"), i));
    for (i = 0; i < 4; i++) assert_int_equal(ds_fp4_code(row, (int64_t)i), item(json_object_get(pack, "codes"), i));
    assert_int_equal(n, 16 + 38 + 7);
    print_message("e2m1: %zu cases\n", n);
    json_decref(root);
}

static void test_e4m3(void **state)
{
    json_t *root = vectors("e4m3"), *c;
    size_t  i, n = 0;

    (void)state;
    json_array_foreach(json_object_get(root, "decode_bits"), i, c) {
        const float x = ds_e4m3_to_f32((uint8_t)i);
        if ((i & 127) == 127) assert_true(isnan(x));
        else assert_int_equal(ds_f32_bits(x), number_of(c));
        if (!isnan(x)) assert_int_equal(ds_f32_to_e4m3(x), i);
        n++;
    }
    json_array_foreach(json_object_get(root, "encode"), i, c) {
        assert_int_equal(ds_f32_to_e4m3(ds_bits_f32(field(c, "x_bits"))), field(c, "code_saturating"));
        n++;
    }
    assert_int_equal(n, 256 + 37);
    print_message("e4m3: %zu cases\n", n);
    json_decref(root);
}

static void test_ue8m0(void **state)
{
    json_t *root = vectors("ue8m0"), *c;
    size_t  i, n = 0;

    (void)state;
    json_array_foreach(json_object_get(root, "decode_bits"), i, c) {
        const float x = ds_e8m0_to_f32((uint8_t)i);
        if (i == 255) assert_true(isnan(x));
        else assert_int_equal(ds_f32_bits(x), number_of(c));
        n++;
    }
    json_array_foreach(json_object_get(json_object_get(root, "fp8_activation_scale"), "cases"), i, c) {
        assert_int_equal(ds_fp8_scale(ds_bits_f32(field(c, "amax_bits"))), field(c, "byte"));
        n++;
    }
    json_array_foreach(json_object_get(json_object_get(root, "fp4_activation_scale"), "cases"), i, c) {
        assert_int_equal(ds_fp4_scale(ds_bits_f32(field(c, "amax_bits"))), field(c, "byte"));
        n++;
    }
    assert_int_equal(n, 256 + 20 + 16);
    print_message("ue8m0: %zu cases\n", n);
    json_decref(root);
}

/* Groups of `group`: scale byte, codes, and what comes back in BF16. */
static size_t check_groups(const json_t *input, const json_t *expected, int group, bool fp4)
{
    const json_t *scales = json_object_get(expected, "scale"), *codes = json_object_get(expected, "codes");
    const json_t *back = json_object_get(expected, "dequant_bf16");
    const size_t  n = json_array_size(input);

    assert_int_equal(json_array_size(codes), n);
    assert_int_equal(json_array_size(back), n);
    assert_int_equal(json_array_size(scales), n / (size_t)group);
    for (size_t g = 0; g < n / (size_t)group; g++) {
        float amax = 0;
        for (size_t i = g * (size_t)group; i < (g + 1) * (size_t)group; i++)
            amax = fmaxf(amax, fabsf(ds_bits_f32(item(input, i))));
        const uint8_t byte = fp4 ? ds_fp4_scale(amax) : ds_fp8_scale(amax);
        assert_int_equal(byte, item(scales, g));
        const float scale = ds_e8m0_to_f32(byte);
        for (size_t i = g * (size_t)group; i < (g + 1) * (size_t)group; i++) {
            const float   x = ds_bits_f32(item(input, i)) / scale;
            const uint8_t code = fp4 ? ds_f32_to_e2m1(x) : ds_f32_to_e4m3(x);
            assert_int_equal(code, item(codes, i));
            const float value = fp4 ? ds_e2m1_to_f32(code) : ds_e4m3_to_f32(code);
            assert_int_equal(ds_f32_to_bf16(value * scale), item(back, i));
        }
    }
    return n;
}

static void test_activations(void **state)
{
    json_t *fp8 = vectors("fp8_act"), *fp4 = vectors("fp4_act");
    size_t  n = 0;

    (void)state;
    n += check_groups(json_object_get(fp8, "input_bits"), json_object_get(fp8, "group128"), 128, false);
    n += check_groups(json_object_get(fp8, "input_bits"), json_object_get(fp8, "group64"), 64, false);
    n += check_groups(json_object_get(fp4, "input_bits"), fp4, 32, true);
    assert_int_equal(n, 128 + 128 + 64);
    print_message("activations: %zu values\n", n);
    json_decref(fp8);
    json_decref(fp4);
}

static void test_mxfp4(void **state)
{
    json_t       *root = vectors("mxfp4"), *c;
    const json_t *scales = json_object_get(root, "scale_e8m0"), *cast = json_object_get(root, "lossless_nvfp4_cast");
    const json_t *as_nvfp4 = json_object_get(cast, "weight_scale_e4m3");
    const float   global = (float)json_number_value(json_object_get(cast, "weight_scale_2"));
    uint8_t       packed[48];
    size_t        i, n = 0, exact = 0;

    (void)state;
    assert_int_equal(json_array_size(json_object_get(root, "packed")), 48);
    for (i = 0; i < 48; i++) packed[i] = (uint8_t)item(json_object_get(root, "packed"), i);
    json_array_foreach(json_object_get(root, "dequant"), i, c) {
        const float code = ds_e2m1_to_f32(ds_fp4_code(packed, (int64_t)i));
        const float value = code * ds_e8m0_to_f32((uint8_t)item(scales, i / 32));
        assert_true(value == (float)json_number_value(c));
        if (json_is_true(json_array_get(json_object_get(cast, "exact_blocks"), i / 32))) {
            assert_true(code * (ds_e4m3_to_f32((uint8_t)item(as_nvfp4, i / 16)) * global) == value);
            exact++;
        }
        n++;
    }
    assert_int_equal(n, 96);

    uint8_t         bytes[3], codes[48], as_e4m3[6]; /* the same by the encoder: three blocks as three rows */
    const ds_weight w = { .data = packed, .scale = bytes, .dtype = DS_MXFP4, .scale_dtype = DS_E8M0, .global = 1, .n = 3, .k = 32 };
    for (i = 0; i < 3; i++) bytes[i] = (uint8_t)item(scales, i);
    assert_int_equal(ds_encode_exponent(&w, 0, 3), json_integer_value(json_object_get(cast, "k_max")));
    const ds_encoder e = { .w = &w, .to = DS_NVFP4, .global = ds_cast_global(ds_encode_exponent(&w, 0, 3)), .cast = true };
    assert_true(e.global == global && ds_encode_rows(&e, 0, 3, codes, as_e4m3));
    for (i = 0; i < 6; i++) assert_int_equal(as_e4m3[i], item(as_nvfp4, i));
    for (i = 0; i < 48; i++)
        if (json_is_true(json_array_get(json_object_get(cast, "exact_blocks"), i / 16))) assert_int_equal(codes[i], packed[i]);
    print_message("mxfp4: %zu values, %zu of them also as NVFP4\n", n, exact);
    json_decref(root);
}

/* One two-level quantisation; with ModelOpt's rule for weights a zero block's scale becomes 1. */
static size_t check_nvfp4(const json_t *root, const char *name, bool modelopt)
{
    const json_t *input = json_object_get(root, "input_bits"), *expected = json_object_get(root, name);
    const json_t *back = json_object_get(expected, "dequant_bits");
    const float   global = (float)json_number_value(json_object_get(root, "amax")) / 2688.0f;
    uint8_t       packed[32] = { 0 };

    assert_int_equal(ds_f32_bits(global), field(root, "global_scale_bits"));
    for (size_t b = 0; b < 4; b++) {
        float amax = 0;
        for (size_t i = 16 * b; i < 16 * b + 16; i++) amax = fmaxf(amax, fabsf(ds_bits_f32(item(input, i))));
        float scale = amax / 6.0f / global;
        if (modelopt) scale = scale == 0 ? 1.0f : fmaxf(scale, 0x1p-9f);
        const uint8_t byte = ds_f32_to_e4m3(scale);
        assert_int_equal(byte, item(json_object_get(expected, "scales_e4m3"), b));
        const float step = ds_e4m3_to_f32(byte) * global;
        for (size_t i = 16 * b; i < 16 * b + 16; i++) {
            const uint8_t code = step == 0 ? 0 : ds_f32_to_e2m1(ds_bits_f32(item(input, i)) / step);
            assert_int_equal(code, item(json_object_get(expected, "codes"), i));
            if (back) assert_int_equal(ds_f32_bits(ds_e2m1_to_f32(code) * step), item(back, i));
            ds_fp4_put(packed, (int64_t)i, code);
        }
    }
    for (size_t i = 0; i < 32; i++) assert_int_equal(packed[i], item(json_object_get(expected, "packed"), i));
    if (!modelopt) return 64;

    float            x[64]; /* the same by the encoder, as one row of four blocks */
    uint8_t          codes[32], scales[4];
    const ds_weight  w = { .data = x, .dtype = DS_F32, .n = 1, .k = 64 };
    for (size_t i = 0; i < 64; i++) x[i] = ds_bits_f32(item(input, i));
    const ds_encoder e = { .w = &w, .to = DS_NVFP4, .global = ds_nvfp4_global(ds_encode_amax(&w, 0, 1)) };
    assert_true(e.global == global && ds_encode_rows(&e, 0, 1, codes, scales));
    assert_memory_equal(codes, packed, 32);
    for (size_t b = 0; b < 4; b++) assert_int_equal(scales[b], item(json_object_get(expected, "scales_e4m3"), b));
    return 64;
}

static void test_nvfp4(void **state)
{
    json_t      *root = vectors("nvfp4");
    const size_t n = check_nvfp4(root, "activation", false) + check_nvfp4(root, "modelopt_weight", true);

    (void)state;
    print_message("nvfp4: %zu values\n", n);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bf16), cmocka_unit_test(test_f16), cmocka_unit_test(test_e2m1), cmocka_unit_test(test_e4m3),
        cmocka_unit_test(test_ue8m0), cmocka_unit_test(test_activations), cmocka_unit_test(test_mxfp4),
        cmocka_unit_test(test_nvfp4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
