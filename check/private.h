/* private.h - what the files of the framework share; check/<op>.c need check.h only. */
#ifndef CHECK_PRIVATE_H
#define CHECK_PRIVATE_H

#include "check.h"
#include "memory.h"

enum { CHECK_MAX_BUFFERS = 64, CHECK_MAX_VARIANTS = 16, CHECK_NAME = 160 };

typedef enum check_role { CHECK_ROLE_IN = 0, CHECK_ROLE_OUT, CHECK_ROLE_SCRATCH } check_role;

typedef struct check_buffer {
    check_slot      slot;
    check_role      role;
    const char     *name;
    bool            is_float, keeps, derived; /* keeps: starts as `initial`; derived: not the reference's */
    ds_dtype        dtype;
    int64_t         group;           /* values of a row that is judged together */
    check_tolerance tolerance;
    const int32_t  *count;           /* of a ragged output */
    int64_t         ragged_width;
    uint64_t        hash;            /* of an input before the call */
    uint8_t        *initial, *first, *reference; /* before; this function's bits; the scalar one's */
    size_t          initial_size, first_size, reference_size;
} check_buffer;

typedef struct check_variant {
    const char *name;
    ds_kernels  kernels;
} check_variant;

/* What an op's summary line says of a variant. */
typedef struct check_tally {
    int64_t cases, faults;
    double  worst;
    char    worst_case[CHECK_NAME];
} check_tally;

/* One case with one function. */
typedef struct check_result {
    check_fault fault;
    char        message[384];
    double      worst;   /* share of the tolerance */
    double      seconds, parts_seconds; /* 0: not timed */
} check_result;

struct check {
    check_options options;
    check_variant variant[CHECK_MAX_VARIANTS];
    int           n_variants;
    check_limit   limit;
    int64_t       faults[CHECK_N_FAULT], n_cases;

    int           op; /* being checked */
    check_tally   tally[CHECK_MAX_VARIANTS];

    char          name[CHECK_NAME]; /* the case */
    bool          timed, started, called;
    int           at;               /* variant */
    check_place   place;
    double        bytes, flops, scalar_seconds;
    bool          narrow; /* BF16 products */
    check_result  result;

    check_buffer  buffer[CHECK_MAX_BUFFERS];
    int           n_buffers;
    uint64_t      ordinal; /* of the next seed */
    void        **temp;
    int           n_temp, temp_size;
    void         *known; /* check_known's */
};

/* A call with its types forgotten. */
typedef struct check_call {
    const void *args;
    int64_t     units, rows;
    void      (*run)(const ds_kernels *k, const void *args, int64_t begin, int64_t end, int thread);
    void      (*parts)(const ds_kernels *k, const void *args); /* of a fused op; else NULL */
    void      (*alone)(check *c, const struct check_call *call, const ds_kernels *k, int64_t row);
    void      (*cut)(void); /* the case's own `alone`, typed by its op */
} check_call;

void check_judge(check *c, const check_call *call);

/* report.c */
void check_report_case(check *c);
void check_report_op(check *c);
void check_report_missing(const check *c, int variant);

/* Whether a row of this kind gets special values; the first always does. */
bool check_has_special(check_random *r, check_kind kind, int64_t row);

/* Fill `size` bytes kept at *at, which grows. */
void check_keep(uint8_t **at, size_t *at_size, const void *from, size_t size);

#endif
