/* linear_tiles.h - the loops of linear and expert_linear around a vector kernel.
 *
 * Rows of x are packed once for all weight rows of a call: widened to what the kernel multiplies, in the order in
 * which it unpacks weights, filled up with zeros to whole blocks of 128, and the rows that a kernel takes together
 * interleaved register by register: one pointer serves all, and their strides cannot collide in L1. Weights are read
 * where they lie. Then
 *
 *     for as many rows of x as the packing buffer holds          x from L2
 *       for 16 weight rows (a tile)                              weights from memory, once
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
    TILE = DS_LINEAR_TILE,
    PACKED_BYTES = 256 << 10,  /* of packed x, on the stack: a quarter of an L2 */
    L1_BYTES = 16 << 10,       /* of packed x between which weight rows change */
    MAX_K = PACKED_BYTES / 4,
    AHEAD_BYTES = 16 << 10,    /* fetched ahead of what is read: some 0.6 us of one thread's rate, several times what a read takes */
    MIN_SCALE = 16,            /* values that share an FP8 scale, at least */
    N_FORMATS = DS_NVFP4 + 1
};

/* One weight row. Scales: MXFP4, NVFP4 as stored; E4M3 as floats, one for every path->scale_every values. */
typedef struct weight_row {
    const uint8_t *code, *scale;
    float          global;     /* NVFP4: belongs to the block scales if x is F32; else 1 */
} weight_row;

/* Neighbouring weight rows, blocks of them, and packed rows of x. */
typedef struct span {
    const void       *x;       /* packed */
    const uint8_t    *code, *scale;
    const uint8_t    *scale2;  /* of rows from `edge` on: the second row of FP8 blocks */
    int64_t           row_bytes, row_scales, edge;
    int64_t           ahead, ahead_scales; /* bytes from a row to the one to fetch, and from its scales */
    int64_t           n_w;     /* weight rows */
    int64_t           begin, end; /* blocks */
    float             global;
    bool              start;   /* of the sums: they are not read */
} span;

typedef void (*span_kernel)(vf (*acc)[MAX_ROWS], const span *s);

/* A way to multiply: how x is packed, and kernels for 1, 2, 4, 8 rows of x by weight format. */
typedef struct linear_path {
    int64_t     x_bytes;       /* of a packed value: 2 or 4 */
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
    int64_t            rows_ahead; /* of w, between the one that is read and the one that is fetched */
} linear_job;

static inline int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
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

/* FP8 scales as floats, of the two rows of blocks that a tile meets at most. */
typedef struct wide_scales {
    int64_t first;             /* row of blocks; -1: none yet */
    float   row[2][MAX_K / MIN_SCALE];
} wide_scales;

static inline void widen_row(float *out, const linear_job *j, int64_t scale_row)
{
    const ds_weight *w = j->w;
    const int64_t    n = ds_ceil_div(w->k, w->block_k), each = w->block_k / j->path->scale_every;
    const int64_t    end = ds_ceil_div(w->k, BLOCK) * (BLOCK / j->path->scale_every);

    for (int64_t i = 0; i < n; i++) {
        const float s = ds_block_scale(w->scale, w->scale_dtype, scale_row * n + i);
        for (int64_t e = i * each; e < smaller((i + 1) * each, end); e++) out[e] = s;
    }
    for (int64_t e = n * each; e < end; e++) out[e] = 0.0f;
}

/* Scales for rows [o, o + n): only widened anew when a tile leaves the rows of blocks of the one before. */
static inline void widen(wide_scales *wide, const linear_job *j, int64_t o, int64_t n)
{
    const int64_t first = o / j->w->block_n, last = (o + n - 1) / j->w->block_n;

    if (first == wide->first && last == first) return;
    widen_row(wide->row[0], j, first);
    if (last > first) widen_row(wide->row[1], j, last);
    wide->first = last > first ? -1 : first;
}

/* Weight rows [first, first + n) of a span; kernels take whole groups, so the last one is taken again at the end. */
static inline __attribute__((always_inline)) void find_rows(weight_row *w, const span *s, int64_t first, int n)
{
    for (int r = 0; r < n; r++) {
        const int64_t at = smaller(first + r, s->n_w - 1);
        w[r] = (weight_row){ s->code + at * s->row_bytes, at >= s->edge ? s->scale2 : s->scale + at * s->row_scales, s->global };
    }
}

/* The lines of block b that belong to the rows ahead. To L2: in L1 they would push out x. */
static inline __attribute__((always_inline)) void fetch_codes(ds_dtype format, const weight_row *w, int group, const span *s, int64_t b)
{
    const int64_t bytes = ds_row_bytes(format, BLOCK);

    for (int r = 0; r < group; r++)
        for (int64_t i = 0; i < bytes; i += 64) _mm_prefetch((const char *)w[r].code + s->ahead + b * bytes + i, _MM_HINT_T1);
}

/* The line of their scales that begins with block b. */
static inline __attribute__((always_inline)) void fetch_scales(ds_dtype format, const weight_row *w, int group, const span *s, int64_t b)
{
    for (int r = 0; r < group; r++)
        _mm_prefetch((const char *)w[r].scale + s->ahead_scales + b * (format == DS_NVFP4 ? 8 : 4), _MM_HINT_T1);
}

/* Rows [o, o + n) of W. */
static inline span find_span(const linear_job *j, int64_t o, int64_t n, wide_scales *wide)
{
    static const uint8_t none[1];
    const ds_weight     *w = j->w;
    span                 s = { .scale = none, .edge = n, .n_w = n, .row_bytes = ds_row_bytes(w->dtype, w->k) };

    s.code = (const uint8_t *)w->data + o * s.row_bytes;
    s.global = j->x->dtype == DS_F32 ? w->global : 1.0f;
    s.ahead = j->rows_ahead * s.row_bytes;
    if (w->dtype == DS_MXFP4 || w->dtype == DS_NVFP4) {
        s.row_scales = ds_ceil_div(w->k, w->dtype == DS_MXFP4 ? DS_BLOCK_MXFP4 : DS_BLOCK_NVFP4);
        s.scale = (const uint8_t *)w->scale + o * s.row_scales;
        s.ahead_scales = j->rows_ahead * s.row_scales;
    } else if (w->dtype == DS_E4M3) {
        widen(wide, j, o, n);
        s.edge = w->block_n - o % w->block_n;
        s.scale = (const uint8_t *)wide->row[0];
        s.scale2 = (const uint8_t *)wide->row[1];
    }
    return s;
}

/* The values behind the last whole block: copied out with zeros behind them, so that no kernel needs a mask or reads
 * past the end of a file. */
static inline void last_block(vf (*acc)[MAX_ROWS], const linear_job *j, span_kernel kernel, int n_x, const span *whole)
{
    enum { CODE = BLOCK * 4, SCALE = BLOCK / MIN_SCALE * 4 };
    const ds_weight *w = j->w;
    const int64_t    at = w->k / BLOCK, rest = w->k % BLOCK, bytes = ds_row_bytes(w->dtype, BLOCK), scales = scale_bytes(j);
    const int64_t    stored = w->dtype == DS_MXFP4 ? ds_ceil_div(rest, DS_BLOCK_MXFP4)
                            : w->dtype == DS_NVFP4 ? ds_ceil_div(rest, DS_BLOCK_NVFP4) : scales;
    uint8_t          code[TILE * CODE], scale[TILE * SCALE];
    span             s = *whole;

    for (int64_t r = 0; r < whole->n_w; r++) {
        weight_row row;
        find_rows(&row, whole, r, 1);
        memset(code + r * CODE, 0, (size_t)bytes);
        memcpy(code + r * CODE, row.code + at * bytes, (size_t)ds_row_bytes(w->dtype, rest));
        memset(scale + r * SCALE, 0, SCALE);
        if (scales) memcpy(scale + r * SCALE, row.scale + at * scales, (size_t)stored);
    }
    s.x = (const char *)whole->x + at * BLOCK * j->path->x_bytes * n_x;
    s.code = code;
    s.scale = scale;
    s.row_bytes = CODE;
    s.row_scales = SCALE;
    s.edge = s.n_w;
    s.begin = 0;
    s.end = 1;
    s.start = at == 0;
    s.ahead = 0;
    kernel(acc, &s);
}

/* y[row][o .. o + n_o) = factor * the sum of each accumulator; those behind n_o are added up too, and left out. */
static inline void put_sums(const ds_tensor *y, int64_t row, int64_t o, int64_t n_o, vf (*acc)[MAX_ROWS], int c, double factor)
{
    _Alignas(64) float sum[TILE] = { 0 };

    for (int r = 0; r < n_o; r += 4)
        _mm_store_ps(sum + r, v_sum4(acc[r][c], acc[r + 1][c], acc[r + 2][c], acc[r + 3][c]));
    if (factor != 1.0)
        for (int r = 0; r < n_o; r++) sum[r] = (float)((double)sum[r] * factor);
    for (int64_t r = 0; r < n_o; r += LANES) v_put(y, row * ds_width(y) + o + r, v_load_f32(sum + r, LANES), n_o - r);
}

/* y[p .. p + n_x)[o .. o + weights->n_w) from packed rows at `x`; n_x is 1, 2, 4 or 8. */
static inline void tile(const linear_job *j, const span *weights, int64_t o, const void *x, int64_t p, int n_x)
{
    const ds_weight  *w = j->w;
    const span_kernel kernel = j->path->kernel[w->dtype][n_x == 8 ? 3 : n_x / 2];
    const int64_t     blocks = w->k / BLOCK, step = (uint32_t)(L1_BYTES / BLOCK) / (uint32_t)(j->path->x_bytes * n_x);
    span              s = *weights;
    vf                acc[TILE][MAX_ROWS];

    s.x = x;
    for (s.begin = 0; s.begin < blocks; s.begin = s.end) {
        s.end = smaller(s.begin + step, blocks);
        s.start = s.begin == 0;
        kernel(acc, &s);
    }
    if (w->k % BLOCK) last_block(acc, j, kernel, n_x, &s);
    for (int c = 0; c < n_x; c++) {
        double factor = 1.0;
        if (j->x->dtype != DS_F32 && w->dtype == DS_NVFP4) factor = (double)w->global;
        if (j->x->dtype == DS_NVFP4) factor *= (double)j->x->global[j->map ? j->map[p + c] : p + c];
        put_sums(j->y, p + c, o, s.n_w, acc, c, factor);
    }
}

/* Can product() take these? What cannot is rare enough for the scalar definition. */
static inline bool fits(const ds_weight *w)
{
    return w->k <= MAX_K && (w->dtype != DS_E4M3 || (w->block_n >= TILE && w->block_k % MIN_SCALE == 0));
}

/* A row is fetched while as many others are read as hold AHEAD_BYTES; whole groups, so that each is fetched once. */
static inline int64_t rows_ahead(const ds_weight *w)
{
    return (AHEAD_BYTES / (ds_row_bytes(w->dtype, w->k) + 1) + 4) & -4;
}

/* How many of n rows of x a kernel takes at once. */
static inline int64_t together(int64_t n)
{
    return n >= MAX_ROWS ? MAX_ROWS : n >= 4 ? 4 : n >= 2 ? 2 : 1;
}

/* Pairs [p0, p1) with weight rows [o0, o1). */
static inline void product(const linear_job *j, int64_t p0, int64_t p1, int64_t o0, int64_t o1)
{
    _Alignas(64) uint8_t packed[PACKED_BYTES];
    wide_scales          wide;
    const int64_t        stride = ds_ceil_div(j->w->k, BLOCK) * BLOCK * j->path->x_bytes;
    int64_t              room = PACKED_BYTES / stride;

    wide.first = -1;
    if (room > MAX_ROWS) room -= room % MAX_ROWS;
    for (int64_t p = p0; p < p1; p += room) {
        const int64_t n = smaller(room, p1 - p);
        for (int64_t i = 0, n_x; i < n; i += n_x) {
            n_x = together(n - i);
            for (int64_t c = 0; c < n_x; c++)
                j->path->pack(packed + i * stride + c * LANES * 4, n_x, j->x, j->map ? j->map[p + i + c] : p + i + c, j->x0,
                              j->w->k, j->w->dtype);
        }
        for (int64_t o = o0; o < o1; o += TILE) {
            const int64_t n_o = smaller(TILE, o1 - o);
            const span    weights = find_span(j, o, n_o, &wide);
            for (int64_t i = 0, n_x; i < n; i += n_x) {
                n_x = together(n - i);
                tile(j, &weights, o, packed + i * stride, p + i, (int)n_x);
            }
        }
    }
}

/* Units [begin, end) of a linear: in each group their weight rows are neighbours. */
static inline void linear_units(const linear_path *path, const ds_linear_args *a, int64_t begin, int64_t end)
{
    const int64_t per_group = a->w.n / a->n_groups, tiles = ds_ceil_div(per_group, TILE);

    while (begin < end) {
        const int64_t    g = begin / tiles, stop = smaller(end, (g + 1) * tiles);
        const linear_job j = { path, &a->x, &a->y, NULL, &a->w, g * a->w.k, rows_ahead(&a->w) };
        product(&j, 0, a->y.shape[0], g * per_group + (begin - g * tiles) * TILE,
                g * per_group + smaller((stop - g * tiles) * TILE, per_group));
        begin = stop;
    }
}

static inline void expert_units(const linear_path *path, const ds_expert_linear_args *a, int64_t begin, int64_t end)
{
    for (int32_t e = 0; e < a->n_experts; e++) {
        const linear_job j = { path, &a->x, &a->y, a->row, &a->w[e], 0, rows_ahead(&a->w[e]) };
        if (a->offset[e] < a->offset[e + 1])
            product(&j, a->offset[e], a->offset[e + 1], begin * TILE, smaller(end * TILE, a->w[e].n));
    }
}

#endif
