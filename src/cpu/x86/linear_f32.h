/* linear_f32.h - the F32 path: any weights with any activations, widened to F32 in registers and multiplied there.
 *
 * Value k goes to lane k % LANES, whatever the format: equal values have equal sums. */
#ifndef DS_CPU_X86_LINEAR_F32_H
#define DS_CPU_X86_LINEAR_F32_H

#include "cpu/x86/linear_tiles.h"

/* Values [i, i + LANES) of block b of row r; a block scale is applied to each value, as a dequantised matrix would hold it. */
V_INLINE vf weight_f32(ds_dtype format, const weight_rows *w, int r, int64_t b, int64_t i)
{
    const uint8_t *code = w->code + r * w->next + b * ds_row_bytes(format, BLOCK) + ds_row_bytes(format, i);
    const uint8_t *scale = w->scale + r * w->next_scale;

    switch (format) {
    case DS_F32: return w_f32(code);
    case DS_BF16: return w_bf16(code);
    case DS_F16: return w_f16(code);
    case DS_E4M3: return w_e4m3(code) * v_set(ds_load(scale, DS_F32, (b * BLOCK + i) / MIN_SCALE));
    case DS_MXFP4: return w_e2m1(code) * v_set(ds_e8m0_to_f32(scale[(b * BLOCK + i) / DS_BLOCK_MXFP4]));
    case DS_NVFP4: return w_e2m1(code) * v_set(ds_e4m3_to_f32(scale[(b * BLOCK + i) / DS_BLOCK_NVFP4]) * w->global);
    default: return v_set(0.0f);
    }
}

/* Groups of weight rows from `first` on, as long as they are whole; the row behind the last one. */
V_INLINE int64_t groups_f32(ds_dtype format, int group, int n, const span *where, int64_t first)
{
    const span    s = *where; /* no store below can change it */
    const float  *x = s.x;
    vf            sum[4][MAX_ROWS], v_w[4];
    weight_rows   w;

    for (; first + group <= s.n_w; first += group) {
        find_rows(format, &w, &s, first);
        take_lanes(sum, &s, first, group, n);
        for (int64_t b = s.begin; b < s.end; b++) {
            fetch_codes(format, &w, group, &s, b);
            for (int64_t i = 0; i < BLOCK; i += LANES) {
                for (int r = 0; r < group; r++) v_w[r] = weight_f32(format, &w, r, b, i);
                for (int c = 0; c < n; c++) {
                    const vf v = w_f32(x + (b * BLOCK + i) * n + c * LANES);
                    for (int r = 0; r < group; r++) sum[r][c] = v_fma(v_w[r], v, sum[r][c]);
                }
            }
        }
        give_lanes(&s, first, group, n, sum);
    }
    return first;
}

V_INLINE void span_f32(ds_dtype format, int n, const span *s)
{
    groups_f32(format, 1, n, s, groups_f32(format, WEIGHT_ROWS(n), n, s, 0));
}

/* Values [first, first + n) of a row of x, n <= BLOCK, and zeros up to BLOCK. */
static inline void block_f32(vf out[BLOCK / LANES], const ds_tensor *x, int64_t row, int64_t first, int64_t n)
{
    const int64_t  width = ds_width(x);
    const uint8_t *code = (const uint8_t *)x->data + row * ds_row_bytes(x->dtype, width) + ds_row_bytes(x->dtype, first);

    if (n < BLOCK || first % BLOCK) {
        float wide[BLOCK] = { 0 };
        ds_decode_row(wide, x, row, first, n);
        for (int64_t i = 0; i < BLOCK; i += LANES) out[i / LANES] = w_f32(wide + i);
        return;
    }
    switch (x->dtype) {
    case DS_F32:
        for (int64_t i = 0; i < BLOCK; i += LANES) out[i / LANES] = w_f32(code + 4 * i);
        break;
    case DS_BF16:
        for (int64_t i = 0; i < BLOCK; i += LANES) out[i / LANES] = w_bf16(code + 2 * i);
        break;
    case DS_E4M3: {
        const vf s = v_set(ds_e8m0_to_f32(x->scale[row * ds_ceil_div(width, DS_BLOCK_FP8) + first / DS_BLOCK_FP8]));
        for (int64_t i = 0; i < BLOCK; i += LANES) out[i / LANES] = w_e4m3(code + i) * s;
        break;
    }
    default: {
        const uint8_t *scale = x->scale + row * ds_ceil_div(width, DS_BLOCK_NVFP4) + first / DS_BLOCK_NVFP4;
        for (int64_t i = 0; i < BLOCK; i += LANES)
            out[i / LANES] = w_e2m1(code + i / 2) * v_set(ds_e4m3_to_f32(scale[i / DS_BLOCK_NVFP4]));
    }
    }
}

/* A row of x, interleaved with n - 1 others. */
static void pack_f32(void *out, int64_t n, const ds_tensor *x, int64_t row, int64_t first, int64_t k, ds_dtype weights)
{
    (void)weights;
    for (int64_t i = 0; i < k; i += BLOCK) {
        vf v[BLOCK / LANES];
        block_f32(v, x, row, first + i, ds_smaller(BLOCK, k - i));
        for (int64_t j = 0; j < BLOCK / LANES; j++) v_store_f32((float *)out + (i + j * LANES) * n, v[j], LANES);
    }
}

#if defined(__AVX512F__)
#define F32_KERNELS(X, format) X(format, 1) X(format, 2) X(format, 4) X(format, 8)
#define F32_ROW(format) [DS_##format] = { f32_##format##_1, f32_##format##_2, f32_##format##_4, f32_##format##_8 }
#else
#define F32_KERNELS(X, format) X(format, 1) X(format, 2) X(format, 4)
#define F32_ROW(format) [DS_##format] = { f32_##format##_1, f32_##format##_2, f32_##format##_4 }
#endif

#define F32_KERNEL(format, n) \
    static void f32_##format##_##n(const span *s) { span_f32(DS_##format, n, s); }
F32_KERNELS(F32_KERNEL, F32)
F32_KERNELS(F32_KERNEL, BF16)
F32_KERNELS(F32_KERNEL, F16)
F32_KERNELS(F32_KERNEL, E4M3)
F32_KERNELS(F32_KERNEL, MXFP4)
F32_KERNELS(F32_KERNEL, NVFP4)

static const linear_path path_f32 = {
    4, 0, MIN_SCALE, pack_f32,
    { F32_ROW(F32), F32_ROW(BF16), F32_ROW(F16), F32_ROW(E4M3), F32_ROW(MXFP4), F32_ROW(NVFP4) }
};

#endif
