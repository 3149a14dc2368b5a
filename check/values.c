/* values.c - inputs and outputs of a case. The same seed gives the same values on every machine. */
#include <math.h>
#include <stdlib.h>

#include "private.h"

const char *const check_kind_names[CHECK_VAST + 1] = { "normal", "mixed", "ties", "zeros", "denormal", "huge", "NaN", "infinite", "vast" };

/* ---- numbers ---- */

/* splitmix64 */
uint64_t check_draw(check_random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t check_below(check_random *r, int64_t n)
{
    return n > 0 ? (int64_t)((check_draw(r) >> 1) % (uint64_t)n) : 0;
}

check_random check_seed(check *c)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *p = check_op_name(c->op); *p; p++) h = (h ^ (uint8_t)*p) * 0x100000001b3u;
    for (const char *p = c->name; *p; p++) h = (h ^ (uint8_t)*p) * 0x100000001b3u;
    check_random r = { h ^ (c->ordinal++ * 0xd1342543de82ef95u) };
    check_draw(&r);
    return r;
}

static float signed_power(uint64_t z, int exponent)
{
    const float m = 1.0f + (float)(z >> 40 & 0xffff) * 0x1p-16f;
    return ldexpf(z & 1 ? -m : m, exponent);
}

float check_value(check_random *r, check_kind kind)
{
    const uint64_t z = check_draw(r);

    switch (kind) {
    case CHECK_NORMAL: { /* four uniforms: variance 1 when scaled by sqrt(3) */
        const float sum = (float)(z & 0xffff) + (float)(z >> 16 & 0xffff) + (float)(z >> 32 & 0xffff) + (float)(z >> 48);
        return (sum - 131070.0f) * (1.7320508f / 65535.0f);
    }
    case CHECK_MIXED: return (z >> 8 & 15) == 0 ? 0.0f : signed_power(z, (int)(z >> 16 & 0xff) % 33 - 20);
    case CHECK_TIES: return (float)((int)(z % 601) - 300) * 0.5f;
    case CHECK_ZEROS: return z & 1 ? -0.0f : 0.0f;
    case CHECK_DENORMAL: return ds_bits_f32((uint32_t)(z & 0x807fffff) | (z >> 40 & 7 ? 0 : 1u << 23));
    case CHECK_HUGE: return signed_power(z, 20 + (int)(z >> 16 & 0xff) % 31);
    case CHECK_NAN:
    case CHECK_INFINITE: return check_value(r, CHECK_NORMAL); /* rows get theirs when they are whole: draw_row */
    case CHECK_VAST: return signed_power(z, 66 + (int)(z >> 16 & 0xff) % 25);
    }
    return 0.0f;
}

float check_special(check_random *r, check_kind kind)
{
    const uint32_t z = (uint32_t)check_draw(r);
    return ds_bits_f32(kind == CHECK_NAN ? z | 0x7fc00000 : (z & 0x80000000) | 0x7f800000); /* quiet ones */
}

bool check_has_special(check_random *r, check_kind kind, int64_t row)
{
    return (kind == CHECK_NAN || kind == CHECK_INFINITE) && (row == 0 || check_below(r, 2) == 0);
}

/* ---- buffers ---- */

static check_buffer *place(check *c, check_role role, const char *name, int64_t bytes, int64_t unit)
{
    if (c->n_buffers == CHECK_MAX_BUFFERS) {
        fprintf(stderr, "dsv4-check: more than %d buffers in a case\n", CHECK_MAX_BUFFERS);
        exit(1);
    }
    check_buffer     *b = &c->buffer[c->n_buffers++];
    const check_buffer old = *b;

    check_slot_place(&b->slot, (size_t)bytes, (size_t)unit, c->place);
    *b = (check_buffer){ .slot = b->slot, .role = role, .name = name, .group = 1,
                         .initial = old.initial, .first = old.first, .reference = old.reference,
                         .initial_size = old.initial_size, .first_size = old.first_size, .reference_size = old.reference_size };
    return b;
}

void check_keep(uint8_t **at, size_t *at_size, const void *from, size_t size)
{
    if (*at_size < size) {
        free(*at);
        *at = malloc(size);
        *at_size = size;
        if (!*at) {
            fprintf(stderr, "dsv4-check: no memory for %zu bytes\n", size);
            exit(1);
        }
    }
    if (size) memcpy(*at, from, size);
}

void *check_in(check *c, int64_t bytes, int64_t unit)
{
    return place(c, CHECK_ROLE_IN, "input", bytes, unit)->slot.data;
}

void *check_copy(check *c, const void *from, int64_t bytes, int64_t unit)
{
    void *p = check_in(c, bytes, unit);
    if (bytes) memcpy(p, from, (size_t)bytes);
    return p;
}

void *check_scratch(check *c, int64_t bytes, int64_t unit)
{
    return place(c, CHECK_ROLE_SCRATCH, "scratch", bytes, unit)->slot.data;
}

void *check_out_bytes(check *c, const char *name, int64_t bytes, int64_t unit)
{
    return place(c, CHECK_ROLE_OUT, name, bytes, unit)->slot.data;
}

void *check_inout_bytes(check *c, const char *name, int64_t bytes, int64_t unit)
{
    check_buffer *b = place(c, CHECK_ROLE_OUT, name, bytes, unit);
    check_random  r = check_seed(c);

    b->keeps = true;
    for (int64_t i = 0; i < bytes; i++) b->slot.data[i] = (uint8_t)check_draw(&r);
    return b->slot.data;
}

static ds_tensor tensor_of(void *data, ds_dtype dtype, int64_t n, int64_t m, int64_t width)
{
    if (m) return (ds_tensor){ .data = data, .dtype = dtype, .rank = 3, .shape = { n, m, width } };
    return (ds_tensor){ .data = data, .dtype = dtype, .rank = 2, .shape = { n, width } };
}

static void *derived(check *c, const char *name, int64_t bytes, int64_t unit)
{
    check_buffer *b = place(c, CHECK_ROLE_OUT, name, bytes, unit);

    b->derived = true;
    return b->slot.data;
}

ds_tensor check_out_quantized(check *c, ds_dtype dtype, int64_t n, int64_t width)
{
    ds_tensor y = tensor_of(derived(c, "codes", n * ds_row_bytes(dtype, width), 1), dtype, n, 0, width);

    y.scale = derived(c, "scales", n * ds_ceil_div(width, dtype == DS_E4M3 ? DS_BLOCK_FP8 : DS_BLOCK_NVFP4), 1);
    if (dtype == DS_NVFP4) y.global = derived(c, "global", n * 4, 4);
    return y;
}

static void draw_floats(check *c, const ds_tensor *t, check_kind kind)
{
    check_random  r = check_seed(c);
    const int64_t n = t->shape[0] * ds_width(t), width = t->shape[t->rank - 1];

    for (int64_t i = 0; i < n; i++) ds_put(t, i, check_value(&r, kind));
    for (int64_t row = 0; row * width < n; row++) {
        if (!check_has_special(&r, kind, row)) continue;
        for (int64_t j = 0; j <= width / 64; j++) ds_put(t, row * width + check_below(&r, width), check_special(&r, kind));
    }
}

ds_tensor check_float(check *c, ds_dtype dtype, int64_t n, int64_t m, int64_t width, check_kind kind)
{
    const int64_t size = ds_row_bytes(dtype, 1);
    ds_tensor     t = tensor_of(check_in(c, n * (m ? m : 1) * width * size, size), dtype, n, m, width);
    draw_floats(c, &t, kind);
    return t;
}

ds_tensor check_out(check *c, const char *name, ds_dtype dtype, int64_t n, int64_t m, int64_t width, check_tolerance tolerance)
{
    const int64_t size = ds_row_bytes(dtype, 1);
    check_buffer *b = place(c, CHECK_ROLE_OUT, name, n * (m ? m : 1) * width * size, size);

    b->is_float = true;
    b->dtype = dtype;
    b->group = width;
    b->tolerance = tolerance;
    return tensor_of(b->slot.data, dtype, n, m, width);
}

ds_tensor check_inout(check *c, const char *name, ds_dtype dtype, int64_t n, int64_t m, int64_t width, check_kind kind,
                      check_tolerance tolerance)
{
    ds_tensor t = check_out(c, name, dtype, n, m, width, tolerance);

    c->buffer[c->n_buffers - 1].keeps = true;
    draw_floats(c, &t, kind);
    return t;
}

void check_group(check *c, int64_t group)
{
    c->buffer[c->n_buffers - 1].group = group;
}

void check_ragged(check *c, const int32_t *count, int64_t width)
{
    c->buffer[c->n_buffers - 1].count = count;
    c->buffer[c->n_buffers - 1].ragged_width = width;
}

float *check_floats(check *c, int64_t n, check_kind kind)
{
    return check_float(c, DS_F32, 1, 0, n, kind).data;
}

ds_tensor check_activation(check *c, ds_dtype dtype, int64_t n, int64_t width, check_kind kind)
{
    if (dtype == DS_F32 || dtype == DS_BF16) return check_float(c, dtype, n, 0, width, kind);

    ds_quantize_args q = { .x = tensor_of(check_temp(c, n * width * 4), DS_F32, n, 0, width) };
    const int64_t    block = dtype == DS_E4M3 ? DS_BLOCK_FP8 : DS_BLOCK_NVFP4;
    draw_floats(c, &q.x, kind);
    q.y = tensor_of(check_in(c, n * ds_row_bytes(dtype, width), 1), dtype, n, 0, width);
    q.y.scale = check_in(c, n * ds_ceil_div(width, block), 1);
    if (dtype == DS_NVFP4) q.y.global = check_in(c, n * 4, 4);
    if (n > 0) ds_quantize_scalar(&q, 0, n, 0);
    return q.y;
}

ds_tensor check_row_of(ds_tensor t, int64_t row)
{
    const int64_t width = ds_width(&t);

    t.data = (char *)t.data + row * ds_row_bytes(t.dtype, width);
    if (t.dtype == DS_E4M3) t.scale += row * ds_ceil_div(width, DS_BLOCK_FP8);
    if (t.dtype == DS_NVFP4) {
        t.scale += row * ds_ceil_div(width, DS_BLOCK_NVFP4);
        t.global += row;
    }
    t.shape[0] = 1;
    return t;
}

/* ---- stored weights ---- */

static uint16_t half_value(check_random *r, check_kind kind)
{
    static const uint16_t ties[4] = { 0x3c00, 0x3800, 0x4000, 0 };
    const uint64_t        z = check_draw(r);
    const uint16_t        sign = (uint16_t)(z & 0x8000), mantissa = (uint16_t)(z & 0x3ff);

    switch (kind) {
    case CHECK_TIES: return (uint16_t)(sign | ties[z >> 20 & 3]);
    case CHECK_ZEROS: return sign;
    case CHECK_DENORMAL: return sign | mantissa;
    case CHECK_HUGE: return (uint16_t)(sign | mantissa | (26 + (z >> 20 & 3)) << 10);
    case CHECK_NAN: if ((z >> 32 & 0x7f) == 0) return (uint16_t)(sign | 0x7e00); break;
    case CHECK_INFINITE: if ((z >> 32 & 0x7f) == 0) return (uint16_t)(sign | 0x7c00); break;
    default: break;
    }
    return (uint16_t)(sign | mantissa | (6 + (z >> 20 & 7)) << 10);
}

static void put_value(void *data, ds_dtype dtype, int64_t i, check_random *r, check_kind kind)
{
    if (dtype == DS_F16) {
        const uint16_t v = half_value(r, kind);
        memcpy((char *)data + 2 * i, &v, 2);
        return;
    }
    const bool    special = (kind == CHECK_NAN || kind == CHECK_INFINITE) && check_below(r, 128) == 0;
    const float   v = special ? check_special(r, kind) : check_value(r, kind);
    const ds_bf16 half = ds_f32_to_bf16(v);
    if (dtype == DS_F32) memcpy((char *)data + 4 * i, &v, 4);
    else memcpy((char *)data + 2 * i, &half, 2);
}

ds_vector check_vector(check *c, ds_dtype dtype, int64_t n, check_kind kind)
{
    const ds_vector v = { check_in(c, n * ds_row_bytes(dtype, 1), 1), dtype, n };
    check_random    r = check_seed(c);
    for (int64_t i = 0; i < n; i++) put_value((void *)(uintptr_t)v.data, dtype, i, &r, kind);
    return v;
}

static uint8_t e4m3_of(uint8_t code, check_kind kind)
{
    static const uint8_t ties[4] = { 0x38, 0x40, 0x30, 0 };

    switch (kind) {
    case CHECK_ZEROS: return code & 0x80;
    case CHECK_DENORMAL: return code & 0x87;
    case CHECK_TIES: return (uint8_t)((code & 0x80) | ties[code & 3]);
    case CHECK_HUGE: return (uint8_t)((code & 0x8f) | 0x70) & (code & 8 ? 0xfe : 0xff);
    default: return (code & 0x7f) == 0x7f ? code ^ 1 : code; /* no NaN */
    }
}

static uint8_t fp4_pair_of(uint8_t code, check_kind kind)
{
    return kind == CHECK_ZEROS ? code & 0x88 : kind == CHECK_DENORMAL ? code & 0x99 : kind == CHECK_HUGE ? code | 0x66 : code;
}

/* The exponent of a block scale. */
static int scale_exponent(uint64_t z, check_kind kind)
{
    return kind == CHECK_TIES ? -1 : kind == CHECK_HUGE ? 10 + (int)(z & 15) : kind == CHECK_DENORMAL ? -127 + (int)(z & 3)
         : -10 + (int)(z & 7);
}

/* Never infinite: times a zero that fills up a block, such a scale is NaN, alone it is not; told as damage either way. */
static void draw_scales(check *c, void *scale, ds_dtype dtype, int64_t n, check_kind kind)
{
    check_random r = check_seed(c);

    for (int64_t i = 0; i < n; i++) {
        const uint64_t z = check_draw(&r);
        const int      e = scale_exponent(z, kind);
        const bool     nan = kind == CHECK_NAN && (z >> 16 & 31) == 0;
        if (dtype == DS_E8M0) ((uint8_t *)scale)[i] = nan ? 255 : (uint8_t)(e + 127);
        else if (dtype == DS_E4M3) ((uint8_t *)scale)[i] = nan ? 0x7f : e4m3_of((uint8_t)(z & 0x7f), kind) & 0x7f;
        else {
            const float   s = nan ? NAN : ldexpf(kind == CHECK_TIES ? 1.0f : 1.0f + (float)(z >> 40 & 0xffff) * 0x1p-16f, e);
            const ds_bf16 half = ds_f32_to_bf16(s);
            if (dtype == DS_F32) memcpy((char *)scale + 4 * i, &s, 4);
            else memcpy((char *)scale + 2 * i, &half, 2);
        }
    }
}

static void draw_codes(check *c, uint8_t *code, int64_t n, bool fp8, check_kind kind)
{
    check_random r = check_seed(c);

    for (int64_t i = 0; i < n; i += 8) {
        uint64_t z = check_draw(&r);
        for (int64_t j = i; j < n && j < i + 8; j++, z >>= 8)
            code[j] = fp8 ? e4m3_of((uint8_t)z, kind) : fp4_pair_of((uint8_t)z, kind);
        if (fp8 && kind == CHECK_NAN && check_below(&r, 32) == 0) code[i + check_below(&r, n - i < 8 ? n - i : 8)] |= 0x7f;
    }
}

ds_weight check_weight_blocks(check *c, ds_dtype scale_dtype, int64_t n, int64_t k, int32_t block_n, int32_t block_k,
                              check_kind kind)
{
    const int64_t scales = ds_ceil_div(n, block_n) * ds_ceil_div(k, block_k);
    uint8_t      *code = check_in(c, n * k, 1);
    void         *scale = check_in(c, scales * ds_row_bytes(scale_dtype, 1), 1);

    draw_codes(c, code, n * k, true, kind);
    draw_scales(c, scale, scale_dtype, scales, kind);
    return (ds_weight){ .data = code, .scale = scale, .dtype = DS_E4M3, .scale_dtype = scale_dtype, .global = 1.0f,
                        .n = n, .k = k, .block_n = block_n, .block_k = block_k };
}

ds_weight check_weight(check *c, ds_dtype dtype, ds_dtype scale_dtype, int64_t n, int64_t k, check_kind kind)
{
    if (dtype == DS_E4M3) return check_weight_blocks(c, scale_dtype, n, k, 128, 128, kind);

    ds_weight w = { .dtype = dtype, .scale_dtype = dtype == DS_MXFP4 ? DS_E8M0 : DS_E4M3, .global = 1.0f, .n = n, .k = k };
    if (dtype == DS_MXFP4 || dtype == DS_NVFP4) {
        const int64_t scales = n * ds_ceil_div(k, dtype == DS_MXFP4 ? DS_BLOCK_MXFP4 : DS_BLOCK_NVFP4);
        uint8_t      *code = check_in(c, n * ((k + 1) / 2), 1);
        void         *scale = check_in(c, scales, 1);
        draw_codes(c, code, n * ((k + 1) / 2), false, kind);
        draw_scales(c, scale, w.scale_dtype, scales, kind);
        w.data = code;
        w.scale = scale;
        if (dtype == DS_NVFP4) w.global = kind == CHECK_TIES ? 0x1p-8f : 0.00123f;
    } else {
        const ds_vector v = check_vector(c, dtype, n * k, kind);
        w.data = v.data;
    }
    return w;
}
