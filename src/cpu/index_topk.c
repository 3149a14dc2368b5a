/* index_topk.c - the definition of index_topk: op/index_topk.h. */
#include "cpu/kernels.h"

/* Whether entry u is chosen before entry w. */
static bool before(const float *score, int32_t u, int32_t w)
{
    return score[u] > score[w] || (score[u] == score[w] && u < w);
}

/* Restore a heap whose root is the entry chosen last. */
static void sift(int32_t *heap, int32_t n, int32_t i, const float *score)
{
    for (;;) {
        int32_t last = i;
        for (int32_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
            if (before(score, heap[last], heap[child])) last = child;
        if (last == i) return;
        const int32_t t = heap[i];
        heap[i] = heap[last];
        heap[last] = t;
        i = last;
    }
}

static int32_t select_top(const float *score, int64_t visible, int32_t top_k, int32_t *selected)
{
    for (int32_t i = 0; i < top_k; i++) selected[i] = i;
    for (int32_t i = top_k / 2 - 1; i >= 0; i--) sift(selected, top_k, i, score);
    for (int32_t w = top_k; w < visible; w++)
        if (before(score, w, selected[0])) {
            selected[0] = w;
            sift(selected, top_k, 0, score);
        }
    const int32_t last = selected[0];
    int32_t       n = 0;
    for (int32_t w = 0; w < visible && n < top_k; w++)
        if (w == last || before(score, w, last)) selected[n++] = w;
    return n;
}

void ds_index_topk_scalar(const ds_index_topk_args *a, int64_t begin, int64_t end, int thread)
{
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const int64_t visible = (a->batch->position[a->first + i] + 1) / a->ratio;
        int32_t      *selected = a->selected + i * a->top_k;
        if (visible > a->top_k) {
            a->count[i] = select_top((const float *)a->score.data + i * a->score.shape[1], visible, a->top_k, selected);
            continue;
        }
        for (int32_t w = 0; w < visible; w++) selected[w] = w;
        a->count[i] = (int32_t)visible;
    }
}
