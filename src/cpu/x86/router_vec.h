/* router_vec.h - router for any vector width: op/router.h. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

enum { MAX_K = 64 };

/* ln(1 + e) for e >= 0: ln y of the rounded y = 1 + e (the polynomial of Cephes), and what the rounding lost. */
static inline vf log1p_of(vf e)
{
    const vf y = e + 1.0f, lost = e - (y - 1.0f);
    const vu steps = ((vu)y - 0x3f3504f3) & 0xff800000; /* exponent of y / sqrt(1/2), in place */
    const vf f = (vf)((vu)y - steps) - 1.0f, z = f * f, n = v_float(steps) * 0x1p-23f;
    vf       p = v_set(7.0376836292e-2f);
    p = v_fma(p, f, v_set(-1.1514610310e-1f));
    p = v_fma(p, f, v_set(1.1676998740e-1f));
    p = v_fma(p, f, v_set(-1.2420140846e-1f));
    p = v_fma(p, f, v_set(1.4249322787e-1f));
    p = v_fma(p, f, v_set(-1.6668057665e-1f));
    p = v_fma(p, f, v_set(2.0000714765e-1f));
    p = v_fma(p, f, v_set(-2.4999993993e-1f));
    p = v_fma(p, f, v_set(3.3333331174e-1f));
    const vf small = v_fma(z, v_fma(p, f, v_set(-0.5f)), v_fma(n, v_set(-2.12194440e-4f), lost / y));
    return v_fma(n, v_set(0.693359375f), f + small);
}

static inline vf score_of(vf z)
{
    const vf plain = v_sqrt(z), soft = v_sqrt(log1p_of(v_exp(v_min(v_set(20.0f), z))));
    return (vf)v_less((vu)z, 0x41a00001, (vu)soft, (vu)plain); /* z <= 20, from its bits; NaN is NaN on both sides */
}

/* The k best of n by s + bias into expert[0, k): an insertion into a short sorted list, lower ids first among equals. */
static void pick_best(const ds_router_args *a, const float *z, int64_t n, int32_t *expert)
{
    float   best[MAX_K], key[LANES];
    int32_t found = 0;

    for (int64_t first = 0; first < n; first += LANES) {
        v_store_f32(key, score_of(v_load_f32(z + first, n - first)) + v_vec(&a->bias, first, n - first), LANES);
        for (int32_t e = (int32_t)first; e < n && e < first + LANES; e++) {
            const float new = key[e - first];
            int32_t     at = found;
            if (found == a->k && !(new > best[found - 1])) continue; /* most of many experts */
            while (at > 0 && new > best[at - 1]) at--;
            if (found < a->k) found++;
            for (int32_t j = found - 1; j > at; j--) {
                best[j] = best[j - 1];
                expert[j] = expert[j - 1];
            }
            best[at] = new;
            expert[at] = e;
        }
    }
}

static void sort_ascending(int32_t *expert, int32_t k)
{
    for (int32_t j = 1; j < k; j++)
        for (int32_t m = j; m > 0 && expert[m] < expert[m - 1]; m--) {
            const int32_t t = expert[m];
            expert[m] = expert[m - 1];
            expert[m - 1] = t;
        }
}

void DS_VARIANT(router)(const ds_router_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t n = a->z.shape[1];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const float *z = (const float *)a->z.data + i * n;
        int32_t     *expert = a->expert + i * a->k;
        float       *weight = a->weight + i * a->k, sum = 0.0f;

        if (a->table)
            for (int32_t j = 0; j < a->k; j++) expert[j] = ds_router_entry(a, (int64_t)a->ids[i] * a->k + j);
        else pick_best(a, z, n, expert);
        sort_ascending(expert, a->k);
        for (int32_t j = 0; j < a->k; j++) weight[j] = z[expert[j]];
        for (int32_t j = 0; j < a->k; j += LANES) v_store_f32(weight + j, score_of(v_load_f32(weight + j, a->k - j)), a->k - j);
        for (int32_t j = 0; j < a->k; j++) sum += weight[j];
        for (int32_t j = 0; j < a->k; j++) weight[j] = weight[j] / sum * a->factor;
    }
}
