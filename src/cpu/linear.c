/* linear.c - the definition of linear and expert_linear: op/linear.h, op/expert_linear.h.
 *
 * A tile of 16 weight rows is decoded 128 columns at a time and used for up to 32 rows of x, so that decoding is
 * shared by a batch, and decoding x is shared by the tile. */
#include "cpu/decode.h"
#include "cpu/kernels.h"

enum { UNIT = DS_LINEAR_UNIT, TILE = 16, ROWS = 32 };

/* y[rows of out][o0, o1) for up to ROWS rows of x, columns [x0, x0 + k) of them. */
static void tile_product(const ds_tensor *x, const int64_t *x_row, int64_t n_rows, int64_t x0, const ds_weight *w,
                         int64_t o0, int64_t o1, const ds_tensor *y, int64_t y_row)
{
    const bool whole = x->dtype == DS_F32;
    double     sum[TILE][ROWS] = { { 0 } };
    float      wt[TILE][DS_PIECE], xt[DS_PIECE];

    for (int64_t k = 0; k < w->k; k += DS_PIECE) {
        const int64_t len = w->k - k < DS_PIECE ? w->k - k : DS_PIECE;
        for (int64_t o = o0; o < o1; o++) ds_decode_weight(wt[o - o0], w, o, k, len, whole);
        for (int64_t i = 0; i < n_rows; i++) {
            ds_decode_row(xt, x, x_row[i], x0 + k, len);
            for (int64_t o = o0; o < o1; o++) sum[o - o0][i] += (double)ds_dot(wt[o - o0], xt, len);
        }
    }
    for (int64_t i = 0; i < n_rows; i++) {
        double factor = 1.0;
        if (!whole && w->dtype == DS_NVFP4) factor = (double)w->global;
        if (x->dtype == DS_NVFP4) factor *= (double)x->global[x_row[i]];
        for (int64_t o = o0; o < o1; o++) ds_put(y, (y_row + i) * ds_width(y) + o, (float)(sum[o - o0][i] * factor));
    }
}

void ds_linear_scalar(const ds_linear_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t per_group = a->w.n / a->n_groups, units = ds_ceil_div(per_group, UNIT), rows = a->y.shape[0];
    (void)thread;

    for (int64_t unit = begin, next; unit < end; unit = next) {
        const int64_t g = unit / units, o0 = g * per_group + unit % units * UNIT;
        next = ds_smaller(ds_smaller(unit + TILE / UNIT, end), (g + 1) * units);
        const int64_t o1 = ds_smaller(o0 + (next - unit) * UNIT, (g + 1) * per_group);
        for (int64_t i = 0; i < rows; i += ROWS) {
            const int64_t n = ds_smaller(rows - i, ROWS);
            int64_t       x_row[ROWS];
            for (int64_t j = 0; j < n; j++) x_row[j] = i + j;
            tile_product(&a->x, x_row, n, g * a->w.k, &a->w, o0, o1, &a->y, i);
        }
    }
}

void ds_expert_linear_scalar(const ds_expert_linear_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t last = ds_smaller(end * UNIT, a->w[0].n);
    (void)thread;

    for (int32_t e = 0; e < a->n_experts; e++)
        for (int64_t o0 = begin * UNIT; o0 < last; o0 += TILE)
            for (int64_t p = a->offset[e]; p < a->offset[e + 1]; p += ROWS) {
                const int64_t n = ds_smaller(a->offset[e + 1] - p, ROWS);
                int64_t       x_row[ROWS];
                for (int64_t j = 0; j < n; j++) x_row[j] = a->row ? a->row[p + j] : p + j;
                tile_product(&a->x, x_row, n, 0, &a->w[e], o0, ds_smaller(o0 + TILE, last), &a->y, p);
            }
}
