/* sample.c - from logits to a token: greedy, or drawn from the likeliest.
 *
 * p = softmax(logits / temperature), cut to the top_k likeliest, to the fewest of those that reach top_p of the
 * mass, and to those with at least min_p of the largest; then one draw. The draw depends on the seed and the
 * position alone, so that a rewound or forked sequence draws again what it drew. */
#include <math.h>

#include "engine/engine.h"

/* A uniform number in [0, 1) from seed and position: two rounds of the splitmix64 finaliser. */
static double uniform(uint64_t seed, uint64_t position)
{
    uint64_t z = seed;

    for (int round = 0; round < 2; round++) {
        z += 0x9e3779b97f4a7c15u * (position + 1);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        z ^= z >> 31;
    }
    return (double)(z >> 11) * 0x1p-53;
}

static int32_t likeliest(const float *logits, int32_t n)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

static bool likelier(const float *logits, int32_t a, int32_t b)
{
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
}

/* Restore a heap whose root is the likeliest. */
static void sift(int32_t *heap, int32_t n, int32_t i, const float *logits)
{
    for (;;) {
        int32_t top = i;
        for (int32_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
            if (likelier(logits, heap[child], heap[top])) top = child;
        if (top == i) return;
        const int32_t t = heap[i];
        heap[i] = heap[top];
        heap[top] = t;
        i = top;
    }
}

/* The likeliest tokens in falling order, as many as the limits let through, to the end of `order`: returns how
 * many. *mass: the sum of their weights e^((logit - max) / temperature). */
static int32_t shortlist(const ds_sampler_input *in, double total, double *mass)
{
    const dsv4_sampling *s = in->sampling;
    const float          max = in->logits[likeliest(in->logits, in->n)];
    const int32_t        limit = s->top_k > 0 && s->top_k < in->n ? s->top_k : in->n;
    int32_t              kept = 0, size = in->n;
    double               top_k_mass = total;

    for (int32_t i = 0; i < in->n; i++) in->order[i] = i;
    for (int32_t i = in->n / 2 - 1; i >= 0; i--) sift(in->order, in->n, i, in->logits);
    *mass = 0.0;
    if (limit < in->n) { /* top_p is a share of what top_k left: weigh that first */
        top_k_mass = 0.0;
        for (int32_t i = 0; i < limit; i++) {
            const int32_t id = in->order[0];
            top_k_mass += exp(((double)in->logits[id] - max) / s->temperature);
            in->order[0] = in->order[--size];
            in->order[size] = id;
            sift(in->order, size, 0, in->logits);
        }
    }
    while (kept < limit) {
        if (limit == in->n) { /* taken one by one, only as far as needed */
            const int32_t id = in->order[0];
            in->order[0] = in->order[--size];
            in->order[size] = id;
            sift(in->order, size, 0, in->logits);
        }
        const double weight = exp(((double)in->logits[in->order[in->n - 1 - kept]] - max) / s->temperature);
        if (kept > 0 && (weight < s->min_p || *mass >= s->top_p * top_k_mass)) break;
        *mass += weight;
        kept++;
    }
    return kept;
}

int32_t ds_sample(const ds_sampler_input *in)
{
    const dsv4_sampling *s = in->sampling;
    const int32_t        best = likeliest(in->logits, in->n);
    const double         max = in->logits[best];
    double               total = 0.0, sum = 0.0;

    if (s->temperature <= 0.0f || !isfinite(max)) return best;
    for (int32_t i = 0; i < in->n; i++) total += exp((in->logits[i] - max) / s->temperature);
    const double u = uniform(s->seed, (uint64_t)in->position);
    if (s->top_k <= 0 && s->top_p >= 1.0f && s->min_p <= 0.0f) {
        for (int32_t i = 0; i < in->n; i++)
            if ((sum += exp((in->logits[i] - max) / s->temperature)) > u * total) return i;
        return best;
    }
    double        mass;
    const int32_t n = shortlist(in, total, &mass);
    for (int32_t i = 0; i < n; i++) {
        const int32_t id = in->order[in->n - 1 - i];
        if ((sum += exp((in->logits[id] - max) / s->temperature)) > u * mass) return id;
    }
    return best;
}

float ds_logprobs(const float *logits, int32_t n_vocab, int32_t id, dsv4_alternative *top, int32_t n)
{
    const double max = logits[likeliest(logits, n_vocab)];
    double       sum = 0.0;
    int32_t      found = 0;

    for (int32_t i = 0; i < n_vocab; i++) {
        sum += exp(logits[i] - max);
        int32_t at = found;
        while (at > 0 && logits[i] > top[at - 1].logprob) at--;
        if (at == n) continue;
        if (found < n) found++;
        for (int32_t j = found - 1; j > at; j--) top[j] = top[j - 1];
        top[at] = (dsv4_alternative){ i, logits[i] };
    }
    const double lse = max + log(sum);
    for (int32_t i = 0; i < found; i++) top[i].logprob = (float)(top[i].logprob - lse);
    return (float)(logits[id] - lse);
}
