/* rope_vec.h - rope for any vector width: op/rope.h. LANES / 2 angles at a time, reduced and expanded in double, so that cos and
 * sin are those of the definition but where both round a last-bit tie differently. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

static inline vd pick_d(vl mask, vd a, vd b)
{
    return (vd)((mask & (vl)a) | (~mask & (vl)b));
}

enum { TOGETHER = 4 }; /* vectors: their chains side by side */

/* x = k pi/2 + r, k below 2^20 or so; polynomials for |r| <= pi/4 (FreeBSD's k_sinf.c, k_cosf.c), then the quadrant. Of n <= TOGETHER
 * vectors, a constant. */
V_INLINE void sin_cos(const vd *x, vd *sin, vd *cos, const int n)
{
    vd r[TOGETHER], z[TOGETHER], s[TOGETHER], c[TOGETHER];
    vl quadrant[TOGETHER];

    for (int i = 0; i < n; i++) {
        const vd shifted = x[i] * 0x1.45f306dc9c883p-1 + 0x1.8p52, k = shifted - 0x1.8p52; /* the low bits of shifted: k */
        quadrant[i] = (vl)shifted;
        r[i] = (x[i] - k * 1.57079632673412561417e+00) - k * 6.07710050650619224932e-11;
        z[i] = r[i] * r[i];
    }
    for (int i = 0; i < n; i++) s[i] = -0x1a00f9e2cae774.0p-65 + z[i] * 0x16cd878c3b46a7.0p-71;
    for (int i = 0; i < n; i++) c[i] = -0x16c087e80f1e27.0p-62 + z[i] * 0x199342e0ee5069.0p-68;
    for (int i = 0; i < n; i++) s[i] = 0x111110896efbb2.0p-59 + z[i] * s[i];
    for (int i = 0; i < n; i++) c[i] = 0x155553e1053a42.0p-57 + z[i] * c[i];
    for (int i = 0; i < n; i++) s[i] = r[i] + r[i] * z[i] * (-0x15555554cbac77.0p-55 + z[i] * s[i]);
    for (int i = 0; i < n; i++) c[i] = 1.0 + z[i] * (-0x1ffffffd0c5e81.0p-54 + z[i] * c[i]);
    for (int i = 0; i < n; i++) {
        const vl odd = -(quadrant[i] & 1), flip_sin = (quadrant[i] & 2) << 62, flip_cos = ((quadrant[i] + 1) & 2) << 62;
        sin[i] = (vd)((vl)pick_d(odd, c[i], s[i]) ^ flip_sin);
        cos[i] = (vd)((vl)pick_d(odd, s[i], c[i]) ^ flip_cos);
    }
}

/* `count` vectors of every head's rotary channels, from channel j on, of the token at `position`; `first` is its first value. */
V_INLINE void rotate(const ds_rope_args *a, int64_t first, int64_t position, int64_t j, const int count)
{
    const ds_tensor x = a->x;
    const int64_t   dim = x.shape[x.rank - 1], heads = x.rank == 3 ? x.shape[1] : 1;
    vd              angle[TOGETHER], sin[TOGETHER], cos[TOGETHER];

    for (int k = 0; k < count; k++) {
        const int64_t n = a->rope_dim - j - k * LANES;
        angle[k] = v_widen(v_load_f32(a->frequency + j / 2 + k * LANES / 2, n < LANES ? n / 2 : LANES / 2) * (float)position);
    }
    sin_cos(angle, sin, cos, count);
    for (int k = 0; k < count; k++) {
        const vf c = v_twice(cos[k]), s = v_twice(a->inverse ? -sin[k] : sin[k]);
        for (int64_t h = 0; h < heads; h++) {
            const int64_t n = a->rope_dim - j - k * LANES, at = first + (h + 1) * dim - n;
            const vf      v = v_at(&x, at, n);
            v_put(&x, at, v_add_sub(v * c, v_swap(v, 1) * s), n);
        }
    }
}

void DS_VARIANT(rope)(const ds_rope_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t width = ds_width(&a->x);
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        int64_t j = 0;
        for (; j + TOGETHER * LANES <= a->rope_dim; j += TOGETHER * LANES) rotate(a, i * width, a->position[i], j, TOGETHER);
        for (; j < a->rope_dim; j += LANES) rotate(a, i * width, a->position[i], j, 1);
    }
}
