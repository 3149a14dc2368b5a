/* linear_bf16.h - the BF16 path: FP8, FP4 and BF16 weights with BF16 or quantised activations, by vdpbf16ps.
 *
 * E4M3 and E2M1 codes are BF16 values; so are activations with their scales applied (E4M3 times a power of two; E2M1
 * times E4M3 has six bits). Products are then exact and are added in F32. Weight scales multiply the partial sum of a
 * block of 128, lane by lane: a lane sees values of one scale only, which is why x is packed in the order in which
 * codes unpack most cheaply:
 *
 *     FP8   bytes of high halves and of low halves, by table (vpermi2b), interleave within 128-bit lanes: of 64 values
 *           first 0-7, 16-23, 32-39, 48-55, then the others
 *     FP4   64 bytes are 32 words of 4 codes; the table look-up (vpermw) takes 5 bits and its table repeats, so code j of
 *           each word comes up after a shift by 4j, unmasked: values 8d + j and 8d + 4 + j in lane d
 *     BF16  as it lies
 *
 * vdpbf16ps takes subnormals as zero; what is below 2^-126 after scaling by x's scale is lost. */
#ifndef DS_CPU_X86_LINEAR_BF16_H
#define DS_CPU_X86_LINEAR_BF16_H

#include "cpu/x86/e4m3_bf16.h"
#include "cpu/x86/linear_f32.h"

V_INLINE vf dot_bf16(vf sum, __m512i a, __m512i b)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

/* For what is used several times: a compiler would rather load it each time, and loads are what there is least of. */
V_INLINE __m512i load_once(const void *p)
{
    __m512i v = _mm512_loadu_si512(p);
    __asm__("" : "+v"(v));
    return v;
}

/* The BF16 values of E2M1 codes, twice. */
V_INLINE __m512i e2m1_table(void)
{
    const __m256i t = _mm256_setr_epi16(0, 0x3f00, 0x3f80, 0x3fc0, 0x4000, 0x4040, 0x4080, 0x40c0,
                                        (short)0x8000, (short)0xbf00, (short)0xbf80, (short)0xbfc0,
                                        (short)0xc000, (short)0xc040, (short)0xc080, (short)0xc0c0);
    return _mm512_broadcast_i64x4(t);
}

/* n NVFP4 scales, up to 64, 8 to a block, as BF16: a lane of 128 bits of `even` or `odd` takes those of a block. */
V_INLINE void nvfp4_load(__m512i *even, __m512i *odd, const uint8_t *scale, int64_t n, const e4m3_table *t)
{
    const __mmask64 mask = n < 64 ? ((__mmask64)1 << n) - 1 : ~(__mmask64)0;

    e4m3_to_bf16(even, odd, _mm512_maskz_loadu_epi8(mask, scale), t);
}

/* n MXFP4 scales, up to 64, 4 to a block, as BF16: a lane takes those of two blocks, `low` of blocks 0, 1, 4, 5, ... */
V_INLINE void mxfp4_load(__m512i *low, __m512i *high, const uint8_t *scale, int64_t n)
{
    const __mmask64 mask = n < 64 ? ((__mmask64)1 << n) - 1 : ~(__mmask64)0;
    const __m512i   zero = _mm512_setzero_si512(), code = _mm512_maskz_loadu_epi8(mask, scale);
    __m512i        *to[2] = { low, high };

    *low = _mm512_unpacklo_epi8(code, zero);
    *high = _mm512_unpackhi_epi8(code, zero);
    for (int i = 0; i < 2; i++) {
        const __mmask32 nan = _mm512_cmpeq_epi16_mask(*to[i], _mm512_set1_epi16(255));
        const __m512i   power = _mm512_max_epu16(_mm512_slli_epi16(*to[i], 7), _mm512_set1_epi16(0x40)); /* byte 0: 2^-127 */
        *to[i] = _mm512_mask_blend_epi16(nan, power, _mm512_set1_epi16(0x7fc0));
    }
}

/* The scales of a block as floats in the lanes of their values: lane d of FP4 has values 8d to 8d + 7. */
V_INLINE vf spread_scales(__m512i scales, __m512i where)
{
    return _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaa, where, scales)); /* to the upper halves */
}

/* Of a block whose scales begin at word `word`. */
V_INLINE __m512i spread_index(ds_dtype format, int64_t word)
{
    const __m512i half = _mm512_setr_epi32(0, 0, 1 << 16, 1 << 16, 2 << 16, 2 << 16, 3 << 16, 3 << 16,
                                           4 << 16, 4 << 16, 5 << 16, 5 << 16, 6 << 16, 6 << 16, 7 << 16, 7 << 16);
    const __m512i quarter = _mm512_setr_epi32(0, 0, 0, 0, 1 << 16, 1 << 16, 1 << 16, 1 << 16,
                                              2 << 16, 2 << 16, 2 << 16, 2 << 16, 3 << 16, 3 << 16, 3 << 16, 3 << 16);
    return _mm512_add_epi32(format == DS_NVFP4 ? half : quarter, _mm512_set1_epi32((int)word << 16));
}

/* 64 FP4 scales at a time: 8 blocks of NVFP4, 16 of MXFP4. */
V_INLINE void fp4_load(ds_dtype format, __m512i *one, __m512i *two, const uint8_t *scale, int64_t n, const e4m3_table *t)
{
    if (format == DS_NVFP4) nvfp4_load(one, two, scale, n, t);
    else mxfp4_load(one, two, scale, n);
}

V_INLINE int64_t fp4_scales(ds_dtype format) /* of a block */
{
    return format == DS_NVFP4 ? BLOCK / DS_BLOCK_NVFP4 : BLOCK / DS_BLOCK_MXFP4;
}

/* The scales of block i of 64 scales. */
V_INLINE vf block_scales(ds_dtype format, __m512i one, __m512i two, int i)
{
    if (format == DS_NVFP4) return spread_scales(i % 2 ? two : one, spread_index(format, i / 2 * 8));
    return spread_scales(i / 2 % 2 ? two : one, spread_index(format, i / 4 * 8 + i % 2 * 4));
}

/* 64 FP8 codes of each weight row, times x. */
V_INLINE void dot_e4m3(int group, int n, vf sum[4][MAX_ROWS], const weight_rows *w, int64_t b, int64_t half, const uint16_t *x)
{
    const e4m3_table table = e4m3_load();
    __m512i          first[4], second[4];

    for (int r = 0; r < group; r++)
        e4m3_to_bf16(&first[r], &second[r], load_once(w->code + r * w->next + b * BLOCK + half * 64), &table);
    for (int c = 0; c < n; c++) {
        const __m512i v = _mm512_loadu_si512(x + (half * 2 * n + c) * 32);
        for (int r = 0; r < group; r++) sum[r][c] = dot_bf16(sum[r][c], first[r], v);
    }
    for (int c = 0; c < n; c++) {
        const __m512i v = _mm512_loadu_si512(x + ((half * 2 + 1) * n + c) * 32);
        for (int r = 0; r < group; r++) sum[r][c] = dot_bf16(sum[r][c], second[r], v);
    }
}

/* 128 FP4 codes of each weight row, times x. */
V_INLINE void dot_e2m1(int group, int n, vf sum[4][MAX_ROWS], const weight_rows *w, int64_t b, const uint16_t *x)
{
    const __m512i table = e2m1_table();
    __m512i       code[4], v_w[4];

    for (int r = 0; r < group; r++) code[r] = load_once(w->code + r * w->next + b * BLOCK / 2);
    for (int j = 0; j < 4; j++) {
        for (int r = 0; r < group; r++) v_w[r] = _mm512_permutexvar_epi16(_mm512_srli_epi16(code[r], (unsigned)(4 * j)), table);
        for (int c = 0; c < n; c++) {
            const __m512i v = _mm512_loadu_si512(x + (j * n + c) * 32);
            for (int r = 0; r < group; r++) sum[r][c] = dot_bf16(sum[r][c], v_w[r], v);
        }
    }
}

V_INLINE void dot_plain(int group, int n, vf sum[4][MAX_ROWS], const weight_rows *w, int64_t b, const uint16_t *x)
{
    __m512i v_w[4];

    for (int64_t i = 0; i < BLOCK; i += 32) {
        for (int r = 0; r < group; r++) v_w[r] = _mm512_loadu_si512(w->code + r * w->next + 2 * (b * BLOCK + i));
        for (int c = 0; c < n; c++) {
            const __m512i v = _mm512_loadu_si512(x + i * n + c * 32);
            for (int r = 0; r < group; r++) sum[r][c] = dot_bf16(sum[r][c], v_w[r], v);
        }
    }
}

/* Groups of weight rows from `first` on, as long as they are whole; the row behind the last one. FP4 rows have `blocks` blocks,
 * so few that the scales of a group fit into two registers. A group's sums are given away when the next one is under way if there
 * is one row of x: adding up across lanes is a chain of instructions, which would fill the processor's queues while it waits. */
V_INLINE int64_t groups_bf16(ds_dtype format, int blocks, int group, int n, const span *where, int64_t first)
{
    const span       s = *where; /* no store below can change it */
    const int64_t    begin = first, end = blocks ? blocks : s.end;
    const e4m3_table table = e4m3_load();
    weight_rows      w;
    vf               total[4][MAX_ROWS], sum[4][MAX_ROWS], late[4][MAX_ROWS] = { { { 0 } } };
    __m512i          one, two;

    for (; first + group <= s.n_w; first += group) {
        find_rows(format, &w, &s, first);
        take_lanes(total, &s, first, group, n);
        if (blocks) fp4_load(format, &one, &two, w.scale, group * blocks * fp4_scales(format), &table);
        for (int64_t b = blocks ? 0 : s.begin; b < end; b++) {
            const uint16_t *x = (const uint16_t *)s.x + b * BLOCK * n;
            fetch_codes(format, &w, group, &s, b);
            if (format == DS_BF16) {
                dot_plain(group, n, total, &w, b, x);
                continue;
            }
            for (int r = 0; r < group; r++)
                for (int c = 0; c < n; c++) sum[r][c] = v_set(0.0f);
            if (format == DS_E4M3) {
                dot_e4m3(group, n, sum, &w, b, 0, x);
                dot_e4m3(group, n, sum, &w, b, 1, x);
            } else {
                dot_e2m1(group, n, sum, &w, b, x);
            }
            for (int r = 0; r < group; r++) {
                const vf scale = blocks ? block_scales(format, one, two, r * blocks + (int)b) : v_set(ds_load(w.scale, DS_F32, b));
                for (int c = 0; c < n; c++) total[r][c] = v_fma(sum[r][c], scale, total[r][c]);
            }
        }
        if (n > 1) {
            give_lanes(&s, first, group, n, total);
            continue;
        }
        if (first > begin) give_lanes(&s, first - group, group, n, late);
        for (int r = 0; r < group; r++) late[r][0] = total[r][0];
    }
    if (n == 1 && first > begin) give_lanes(&s, first - group, group, n, late);
    return first;
}

/* Long rows of FP8 and BF16 are taken one after the other if there is one row of x: of one stream hardware fetches ahead better
 * than what is said here, and as fast as memory goes. Unpacking FP4 needs four rows side by side. */
V_INLINE void span_bf16(ds_dtype format, int n, const span *where)
{
    enum { LONG_BYTES = 1 << 10 };
    span s = *where;

    int64_t first = 0;
    if (n == 1 && s.row_bytes >= LONG_BYTES) s.ahead = 0;
    else first = groups_bf16(format, 0, WEIGHT_ROWS(n), n, &s, 0);
    (void)groups_bf16(format, 0, 1, n, &s, first);
}

/* Block b of a group of FP4 rows, whose scales are in `scales`. */
V_INLINE void block_fp4(ds_dtype format, int group, int n, vf total[4][MAX_ROWS], const span *s, const weight_rows *w, int64_t b,
                      const __m512i scales[4], __m512i where)
{
    vf sum[4][MAX_ROWS];

    if (b >= s->end) return;
    fetch_codes(format, w, group, s, b);
    for (int r = 0; r < group; r++)
        for (int c = 0; c < n; c++) sum[r][c] = v_set(0.0f);
    dot_e2m1(group, n, sum, w, b, (const uint16_t *)s->x + b * BLOCK * n);
    for (int r = 0; r < group; r++) {
        const vf scale = spread_scales(scales[r], where);
        for (int c = 0; c < n; c++) total[r][c] = v_fma(sum[r][c], scale, total[r][c]);
    }
}

/* FP4 with long rows: 64 scales of each row stay in registers. In memory they would wait for stores, 32 bytes a cycle. */
V_INLINE int64_t groups_fp4(ds_dtype format, int group, int n, const span *where, int64_t first)
{
    const span       s = *where;
    const int64_t    each = fp4_scales(format);
    const e4m3_table table = e4m3_load();
    weight_rows      w;
    vf               total[4][MAX_ROWS];
    __m512i          one[4], two[4];

    for (; first + group <= s.n_w; first += group) {
        find_rows(format, &w, &s, first);
        take_lanes(total, &s, first, group, n);
        for (int64_t b = s.begin, end; b < s.end; b = end) {
            end = b + 64 / each;
            for (int r = 0; r < group; r++) {
                const uint8_t *scale = w.scale + r * w.next_scale + each * b;
                if (s.ahead_scales) _mm_prefetch((const char *)scale + s.ahead_scales, _MM_HINT_T1);
                fp4_load(format, &one[r], &two[r], scale, each * (s.end - b), &table);
            }
            for (int64_t word = 0; word < 32 && b < s.end; word += 8) { /* a lane */
                block_fp4(format, group, n, total, &s, &w, b++, one, spread_index(format, word));
                if (each == 4) block_fp4(format, group, n, total, &s, &w, b++, one, spread_index(format, word + 4));
                block_fp4(format, group, n, total, &s, &w, b++, two, spread_index(format, word));
                if (each == 4) block_fp4(format, group, n, total, &s, &w, b++, two, spread_index(format, word + 4));
            }
        }
        give_lanes(&s, first, group, n, total);
    }
    return first;
}

V_INLINE void span_fp4(ds_dtype format, int n, const span *s)
{
    const int     group = n == 4 ? 2 : WEIGHT_ROWS(n); /* sums and totals of four times four would fill all registers */
    const int64_t blocks = s->row_scales / fp4_scales(format);
    const bool    whole = s->begin == 0 && s->end == blocks && s->row_scales % fp4_scales(format) == 0;

    if (whole && blocks == 1) (void)groups_bf16(format, 1, 1, n, s, groups_bf16(format, 1, group, n, s, 0));
    else if (whole && blocks == 2) (void)groups_bf16(format, 2, 1, n, s, groups_bf16(format, 2, group, n, s, 0));
    else (void)groups_fp4(format, 1, n, s, groups_fp4(format, group, n, s, 0));
}

/* A block of x as BF16, natural[i] holding values 32i to 32i + 31. */
static inline void block_bf16(__m512i natural[4], const ds_tensor *x, int64_t row, int64_t first, int64_t n)
{
    vf wide[BLOCK / LANES];

    if (x->dtype == DS_BF16 && n == BLOCK) {
        const uint16_t *v = (const uint16_t *)x->data + row * ds_width(x) + first;
        for (int i = 0; i < 4; i++) natural[i] = _mm512_loadu_si512(v + 32 * i);
        return;
    }
    block_f32(wide, x, row, first, n);
    for (int i = 0; i < 4; i++)
        natural[i] = (__m512i)_mm512_cvtne2ps_pbh(wide[2 * i + 1], wide[2 * i]);
}

/* Four times four natural words of a lane are 8d + j and 8d + 4 + j of one code word each. */
static inline void order_fp4(__m512i out[4], const __m512i natural[4])
{
    const __m512i pairs = _mm512_setr_epi32(0x040000, 0x0c0008, 0x140010, 0x1c0018, 0x240020, 0x2c0028, 0x340030, 0x3c0038,
                                            0x040000, 0x0c0008, 0x140010, 0x1c0018, 0x240020, 0x2c0028, 0x340030, 0x3c0038);
    for (int j = 0; j < 4; j++) {
        const __m512i index = _mm512_add_epi16(pairs, _mm512_set1_epi16((short)j));
        const __m512i low = _mm512_permutex2var_epi16(natural[0], index, natural[1]);
        const __m512i high = _mm512_permutex2var_epi16(natural[2], index, natural[3]);
        out[j] = _mm512_mask_blend_epi32(0xff00, low, high);
    }
}

static void pack_bf16(void *out, int64_t n, const ds_tensor *x, int64_t row, int64_t first, int64_t k, ds_dtype weights)
{
    for (int64_t i = 0; i < k; i += BLOCK) {
        uint16_t *to = (uint16_t *)out + i * n;
        __m512i   v[4], ordered[4];
        block_bf16(v, x, row, first + i, ds_smaller(BLOCK, k - i));
        if (weights == DS_E4M3)
            for (int j = 0; j < 4; j += 2) {
                ordered[j] = _mm512_shuffle_i32x4(v[j], v[j + 1], 0x88);
                ordered[j + 1] = _mm512_shuffle_i32x4(v[j], v[j + 1], 0xdd);
            }
        else if (weights == DS_BF16)
            memcpy(ordered, v, sizeof v);
        else
            order_fp4(ordered, v);
        for (int j = 0; j < 4; j++) _mm512_store_si512(to + 32 * j * n, ordered[j]);
    }
}

#define BF16_KERNEL(format, n) \
    static void bf16_##format##_##n(const span *s) { span_bf16(DS_##format, n, s); }
#define FP4_KERNEL(format, n) \
    static void bf16_##format##_##n(const span *s) { span_fp4(DS_##format, n, s); }
#define BF16_ROW(format) [DS_##format] = { bf16_##format##_1, bf16_##format##_2, bf16_##format##_4, bf16_##format##_8 }
F32_KERNELS(BF16_KERNEL, BF16)
F32_KERNELS(BF16_KERNEL, E4M3)
F32_KERNELS(FP4_KERNEL, MXFP4)
F32_KERNELS(FP4_KERNEL, NVFP4)

static const linear_path path_bf16 = { 2, 0, BLOCK, pack_bf16, { BF16_ROW(BF16), BF16_ROW(E4M3), BF16_ROW(MXFP4), BF16_ROW(NVFP4) } };

/* F32 activations keep their bits, and F32 and F16 weights have more than BF16 holds. */
static inline const linear_path *path_for(const ds_tensor *x, const ds_weight *w)
{
    if (x->dtype == DS_F32 || !path_bf16.kernel[w->dtype][0]) return &path_f32;
    return w->dtype == DS_E4M3 && w->block_k % BLOCK ? &path_f32 : &path_bf16;
}

#endif
