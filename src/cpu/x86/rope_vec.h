/* rope_vec.h - rope for any vector width: op/rope.h. LANES / 2 angles at a time, reduced and expanded in double, so that cos and
 * sin are those of the definition but where both round a last-bit tie differently. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

static inline vd pick_d(vl mask, vd a, vd b)
{
    return (vd)((mask & (vl)a) | (~mask & (vl)b));
}

/* x = k pi/2 + r, k below 2^20 or so; polynomials for |r| <= pi/4 (FreeBSD's k_sinf.c, k_cosf.c), then the quadrant. */
static inline void sin_cos(vd x, vd *sin, vd *cos)
{
    const vd shifted = x * 0x1.45f306dc9c883p-1 + 0x1.8p52, k = shifted - 0x1.8p52; /* the low bits of shifted: k */
    const vl quadrant = (vl)shifted;
    const vd r = (x - k * 1.57079632673412561417e+00) - k * 6.07710050650619224932e-11, z = r * r;
    const vd s = r + r * z * (-0x15555554cbac77.0p-55 + z * (0x111110896efbb2.0p-59 + z * (-0x1a00f9e2cae774.0p-65 + z * 0x16cd878c3b46a7.0p-71)));
    const vd c = 1.0 + z * (-0x1ffffffd0c5e81.0p-54 + z * (0x155553e1053a42.0p-57 + z * (-0x16c087e80f1e27.0p-62 + z * 0x199342e0ee5069.0p-68)));
    const vl odd = -(quadrant & 1), flip_sin = (quadrant & 2) << 62, flip_cos = ((quadrant + 1) & 2) << 62;

    *sin = (vd)((vl)pick_d(odd, c, s) ^ flip_sin);
    *cos = (vd)((vl)pick_d(odd, s, c) ^ flip_cos);
}

void DS_VARIANT(rope)(const ds_rope_args *a, int64_t begin, int64_t end, int thread)
{
    const ds_tensor x = a->x;
    const int64_t   dim = x.shape[x.rank - 1], heads = x.rank == 3 ? x.shape[1] : 1;
    (void)thread;

    for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < a->rope_dim; j += LANES) {
            const int64_t n = a->rope_dim - j;
            vd            sin, cos;
            sin_cos(v_widen(v_load_f32(a->frequency + j / 2, n < LANES ? n / 2 : LANES / 2) * (float)a->position[i]), &sin, &cos);
            const vf c = v_twice(cos), s = v_twice(a->inverse ? -sin : sin);
            for (int64_t h = 0; h < heads; h++) {
                const int64_t at = (i * heads + h + 1) * dim - a->rope_dim + j;
                const vf      v = v_at(&x, at, n);
                v_put(&x, at, v_add_sub(v * c, v_swap(v, 1) * s), n);
            }
        }
}
