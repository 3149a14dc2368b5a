/* linear_tiles.h - the loops of linear and expert_linear around a vector kernel.
 *
 * Rows of x are packed once for all weight rows of a call: widened to what the kernel multiplies, in the order in
 * which it unpacks weights, filled up with zeros to whole blocks of 128, and the rows that a kernel takes together
 * interleaved register by register: one pointer serves all, and their strides cannot collide in L1. Weights are read
 * where they lie. Then
 *
 *     for as many rows of x as the packing buffer holds          x from L2
 *       for 16 weight rows, or more if rows of x are few, of      weights from memory, once
 *       one row of FP8 blocks (a span)
 *         for 8, 4, 2 or 1 of the rows of x
 *           for as many blocks as keep those in L1
 *             for 4 or 2 of the weight rows                      a kernel: all products of these in registers
 *
 * A product of two rows is summed in lanes, from block to block in ascending order, by the same instructions
 * whatever the loops around it are: no bit of it depends on its neighbours. Start at product(). */
#ifndef DS_CPU_X86_LINEAR_TILES_H
#define DS_CPU_X86_LINEAR_TILES_H

#include "cpu/decode.h"
#include "cpu/kernels.h"
#include "cpu/x86/linear_vec.h"

enum {
    BLOCK = DS_PIECE,          /* values along k that a kernel takes at a time */
    UNIT = DS_LINEAR_UNIT,
    TILE = 16,                 /* weight rows that many rows of x share */
    SUMS = TILE * MAX_ROWS,    /* of a span: weight rows times rows of x */
    PACKED_BYTES = 256 << 10,  /* of packed x, on the stack: a quarter of an L2 */
    L1_BYTES = 16 << 10,       /* of packed x between which weight rows change */
    MAX_K = PACKED_BYTES / 5,  /* four bytes a value, and what a path keeps beside them */
    FIRST_BYTES = 4 << 10,     /* fetched at the start; enough for what comes from the L3 */
    AHEAD_BYTES = 24 << 10,    /* fetched ahead of what is read, at most: some 0.8 us of one thread's rate */
    MIN_SCALE = 16,            /* values that share an FP8 scale, at least */
    N_FORMATS = DS_NVFP4 + 1
};

/* Weight rows that a kernel takes together, at equal distances. Scales: MXFP4, NVFP4 as stored; E4M3 as floats, one for
 * every path->scale_every values. */
typedef struct weight_rows {
    const uint8_t *code, *scale;
    const uint8_t *fetch;            /* where what is fetched for their blocks begins; NULL: nothing is */
    int64_t        next, next_scale; /* bytes from a row to the next one */
    float          global;           /* NVFP4: belongs to the block scales if x is F32; else 1 */
} weight_rows;

/* Neighbouring weight rows, blocks of them, and n packed rows of x. FP8 rows are of one row of scale blocks. Sum (row, c) is
 * number row * n + c of the lanes' sums, and number c * (SUMS / n) + row of the whole ones. */
typedef struct span {
    const void       *x;       /* packed */
    const uint8_t    *code, *scale;
    int64_t           row_bytes, row_scales;
    int64_t           ahead, ahead_scales; /* bytes from what is read to what is fetched, and from its scales; 0: none */
    int64_t           n_w;     /* weight rows */
    int64_t           begin, end; /* blocks */
    float             global;
    bool              start;   /* lanes' sums begin here: they are not read */
    bool              finish;  /* they end here: added up across lanes, they go to `sum` */
    vf               *lanes;   /* [n_w * n] */
    float            *sum;     /* [n][SUMS / n] */
} span;

typedef void (*span_kernel)(const span *s);

/* A way to multiply: how x is packed, and kernels for 1, 2, 4, 8 rows of x by weight format. */
typedef struct linear_path {
    int64_t     x_bytes;       /* of a packed value: 2 or 4 */
    int64_t     beside;        /* packed values that a block has beyond its own: what is known of it as a whole */
    int64_t     scale_every;
    void      (*pack)(void *out, int64_t n, const ds_tensor *x, int64_t row, int64_t first, int64_t k, ds_dtype weights);
    span_kernel kernel[N_FORMATS][4];
} linear_path;

/* Rows of x times rows of w: pair p takes row map[p], or p itself, and writes row p of y. */
typedef struct linear_job {
    const linear_path *path;
    const ds_tensor   *x, *y;
    const int32_t     *map;
    const ds_weight   *w;
    int64_t            x0;     /* first column of x */
} linear_job;

static inline int64_t packed_block(const linear_path *path) /* bytes, of a row of x */
{
    return (BLOCK + path->beside) * path->x_bytes;
}

static inline int64_t scale_bytes(const linear_job *j) /* of a block */
{
    switch (j->w->dtype) {
    case DS_E4M3: return BLOCK / j->path->scale_every * (int64_t)sizeof(float);
    case DS_MXFP4: return BLOCK / DS_BLOCK_MXFP4;
    case DS_NVFP4: return BLOCK / DS_BLOCK_NVFP4;
    default: return 0;
    }
}

/* FP8 scales as floats, of one row of blocks. */
typedef struct wide_scales {
    int64_t row;               /* -1: none yet */
    float   scale[(MAX_K / BLOCK + 1) * (BLOCK / MIN_SCALE)];
} wide_scales;

static inline void widen(wide_scales *wide, const linear_job *j, int64_t row)
{
    const ds_weight *w = j->w;
    const int64_t    n = ds_ceil_div(w->k, w->block_k), each = w->block_k / j->path->scale_every;
    const int64_t    end = ds_ceil_div(w->k, BLOCK) * (BLOCK / j->path->scale_every);

    if (wide->row == row) return;
    wide->row = row;
    for (int64_t i = 0; i < n; i++) {
        const float s = ds_block_scale(w->scale, w->scale_dtype, row * n + i);
        for (int64_t e = i * each; e < ds_smaller((i + 1) * each, end); e++) wide->scale[e] = s;
    }
    for (int64_t e = n * each; e < end; e++) wide->scale[e] = 0.0f;
}

/* A group of weight rows of a span. */
V_INLINE void find_rows(ds_dtype format, weight_rows *w, const span *s, int64_t first)
{
    const int64_t before = s->begin * s->n_w + first * (s->end - s->begin); /* blocks of this span that were read until now */

    *w = (weight_rows){ s->code + first * s->row_bytes, s->scale + first * s->row_scales, NULL, s->row_bytes, s->row_scales, s->global };
    if (s->ahead) w->fetch = s->code + s->ahead + before * ds_row_bytes(format, BLOCK);
}

/* What a group of weight rows starts from. */
V_INLINE void take_lanes(vf lanes[4][MAX_ROWS], const span *s, int64_t first, int group, int n)
{
    for (int r = 0; r < group; r++)
        for (int c = 0; c < n; c++) lanes[r][c] = s->start ? v_set(0.0f) : s->lanes[(first + r) * n + c];
}

/* What becomes of a group's sums. */
V_INLINE void give_lanes(const span *s, int64_t first, int group, int n, vf lanes[4][MAX_ROWS])
{
    if (!s->finish) {
        for (int r = 0; r < group; r++)
            for (int c = 0; c < n; c++) s->lanes[(first + r) * n + c] = lanes[r][c];
        return;
    }
    float *sum = s->sum + first;
    if (group == 1) {
        for (int c = 0; c < n; c++) _mm_store_ss(sum + c * (SUMS / n), v_sum4(lanes[0][c], lanes[0][c], lanes[0][c], lanes[0][c]));
        return;
    }
    if (group == 4) {
        for (int c = 0; c < n; c++) _mm_storeu_ps(sum + c * (SUMS / n), v_sum4(lanes[0][c], lanes[1][c], lanes[2][c], lanes[3][c]));
        return;
    }
    for (int c = 0; c < n; c += 2) { /* two weight rows times two rows of x */
        const __m128 four = v_sum4(lanes[0][c], lanes[1][c], lanes[0][c + 1], lanes[1][c + 1]);
        _mm_storel_pi((__m64 *)(sum + c * (SUMS / n)), four);
        _mm_storeh_pi((__m64 *)(sum + (c + 1) * (SUMS / n)), four);
    }
}

/* As much of what is ahead as block b of this group has, in the order in which it lies: memory likes that better than the one
 * in which it will be read, some rows side by side. To L2: in L1 it would push out x. */
V_INLINE void fetch_codes(ds_dtype format, const weight_rows *w, int group, const span *s, int64_t b)
{
    const int64_t bytes = group * ds_row_bytes(format, BLOCK);

    if (!w->fetch) return;
    for (int64_t i = 0; i < bytes; i += 64) _mm_prefetch((const char *)w->fetch + (b - s->begin) * bytes + i, _MM_HINT_T1);
}

/* Rows [o, o + n) of W; `ahead`: rows between the one that is read and the one that is fetched. */
static inline span find_span(const linear_job *j, int64_t o, int64_t n, int64_t ahead, wide_scales *wide)
{
    static const uint8_t none[1];
    const ds_weight     *w = j->w;
    span                 s = { .scale = none, .n_w = n, .row_bytes = ds_row_bytes(w->dtype, w->k) };

    s.code = (const uint8_t *)w->data + o * s.row_bytes;
    s.global = j->x->dtype == DS_F32 ? w->global : 1.0f;
    s.ahead = ahead * s.row_bytes;
    if (w->dtype == DS_MXFP4 || w->dtype == DS_NVFP4) {
        s.row_scales = ds_ceil_div(w->k, w->dtype == DS_MXFP4 ? DS_BLOCK_MXFP4 : DS_BLOCK_NVFP4);
        s.scale = (const uint8_t *)w->scale + o * s.row_scales;
        s.ahead_scales = ahead * s.row_scales;
    } else if (w->dtype == DS_E4M3) {
        widen(wide, j, o / w->block_n);
        s.scale = (const uint8_t *)wide->scale;
    }
    return s;
}

/* The values behind the last whole block: copied out with zeros behind them, so that no kernel needs a mask or reads
 * past the end of a file. */
static inline void last_block(const linear_job *j, span_kernel kernel, int n_x, const span *whole, int64_t first)
{
    enum { CODE = BLOCK * 4, SCALE = BLOCK / MIN_SCALE * 4 };
    const ds_weight *w = j->w;
    const int64_t    at = w->k / BLOCK, rest = w->k % BLOCK, bytes = ds_row_bytes(w->dtype, BLOCK), scales = scale_bytes(j);
    const int64_t    stored = w->dtype == DS_MXFP4 ? ds_ceil_div(rest, DS_BLOCK_MXFP4)
                            : w->dtype == DS_NVFP4 ? ds_ceil_div(rest, DS_BLOCK_NVFP4) : scales;
    uint8_t          code[TILE * CODE], scale[TILE * SCALE];
    span             s = *whole;

    s.n_w = ds_smaller(TILE, whole->n_w - first);
    for (int64_t r = 0; r < s.n_w; r++) {
        memset(code + r * CODE, 0, (size_t)bytes);
        memcpy(code + r * CODE, whole->code + (first + r) * whole->row_bytes + at * bytes, (size_t)ds_row_bytes(w->dtype, rest));
        memset(scale + r * SCALE, 0, SCALE);
        if (scales) memcpy(scale + r * SCALE, whole->scale + (first + r) * whole->row_scales + at * scales, (size_t)stored);
    }
    s.x = (const char *)whole->x + at * packed_block(j->path) * n_x;
    s.code = code;
    s.scale = scale;
    s.row_bytes = CODE;
    s.row_scales = SCALE;
    s.begin = 0;
    s.end = 1;
    s.start = at == 0;
    s.finish = true;
    s.lanes = whole->lanes + first * n_x;
    s.sum = whole->sum + first;
    s.ahead = 0;
    kernel(&s);
}

/* y[row][o .. o + n) = factor * sum; up to a whole vector of them is read. */
static inline void put_sums(const ds_tensor *y, int64_t row, int64_t o, int64_t n, float *sum, double factor)
{
    if (factor != 1.0)
        for (int64_t r = 0; r < n; r++) sum[r] = (float)((double)sum[r] * factor);
    for (int64_t r = 0; r < n; r += LANES) v_put(y, row * ds_width(y) + o + r, v_load_f32(sum + r, LANES), n - r);
}

/* Blocks of n rows of packed x that stay in L1. */
static inline int64_t near_blocks(const linear_path *path, int64_t n)
{
    return (uint32_t)(L1_BYTES / BLOCK) / (uint32_t)(path->x_bytes * n);
}

/* y[p .. p + n_x)[o .. o + weights->n_w) from packed rows at `x`; n_x is 1, 2, 4 or 8. */
static inline void multiply(const linear_job *j, const span *weights, int64_t o, const void *x, int64_t p, int n_x)
{
    const ds_weight     *w = j->w;
    const span_kernel    kernel = j->path->kernel[w->dtype][n_x == 8 ? 3 : n_x / 2];
    const int64_t        blocks = w->k / BLOCK, step = near_blocks(j->path, n_x);
    const bool           rest = w->k % BLOCK;
    span                 s = *weights;
    vf                   lanes[SUMS];
    _Alignas(64) float   sum[SUMS];

    s.x = x;
    if (blocks > step) { /* all of a span is read before the next one: that is fetched */
        s.ahead = s.n_w * s.row_bytes;
        s.ahead_scales = s.n_w * s.row_scales;
    }
    s.lanes = lanes;
    s.sum = sum;
    for (s.begin = 0; s.begin < blocks; s.begin = s.end) {
        s.end = ds_smaller(s.begin + step, blocks);
        s.start = s.begin == 0;
        s.finish = s.end == blocks && !rest;
        kernel(&s);
    }
    if (rest)
        for (int64_t r = 0; r < s.n_w; r += TILE) last_block(j, kernel, n_x, &s, r);
    for (int c = 0; c < n_x; c++) {
        double factor = 1.0;
        if (j->x->dtype != DS_F32 && w->dtype == DS_NVFP4) factor = (double)w->global;
        if (j->x->dtype == DS_NVFP4) factor *= (double)j->x->global[j->map ? j->map[p + c] : p + c];
        put_sums(j->y, p + c, o, s.n_w, sum + c * (SUMS / n_x), factor);
    }
}

/* Can product() take these? What cannot is rare enough for the scalar definition. */
static inline bool fits(const ds_weight *w)
{
    return w->k <= MAX_K && (w->dtype != DS_E4M3 || w->block_k % MIN_SCALE == 0);
}

/* A row is fetched while as many others are read as hold AHEAD_BYTES, or a quarter of all n rows; whole groups, so that each
 * is fetched once. */
static inline int64_t rows_ahead(const ds_weight *w, int64_t n)
{
    const int64_t row = ds_row_bytes(w->dtype, w->k), bytes = ds_smaller(AHEAD_BYTES, n * row / 4);
    return ((bytes > FIRST_BYTES ? bytes : FIRST_BYTES) / (row + 1) + 4) & -4;
}

/* Fetch weight rows [o, o + n) and their scales, FIRST_BYTES of each at most: what is read first is not there yet, and
 * hardware notices only after a few misses where it goes on. */
static inline void fetch_first(const ds_weight *w, int64_t o, int64_t n)
{
    const int64_t  row = ds_row_bytes(w->dtype, w->k);
    const uint8_t *code = (const uint8_t *)w->data + o * row;

    for (int64_t i = 0; i < ds_smaller(n * row, FIRST_BYTES); i += 64) _mm_prefetch((const char *)code + i, _MM_HINT_T1);
    if (w->dtype != DS_MXFP4 && w->dtype != DS_NVFP4) return;
    const int64_t  scales = ds_ceil_div(w->k, w->dtype == DS_MXFP4 ? DS_BLOCK_MXFP4 : DS_BLOCK_NVFP4);
    const uint8_t *scale = (const uint8_t *)w->scale + o * scales;
    for (int64_t i = 0; i < ds_smaller(n * scales, FIRST_BYTES); i += 64) _mm_prefetch((const char *)scale + i, _MM_HINT_T1);
}

/* How many of n rows of x a kernel takes at once. */
static inline int64_t together(int64_t n)
{
    return n >= MAX_ROWS ? MAX_ROWS : n >= 4 ? 4 : n >= 2 ? 2 : 1;
}

/* Weight rows of a span that begins at row o, for n rows of x: many if they are few and one pass does, so that calls do not
 * count; but of one row of FP8 blocks. */
static inline int64_t span_rows(const linear_job *j, int64_t n, int64_t o)
{
    const int64_t n_x = together(n), rows = j->w->k / BLOCK <= near_blocks(j->path, n_x) ? SUMS / n_x : TILE;
    return j->w->dtype == DS_E4M3 ? ds_smaller(rows, j->w->block_n - o % j->w->block_n) : rows;
}

/* Pairs [p0, p1) with weight rows [o0, o1). */
static inline void product(const linear_job *j, int64_t p0, int64_t p1, int64_t o0, int64_t o1)
{
    _Alignas(64) uint8_t packed[PACKED_BYTES];
    wide_scales          wide;
    const int64_t        stride = ds_ceil_div(j->w->k, BLOCK) * packed_block(j->path);
    const int64_t        ahead = rows_ahead(j->w, o1 - o0);
    int64_t              room = p1 - p0;

    wide.row = -1;
    fetch_first(j->w, o0, o1 - o0);
    if (room * stride > PACKED_BYTES) {
        room = PACKED_BYTES / stride;
        if (room > MAX_ROWS) room -= room % MAX_ROWS;
    }
    for (int64_t p = p0; p < p1; p += room) {
        const int64_t n = ds_smaller(room, p1 - p);
        for (int64_t i = 0, n_x; i < n; i += n_x) {
            n_x = together(n - i);
            for (int64_t c = 0; c < n_x; c++)
                j->path->pack(packed + i * stride + c * LANES * 4, n_x, j->x, j->map ? j->map[p + i + c] : p + i + c, j->x0,
                              j->w->k, j->w->dtype);
        }
        for (int64_t o = o0, n_o; o < o1; o += n_o) {
            n_o = ds_smaller(span_rows(j, n, o), o1 - o);
            const span weights = find_span(j, o, n_o, ahead, &wide);
            for (int64_t i = 0, n_x; i < n; i += n_x) {
                n_x = together(n - i);
                multiply(j, &weights, o, packed + i * stride, p + i, (int)n_x);
            }
        }
    }
}

/* Units [begin, end) of a linear: in each group their weight rows are neighbours. */
static inline void linear_units(const linear_path *path, const ds_linear_args *a, int64_t begin, int64_t end)
{
    const int64_t per_group = a->w.n / a->n_groups, units = ds_ceil_div(per_group, UNIT);

    while (begin < end) {
        const int64_t    g = begin / units, stop = ds_smaller(end, (g + 1) * units);
        const linear_job j = { path, &a->x, &a->y, NULL, &a->w, g * a->w.k };
        product(&j, 0, a->y.shape[0], g * per_group + (begin - g * units) * UNIT,
                g * per_group + ds_smaller((stop - g * units) * UNIT, per_group));
        begin = stop;
    }
}

static inline int32_t next_expert(const ds_expert_linear_args *a, int32_t e)
{
    while (e < a->n_experts && a->offset[e] == a->offset[e + 1]) e++;
    return e;
}

static inline void expert_units(const linear_path *path, const ds_expert_linear_args *a, int64_t begin, int64_t end)
{
    const int64_t o0 = begin * UNIT, o1 = ds_smaller(end * UNIT, a->w[0].n);

    for (int32_t e = next_expert(a, 0), next; e < a->n_experts; e = next) {
        const linear_job j = { path, &a->x, &a->y, a->row, &a->w[e], 0 };
        next = next_expert(a, e + 1);
        if (next < a->n_experts) fetch_first(&a->w[next], o0, o1 - o0);
        product(&j, a->offset[e], a->offset[e + 1], o0, o1);
    }
}

#endif
