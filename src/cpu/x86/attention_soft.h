/* attention_soft.h - the running softmax of attention, for any vector width: op/attention.h. */
#ifndef DS_CPU_X86_ATTENTION_SOFT_H
#define DS_CPU_X86_ATTENTION_SOFT_H

#include "cpu/x86/vec.h"
#include "op/attention.h"

enum { KEYS = 32, HEADS = DS_ATTENTION_MAX_HEADS };

typedef struct softmax {
    float p[HEADS][KEYS];                      /* scores of a block of keys, then e^(score - top) */
    float top[HEADS], z[HEADS], shrink[HEADS]; /* shrink: what the block's new maximum makes of earlier sums */
} softmax;

/* Scores of n keys to probabilities relative to the new maximum. */
static inline void soften(softmax *s, int64_t h, int n)
{
    vf top = v_set(s->top[h]), sum = v_set(0.0f);

    for (int j = n; j < KEYS; j++) s->p[h][j] = -INFINITY;
    for (int j = 0; j < KEYS; j += LANES) top = v_max(v_load_f32(&s->p[h][j], LANES), top);
    const float new_top = v_top(top);
    s->shrink[h] = v_exp(v_set(s->top[h] - new_top))[0]; /* 0 for the first keys, 1 if the maximum stays */
    for (int j = 0; j < KEYS; j += LANES) {
        const vf p = v_exp(v_load_f32(&s->p[h][j], LANES) - new_top);
        v_store_f32(&s->p[h][j], p, LANES);
        sum = sum + p;
    }
    s->z[h] = s->z[h] * s->shrink[h] + v_sum(sum);
    s->top[h] = new_top;
}

/* The denominator, with the sink in it. */
static inline float soft_total(const softmax *s, int64_t h, float sink)
{
    return s->z[h] + v_exp(v_set(sink - s->top[h]))[0];
}

#endif
