/* judge.c - one function on one call: run it in several ways, and compare. */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

#include "private.h"

/* ---- running where memory may be missing ---- */

static sigjmp_buf            back;
static volatile sig_atomic_t running;

static void on_signal(int number)
{
    if (!running) { /* not the op's fault: die of it */
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    siglongjmp(back, number);
}

enum { N_SIGNALS = 4 };
static const int        numbers[N_SIGNALS] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };
static struct sigaction others[N_SIGNALS]; /* who else handles them: a test framework, a sanitizer */

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    sigemptyset(&action.sa_mask);
    for (int i = 0; i < N_SIGNALS; i++) sigaction(numbers[i], &action, &others[i]);
    running = 1;
}

static void release_signals(void)
{
    running = 0;
    for (int i = 0; i < N_SIGNALS; i++) sigaction(numbers[i], &others[i], NULL);
}

/* ---- verdicts ---- */

__attribute__((format(printf, 3, 4))) static bool fail(check *c, check_fault fault, const char *format, ...)
{
    va_list list;

    if (c->result.fault) return false; /* the first says it */
    c->result.fault = fault;
    va_start(list, format);
    vsnprintf(c->result.message, sizeof c->result.message, format, list);
    va_end(list);
    return false;
}

static uint64_t hash_of(const uint8_t *p, size_t n)
{
    uint64_t lane[4] = { 1, 2, 3, 4 }, word[4], h = 0x9e3779b97f4a7c15u ^ n; /* lanes: a multiplication takes a while */

    for (; n >= 32; p += 32, n -= 32) {
        memcpy(word, p, 32);
        for (int k = 0; k < 4; k++) {
            lane[k] = (lane[k] ^ word[k]) * 0xff51afd7ed558ccdu;
            lane[k] ^= lane[k] >> 32;
        }
    }
    for (int k = 0; k < 4; k++) h = (h ^ lane[k]) * 0xff51afd7ed558ccdu;
    for (; n > 0; p++, n--) h = (h ^ *p) * 0xff51afd7ed558ccdu;
    return h;
}

/* Outputs to what they begin with: their input, or garbage that differs from run to run. */
static void set_outputs(check *c, int garbage)
{
    for (int i = 0; i < c->n_buffers; i++) {
        check_buffer *b = &c->buffer[i];
        if (b->role == CHECK_ROLE_IN) continue;
        if (b->keeps) memcpy(b->slot.data, b->initial, b->slot.bytes);
        else memset(b->slot.data, garbage, b->slot.bytes);
    }
}

static void hash_inputs(check *c)
{
    for (int i = 0; i < c->n_buffers; i++)
        if (c->buffer[i].role == CHECK_ROLE_IN) c->buffer[i].hash = hash_of(c->buffer[i].slot.data, c->buffer[i].slot.bytes);
}

static bool untouched(check *c, const char *how)
{
    for (int i = 0; i < c->n_buffers; i++) {
        const check_buffer *b = &c->buffer[i];
        const ptrdiff_t     damage = check_slot_damage(&b->slot);
        if (damage)
            return fail(c, CHECK_GUARD, "%s: wrote byte %td of %s, which has %zu", how, damage, b->name, b->slot.bytes);
        if (b->role == CHECK_ROLE_IN && hash_of(b->slot.data, b->slot.bytes) != b->hash)
            return fail(c, CHECK_INPUT, "%s: wrote to its input %d (%s)", how, i, b->name);
    }
    return true;
}

/* Every NaN becomes the same one: which of two an addition passes on is the compiler's choice. */
static void tidy_nans(const check_buffer *b)
{
    const size_t n = b->slot.bytes / (size_t)ds_row_bytes(b->dtype, 1);
    uint32_t     wide;
    uint16_t     half;

    for (size_t i = 0; b->dtype == DS_F32 && i < n; i++) {
        memcpy(&wide, b->slot.data + 4 * i, 4);
        wide = (wide & 0x7fffffff) > 0x7f800000 ? 0x7fc00000 : wide;
        memcpy(b->slot.data + 4 * i, &wide, 4);
    }
    for (size_t i = 0; b->dtype == DS_BF16 && i < n; i++) {
        memcpy(&half, b->slot.data + 2 * i, 2);
        half = (half & 0x7fff) > 0x7f80 ? 0x7fc0 : half;
        memcpy(b->slot.data + 2 * i, &half, 2);
    }
}

/* What the op leaves open is made equal: what a ragged output does not define, the payload of NaN. */
static void tidy(check *c)
{
    for (int i = 0; i < c->n_buffers; i++) {
        const check_buffer *b = &c->buffer[i];
        if (b->role == CHECK_ROLE_OUT && b->is_float) tidy_nans(b);
        if (!b->count) continue;
        int32_t      *v = (int32_t *)(void *)b->slot.data;
        const int64_t rows = (int64_t)b->slot.bytes / (4 * b->ragged_width);
        for (int64_t r = 0; r < rows; r++) {
            const int64_t n = b->count[r];
            for (int64_t j = n < 0 ? 0 : n; j < b->ragged_width; j++) v[r * b->ragged_width + j] = -1;
        }
    }
}

static bool same_bits(check *c, check_fault fault, const char *how)
{
    for (int i = 0; i < c->n_buffers; i++) {
        const check_buffer *b = &c->buffer[i];
        if (b->role != CHECK_ROLE_OUT || memcmp(b->slot.data, b->first, b->slot.bytes) == 0) continue;
        size_t at = 0;
        while (b->slot.data[at] == b->first[at]) at++;
        if (b->is_float) {
            const int64_t size = ds_row_bytes(b->dtype, 1), e = (int64_t)at / size;
            return fail(c, fault, "%s: other bits: %s[%lld][%lld] = %.9g, before %.9g", how, b->name,
                        (long long)(e / b->group), (long long)(e % b->group), (double)ds_load(b->slot.data, b->dtype, e),
                        (double)ds_load(b->first, b->dtype, e));
        }
        return fail(c, fault, "%s: other bits: byte %zu of %s", how, at, b->name);
    }
    return true;
}

static double ulp_of(float r, ds_dtype dtype)
{
    const int bits = dtype == DS_BF16 ? 8 : 24;
    int       e = -125;

    if (r != 0.0f) frexp((double)r, &e);
    if (e < -125) e = -125;
    return ldexp(1.0, e - bits);
}

static bool close_floats(check *c, const check_buffer *b)
{
    const int64_t n = (int64_t)b->slot.bytes / ds_row_bytes(b->dtype, 1);

    for (int64_t first = 0; first < n; first += b->group) {
        const int64_t end = first + b->group < n ? first + b->group : n;
        double        sum = 0.0;
        int64_t       finite = 0;
        for (int64_t i = first; i < end; i++) {
            const double r = (double)ds_load(b->reference, b->dtype, i);
            if (isfinite(r)) sum += r * r, finite++;
        }
        const double rms = finite ? sqrt(sum / (double)finite) : 0.0;
        for (int64_t i = first; i < end; i++) {
            const float r = ds_load(b->reference, b->dtype, i), y = ds_load(b->slot.data, b->dtype, i);
            if (r == y || (isnan(r) && isnan(y))) continue;
            const double allowed = b->tolerance.rms * rms + b->tolerance.ulps * ulp_of(r, b->dtype) + b->tolerance.tiny;
            const double share = isfinite(r) && isfinite(y) && allowed > 0.0 ? fabs((double)y - (double)r) / allowed : INFINITY;
            if (share > c->result.worst) c->result.worst = share;
            if (share > 1.0)
                return fail(c, CHECK_VALUE, "%s[%lld][%lld] = %.9g, the reference has %.9g: %.3g times the tolerance (row RMS %.3g)",
                            b->name, (long long)(i / b->group), (long long)(i % b->group), (double)y, (double)r, share, rms);
        }
    }
    return true;
}

static bool near_reference(check *c)
{
    for (int i = 0; i < c->n_buffers; i++) {
        const check_buffer *b = &c->buffer[i];
        if (b->role != CHECK_ROLE_OUT || b->derived) continue;
        if (b->is_float) {
            if (!close_floats(c, b)) return false;
            continue;
        }
        for (size_t at = 0; at < b->slot.bytes; at++)
            if (b->slot.data[at] != b->reference[at]) {
                c->result.worst = INFINITY;
                return fail(c, CHECK_VALUE, "%s: byte %zu of %zu is 0x%02x, the reference has 0x%02x", b->name, at,
                            b->slot.bytes, b->slot.data[at], b->reference[at]);
            }
    }
    return true;
}

/* ---- ways to run ---- */

static void run_whole(check *c, const check_call *call)
{
    call->run(&c->variant[c->at].kernels, call->args, 0, call->units, 0);
}

/* In random pieces, one of the later ones first, on threads 0 to 3. */
static void run_split(check *c, const check_call *call)
{
    const ds_kernels *k = &c->variant[c->at].kernels;
    check_random      r = check_seed(c);
    const int64_t     middle = check_below(&r, call->units + 1);

    for (int half = 0; half < 2; half++)
        for (int64_t begin = half ? 0 : middle, end = half ? middle : call->units; begin < end;) {
            const int64_t n = 1 + check_below(&r, check_below(&r, 4) ? 3 : end - begin);
            const int64_t stop = begin + n < end ? begin + n : end;
            call->run(k, call->args, begin, stop, (int)check_below(&r, 4));
            begin = stop;
        }
}

static void run_alone(check *c, const check_call *call)
{
    for (int64_t i = call->rows - 1; i >= 0; i--) call->alone(c, call, &c->variant[c->at].kernels, i);
}

static void run_parts(check *c, const check_call *call)
{
    call->parts(&c->variant[c->at].kernels, call->args);
}

/* False if it touched memory that is not there. */
static bool run_guarded(check *c, const check_call *call, void (*run)(check *, const check_call *), int garbage, const char *how)
{
    set_outputs(c, garbage);
    const int number = sigsetjmp(back, 1);
    if (number) {
        release_signals();
        return fail(c, CHECK_SIGNAL, "%s: %s", how,
                    number == SIGSEGV || number == SIGBUS ? "touched memory behind a buffer" : "illegal instruction");
    }
    catch_signals();
    run(c, call);
    release_signals();
    tidy(c);
    return untouched(c, how);
}

/* ---- time ---- */

static double time_call(check *c, const check_call *call, void (*run)(check *, const check_call *))
{
    const bool cold = c->bytes > CHECK_COLD; /* read from memory in practice, so it is here */
    double     best = INFINITY, total = 0.0;
    int        repeat = 1;

    for (int n = 0; n < 3 || (total < 0.05 && n < 10000); n++) {
        set_outputs(c, 0);
        if (cold) check_evict();
        const double start = check_seconds();
        for (int i = 0; i < repeat; i++) run(c, call);
        const double t = check_seconds() - start;
        if (t / repeat < best) best = t / repeat;
        total += t;
        if (!cold && n == 0 && t < 20e-6) repeat = (int)(20e-6 / (t > 1e-7 ? t : 1e-7)) + 1;
        if (total > 1.0) break;
    }
    return best;
}

void check_judge(check *c, const check_call *call)
{
    static const char *const places[CHECK_N_PLACE] = { "aligned", "one element off", "at the end of a page" };

    c->called = true;
    for (int i = 0; i < c->n_buffers; i++) { /* what in-place outputs begin with */
        check_buffer *b = &c->buffer[i];
        if (b->keeps) check_keep(&b->initial, &b->initial_size, b->slot.data, b->slot.bytes);
    }
    hash_inputs(c);
    if (!run_guarded(c, call, run_whole, 0xff, places[c->place])) return;
    if (c->place == CHECK_ALIGNED) {
        for (int i = 0; i < c->n_buffers; i++) {
            check_buffer *b = &c->buffer[i];
            if (b->role != CHECK_ROLE_OUT) continue;
            check_keep(&b->first, &b->first_size, b->slot.data, b->slot.bytes);
            if (c->at == 0) check_keep(&b->reference, &b->reference_size, b->slot.data, b->slot.bytes);
        }
        if (!near_reference(c)) return;
        if (!run_guarded(c, call, run_whole, 0x5a, "a second time") || !same_bits(c, CHECK_REPEAT, "a second time")) return;
        if (call->parts && (!run_guarded(c, call, run_parts, 0x5a, "by its parts") || !same_bits(c, CHECK_PARTS, "by its parts"))) return;
    } else {
        if (!same_bits(c, CHECK_PLACE, places[c->place])) return;
        if (c->place == CHECK_OFF_BY_ONE) {
            if (!run_guarded(c, call, run_split, 0x5a, "in pieces") || !same_bits(c, CHECK_SPLIT, "in pieces")) return;
        } else if (call->alone) {
            if (!run_guarded(c, call, run_alone, 0x5a, "row by row") || !same_bits(c, CHECK_ALONE, "row by row")) return;
        }
    }
    if (c->timed) c->result.seconds = time_call(c, call, run_whole);
    if (c->timed && call->parts) c->result.parts_seconds = time_call(c, call, run_parts);
}
