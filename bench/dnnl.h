/* dnnl.h - oneDNN's BF16 product as one call, for its releases 2 and 3. Only bench/onednn.c uses it. */
#ifndef BENCH_DNNL_H
#define BENCH_DNNL_H

#include <stdbool.h>
#include <stdint.h>

/* y = x W^T, a part for each of `n_parts` matrices: groups of a linear, or experts. Values are BF16. */
typedef struct dnnl_product dnnl_product;

typedef struct dnnl_shape {
    int64_t rows, n, k;         /* of a part: x [rows, k], W [n, k], y [rows, n] */
    int64_t n_parts;
    int64_t x_stride, y_stride; /* values from one row to the next */
    int64_t x_step, y_step;     /* values from one part to the next */
} dnnl_shape;

/* Which oneDNN it is: "2.6.3". NULL if its threads are not OpenMP's, so that their number cannot be set here. */
const char *dnnl_release(void);

/* Weights lie behind one another, [n_parts, n, k]; they are packed here as oneDNN likes them best. NULL after a line on
 * standard error. x and w must outlive it. */
dnnl_product *dnnl_product_open(const dnnl_shape *shape, const uint16_t *x, const uint16_t *w, uint16_t *y, int threads);
bool          dnnl_product_run(dnnl_product *p);
const char   *dnnl_product_kernel(const dnnl_product *p); /* which of its implementations oneDNN chose */
void          dnnl_product_close(dnnl_product *p);        /* NULL is allowed */

#endif
