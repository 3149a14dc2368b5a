/* rope_table.c - rotary frequencies, computed once in double and rounded. */
#include <math.h>

#include "model/network.h"

/* The (real-valued) pair whose wavelength makes `rotations` turns over the original context. */
static double pair_at(const ds_config *c, double theta, double rotations)
{
    const double two_pi = 6.283185307179586476925;
    return c->rope_dim * log((double)c->yarn_original_max / (rotations * two_pi)) / (2.0 * log(theta));
}

void ds_rope_frequencies(float *frequency, const ds_config *c, bool compressed)
{
    const double theta = compressed ? c->compress_rope_theta : c->rope_theta;
    double       low = 0.0, high = 0.0;

    if (compressed && c->yarn) {
        low = fmax(floor(pair_at(c, theta, c->yarn_beta_fast)), 0.0);
        high = fmin(ceil(pair_at(c, theta, c->yarn_beta_slow)), c->rope_dim - 1.0);
        if (high == low) high += 0.001; /* as in the published implementations */
    }
    for (int32_t i = 0; i < c->rope_dim / 2; i++) {
        double f = pow(theta, -2.0 * i / c->rope_dim);
        if (compressed && c->yarn) { /* fast pairs stay, slow ones are divided, those between are blended */
            const double ramp = fmin(fmax((i - low) / (high - low), 0.0), 1.0);
            f = f / c->yarn_factor * ramp + f * (1.0 - ramp);
        }
        frequency[i] = (float)f;
    }
}
