/* test_planted.c - the same bugs planted in every op: the definition runs, then its buffers are tampered with, and the
 * check must say so, for each output and each input of each op. So no op's cases forget an output, a guard, a row alone,
 * or have a tolerance that one per cent passes. Bugs that need an op of their own: test_check.c. */
#include <math.h>

#include "private.h"
#include "test.h"

typedef enum bug {
    ONE_PER_CENT,  /* of the largest value of an output; the last byte of integers and codes */
    PAST_END,      /* one element behind an output */
    BEFORE_START,  /* one byte before an output */
    TAIL,          /* the last element is not written */
    TO_INPUT,      /* a byte of an input changes */
    READ_PAST_END, /* one byte behind an input is read */
    MOODY,         /* other bits every second time */
    PLACE,         /* other bits where the buffers are not aligned */
    SPLIT,         /* other bits for some of the units */
    COMPANY,       /* other bits for a row alone */
    SWALLOWED,     /* NaN becomes 0 */
    N_BUG
} bug;

static const struct { const char *name; check_fault fault; } bugs[N_BUG] = {
    { "one per cent", CHECK_VALUE },         { "past the end", CHECK_GUARD }, { "before the start", CHECK_GUARD },
    { "tail not written", CHECK_FINE },      { "input written", CHECK_INPUT }, { "read past the end", CHECK_SIGNAL },
    { "moody", CHECK_REPEAT },               { "unaligned", CHECK_PLACE },    { "split", CHECK_SPLIT },
    { "alone", CHECK_ALONE },                { "NaN swallowed", CHECK_VALUE },
};

static struct {
    check      *c;
    bug         bug;
    int         buffer;               /* which output, or which input */
    int         n_outputs, n_inputs;  /* the most that a case has had */
    int64_t     at_case;
    int         at_place, calls;
    const void *whole;                /* the arguments of the case, not of a row */
    uint8_t     last[4];
} plant;

static size_t element_of(const check_buffer *b)
{
    return b->is_float ? (size_t)ds_row_bytes(b->dtype, 1) : 1;
}

/* The chosen buffer of a role; NULL: this case has not as many, or it is empty. */
static check_buffer *chosen(check_role role)
{
    int n = 0;

    for (int i = 0; i < plant.c->n_buffers; i++) {
        check_buffer *b = &plant.c->buffer[i];
        if (b->role == role && n++ == plant.buffer) return b->slot.bytes ? b : NULL;
    }
    return NULL;
}

static void count_buffers(void)
{
    int n[3] = { 0 };

    for (int i = 0; i < plant.c->n_buffers; i++) n[plant.c->buffer[i].role]++;
    if (n[CHECK_ROLE_OUT] > plant.n_outputs) plant.n_outputs = n[CHECK_ROLE_OUT];
    if (n[CHECK_ROLE_IN] > plant.n_inputs) plant.n_inputs = n[CHECK_ROLE_IN];
}

static void one_per_cent(check_buffer *b)
{
    const int64_t n = (int64_t)(b->slot.bytes / element_of(b));
    int64_t       at = 0;
    float         top = 0.0f, v;

    if (!b->is_float) {
        b->slot.data[b->slot.bytes - 1] ^= 1;
        return;
    }
    for (int64_t i = 0; i < n; i++)
        if (isfinite(v = ds_load(b->slot.data, b->dtype, i)) && fabsf(v) > top) top = fabsf(v), at = i;
    v = 1.01f * ds_load(b->slot.data, b->dtype, at);
    const ds_bf16 half = ds_f32_to_bf16(v);
    if (b->dtype == DS_F32) memcpy(b->slot.data + 4 * at, &v, 4);
    else memcpy(b->slot.data + 2 * at, &half, 2);
}

static void no_nans(check_buffer *b)
{
    for (size_t i = 0; b->is_float && i < b->slot.bytes / element_of(b); i++)
        if (isnan(ds_load(b->slot.data, b->dtype, (int64_t)i))) memset(b->slot.data + i * element_of(b), 0, element_of(b));
}

/* The last float becomes the next one; of others a byte. */
static void nudge(check_buffer *b)
{
    b->slot.data[b->slot.bytes - element_of(b)]++;
}

static void before(const void *args)
{
    if (plant.at_case != plant.c->n_cases || plant.at_place != (int)plant.c->place) {
        plant.at_case = plant.c->n_cases;
        plant.at_place = (int)plant.c->place;
        plant.whole = args;
        plant.calls = 0;
        count_buffers();
    }
    const check_buffer *out = chosen(CHECK_ROLE_OUT);
    if (plant.bug == TAIL && out) memcpy(plant.last, out->slot.data + out->slot.bytes - element_of(out), element_of(out));
}

static void after(const void *args, int64_t begin, int64_t end, int64_t units)
{
    check_buffer *out = chosen(CHECK_ROLE_OUT), *in = chosen(CHECK_ROLE_IN);
    const int     call = plant.calls++;

    if (plant.bug == TO_INPUT && in) in->slot.data[0] ^= 1;
    if (plant.bug == READ_PAST_END && in) (void)*(volatile uint8_t *)(in->slot.data + in->slot.bytes);
    if (!out) return;
    switch (plant.bug) {
    case ONE_PER_CENT: one_per_cent(out); break;
    case PAST_END: memset(out->slot.data + out->slot.bytes, 0, element_of(out)); break;
    case BEFORE_START: out->slot.data[-1] = 0; break;
    case TAIL: memcpy(out->slot.data + out->slot.bytes - element_of(out), plant.last, element_of(out)); break;
    case MOODY: if (call % 2) nudge(out); break;
    case PLACE: if (plant.c->place == CHECK_OFF_BY_ONE) nudge(out); break;
    case SPLIT: if (args == plant.whole && (begin > 0 || end < units)) nudge(out); break;
    case COMPANY: if (args != plant.whole) nudge(out); break;
    case SWALLOWED: no_nans(out); break;
    default: break;
    }
}

#define DS_OP(op)                                                                                  \
    static void planted_##op(const ds_##op##_args *a, int64_t begin, int64_t end, int thread)      \
    {                                                                                              \
        before(a);                                                                                 \
        ds_##op##_scalar(a, begin, end, thread);                                                   \
        after(a, begin, end, ds_##op##_units(a));                                                  \
    }
DS_OP_LIST(DS_OP)
#undef DS_OP

/* Whether checking op with the bug in buffer `at` finds it. The other ops are sound: they may be a fused op's parts. */
static bool is_found(int op, bug which, int at)
{
    ds_kernels k;

    ds_kernels_pick(&k, DS_ISA_SCALAR);
#define DS_OP(name) if (strcmp(check_op_name(op), #name) == 0) k.name = planted_##name;
    DS_OP_LIST(DS_OP)
#undef DS_OP
    FILE               *out = tmpfile();
    const check_options options = { .isa = DS_ISA_SCALAR, .out = out, .first_fault = true };
    check              *c = check_open(&options);

    assert_non_null(out);
    assert_non_null(c);
    check_add_variant(c, "planted", &k);
    plant.c = c;
    plant.bug = which;
    plant.buffer = at;
    plant.at_case = -1;
    plant.n_outputs = plant.n_inputs = 0;
    check_op(c, op);
    const check_fault fault = bugs[which].fault;
    bool found = fault ? check_faults(c, fault) > 0 : check_faults(c, CHECK_VALUE) + check_faults(c, CHECK_REPEAT) > 0;
    if (fault == CHECK_VALUE) found |= check_faults(c, CHECK_PARTS) > 0; /* a fused op's codes are held against its parts */
    check_close(c);
    fclose(out);
    return found;
}

/* What an op does not have: rows of its own, units to split, a NaN in an output that holds any. */
static bool is_exempt(const char *op, bug which)
{
    static const char *const no_nan[] = { "expert_sort", "index_topk", /* integers */ "index_score", /* where it is -infinity */
                                          "kv_pack", "kv_append", "ring_write", "gather", /* bytes, NaN or not */
                                          "fp4_sim" /* E2M1 holds none */ };

    if (strcmp(op, "expert_sort") == 0) return which == COMPANY || which == SPLIT || which == SWALLOWED;
    for (size_t i = 0; which == SWALLOWED && i < sizeof no_nan / sizeof *no_nan; i++)
        if (strcmp(op, no_nan[i]) == 0) return true;
    return false;
}

static void every_bug_is_found(void **state)
{
    int missed = 0, found = 0;

    (void)state;
    for (int op = 0; op < check_n_ops(); op++)
        for (int b = 0; b < N_BUG; b++) {
            if (is_exempt(check_op_name(op), (bug)b)) continue;
            const bool inputs = b == TO_INPUT || b == READ_PAST_END;
            bool       any = false;
            for (int at = 0, n = 1; at < n; at++) {
                const bool is = is_found(op, (bug)b, at);
                any |= is;
                n = inputs ? plant.n_inputs : plant.n_outputs;
                if (at >= n) break; /* all in place: it has no inputs */
                if (b == SWALLOWED && at + 1 < n) continue; /* one of the outputs is enough: others are integers */
                if (b == SWALLOWED ? any : is) {
                    found++;
                    continue;
                }
                missed++;
                print_message("%s: '%s' in %s %d is not found\n", check_op_name(op), bugs[b].name, inputs ? "input" : "output", at);
            }
        }
    print_message("%d planted bugs found\n", found);
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bug_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
