/* checkpoint_ask.c - the checkpoint that has everything and writes down what it was asked for: checkpoint.h. */
#include <stdio.h>

#include "base/alloc.h"
#include "format/checkpoint_private.h"

ds_status ds_checkpoint_ask(ds_checkpoint **out, const char *path, const ds_config *config, bool draft)
{
    const ds_status rc = ds_checkpoint_of(out, path, config, NULL, 0, NULL, NULL, 0);

    if (rc) return rc;
    (*out)->asking = true;
    (*out)->asking_draft = draft;
    return DSV4_OK;
}

ds_status ds_checkpoint_note(ds_checkpoint *cp, const char *name, ds_ask kind, int rank, const int64_t *shape)
{
    if (cp->n_asked == cp->asked_capacity) {
        const int64_t capacity = 2 * cp->asked_capacity + 1024;
        ds_asked     *more = ds_realloc(cp->asked, (size_t)capacity * sizeof *more);
        if (!more) return ds_fail(DSV4_ENOMEM, "%s: no memory for the list of its parts", cp->path);
        cp->asked = more;
        cp->asked_capacity = capacity;
    }
    ds_asked *a = &cp->asked[cp->n_asked++];
    *a = (ds_asked){ .kind = kind, .rank = rank };
    snprintf(a->name, sizeof a->name, "%s", name);
    for (int i = 0; i < rank; i++) a->shape[i] = shape[i];
    return DSV4_OK;
}

const ds_asked *ds_checkpoint_asked(const ds_checkpoint *cp, int64_t *n)
{
    *n = cp->n_asked;
    return cp->asked;
}
