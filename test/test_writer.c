/* test_writer.c - files written are files read; what goes wrong leaves nothing behind. */
#include <signal.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "dsv4/tensors.h"
#include "folder.h"
#include "format/safetensors.h"

static const dsv4_tensor_spec specs[] = {
    { "logits", "F32", 2, { 2, 3 } }, { "ids", "I64", 1, { 2 } },      { "empty", "BF16", 2, { 0, 7 } },
    { "scalar", "F32", 0, { 0 } },    { "q\"\\\n\xc3\xa9", "U8", 1, { 3 } }, { "packed", "F4", 2, { 2, 4 } },
};
enum { N_SPECS = sizeof specs / sizeof *specs, N_BYTES = 24 + 16 + 0 + 4 + 3 + 4 };

static bool exists(const char *folder, const char *name)
{
    return access(folder_path(folder, name), F_OK) == 0;
}

static void test_round_trip(void **state)
{
    const char *folder = folder_make();
    char        path[600];
    uint8_t     data[N_BYTES];
    static const size_t pieces[] = { 1, 3, 7, N_BYTES };

    (void)state;
    snprintf(path, sizeof path, "%s/out.safetensors", folder);
    for (size_t i = 0; i < N_BYTES; i++) data[i] = (uint8_t)(3 * i + 1);
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        dsv4_tensor_writer *w;
        ds_safetensors     *st;
        uint64_t            at = 0;
        assert_ok(dsv4_tensor_writer_open(&w, path, specs, N_SPECS));
        for (size_t i = 0; i < N_BYTES; i += pieces[p])
            assert_ok(dsv4_tensor_writer_write(w, data + i, pieces[p] < N_BYTES - i ? pieces[p] : N_BYTES - i));
        assert_ok(dsv4_tensor_writer_write(w, NULL, 0));
        assert_int_equal(exists(folder, "out.safetensors"), p > 0); /* the old file until the end */
        assert_ok(dsv4_tensor_writer_finish(w));
        assert_false(exists(folder, "out.safetensors.tmp"));
        assert_ok(ds_safetensors_open(&st, path, false));
        assert_int_equal(st->n, N_SPECS);
        assert_int_equal((st->data - st->file.data) % 8, 0);
        for (size_t i = 0; i < N_SPECS; i++) {
            const ds_safetensors_entry *e = ds_safetensors_find(st, specs[i].name);
            assert_non_null(e);
            assert_string_equal(e->dtype_name, specs[i].dtype);
            assert_int_equal(e->rank, specs[i].rank);
            for (int d = 0; d < e->rank; d++) assert_int_equal(e->shape[d], specs[i].shape[d]);
            assert_int_equal(e->begin, at);
            assert_memory_equal(st->data + e->begin, data + at, e->end - e->begin);
            at = e->end;
        }
        ds_safetensors_close(st);
    }
    dsv4_tensor_writer *w;
    ds_safetensors     *st;
    assert_ok(dsv4_tensor_writer_open(&w, path, NULL, 0));
    assert_ok(dsv4_tensor_writer_finish(w));
    assert_ok(ds_safetensors_open(&st, path, false));
    assert_int_equal(st->n, 0);
    ds_safetensors_close(st);
    folder_remove(folder);
}

static void test_arguments(void **state)
{
    static const struct { dsv4_tensor_spec specs[2]; size_t n; const char *words; } cases[] = {
        { { { NULL, "F32", 0, { 0 } } }, 1, "name" },
        { { { "\xff", "F32", 0, { 0 } } }, 1, "UTF-8" },
        { { { "__metadata__", "F32", 0, { 0 } } }, 1, "__metadata__" },
        { { { "a", NULL, 0, { 0 } } }, 1, "tensor a|dtype" },
        { { { "a", "F64", 0, { 0 } } }, 1, "tensor a|unknown dtype F64" },
        { { { "a", "F32", 9, { 0 } } }, 1, "tensor a|8 dimensions|9" },
        { { { "a", "F32", -1, { 0 } } }, 1, "tensor a|-1" },
        { { { "a", "F32", 2, { 3, -3 } } }, 1, "tensor a|dimension 1|-3" },
        { { { "a", "F32", 2, { INT64_MAX, 4 } } }, 1, "tensor a|overflows" },
        { { { "a", "F4", 1, { 3 } } }, 1, "tensor a|even" },
        { { { "a", "U8", 1, { INT64_MAX / 8 } }, { "b", "U8", 1, { 8 } } }, 2, NULL },
        { { { "a", "U8", 0, { 0 } }, { "a", "F32", 0, { 0 } } }, 2, "tensor a|twice" },
    };
    const char         *folder = folder_make();
    dsv4_tensor_writer *w;
    char                path[600];

    (void)state;
    snprintf(path, sizeof path, "%s/out.safetensors", folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const dsv4_status rc = dsv4_tensor_writer_open(&w, path, cases[i].specs, cases[i].n);
        if (cases[i].words) {
            assert_error(rc, DSV4_EINVAL, cases[i].words);
            assert_null(w);
        } else {
            assert_ok(rc);
            dsv4_tensor_writer_abort(w);
        }
        assert_false(exists(folder, "out.safetensors.tmp"));
    }
    assert_error(dsv4_tensor_writer_open(NULL, path, specs, 1), DSV4_EINVAL, "NULL");
    assert_error(dsv4_tensor_writer_open(&w, NULL, specs, 1), DSV4_EINVAL, "NULL");
    assert_error(dsv4_tensor_writer_open(&w, path, NULL, 1), DSV4_EINVAL, "NULL");
    assert_error(dsv4_tensor_writer_finish(NULL), DSV4_EINVAL, "NULL");
    dsv4_tensor_writer_abort(NULL);
    assert_ok(dsv4_tensor_writer_open(&w, path, specs, 1));
    assert_error(dsv4_tensor_writer_write(w, NULL, 3), DSV4_EINVAL, "NULL");
    assert_error(dsv4_tensor_writer_write(w, path, 25), DSV4_EINVAL, "out.safetensors|24 bytes");
    assert_ok(dsv4_tensor_writer_write(w, path, 20));
    assert_true(exists(folder, "out.safetensors.tmp"));
    assert_error(dsv4_tensor_writer_finish(w), DSV4_EINVAL, "out.safetensors|24|found 20");
    assert_false(exists(folder, "out.safetensors.tmp") || exists(folder, "out.safetensors"));
    assert_ok(dsv4_tensor_writer_open(&w, path, specs, 1));
    dsv4_tensor_writer_abort(w);
    assert_false(exists(folder, "out.safetensors.tmp") || exists(folder, "out.safetensors"));
    assert_error(dsv4_tensor_writer_open(&w, "/nowhere/out", specs, 1), DSV4_EIO, "/nowhere/out|cannot create");
    assert_int_equal(mkdir(path, 0700), 0); /* something that cannot be replaced */
    assert_ok(dsv4_tensor_writer_open(&w, path, specs, 0));
    assert_error(dsv4_tensor_writer_finish(w), DSV4_EIO, "out.safetensors|cannot finish");
    assert_false(exists(folder, "out.safetensors.tmp"));
    assert_int_equal(rmdir(path), 0);
    print_message("writer: %zu specs\n", sizeof cases / sizeof *cases);
    folder_remove(folder);
}

/* A full disk, by a limit on file sizes. */
static void test_full(void **state)
{
    const struct rlimit    small = { 4096, RLIM_INFINITY };
    const dsv4_tensor_spec large = { "a", "U8", 1, { 1 << 20 } };
    const char            *folder = folder_make();
    struct rlimit          before;
    dsv4_tensor_writer    *w;
    char                   path[600];
    void                  *data = calloc(1, 1 << 20);

    (void)state;
    snprintf(path, sizeof path, "%s/out.safetensors", folder);
    assert_ok(dsv4_tensor_writer_open(&w, path, &large, 1));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ small.rlim_cur, before.rlim_max }), 0);
    const dsv4_status rc = dsv4_tensor_writer_write(w, data, 1 << 20);
    const dsv4_status again = dsv4_tensor_writer_write(w, data, 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, DSV4_EIO);
    assert_error(again, DSV4_EIO, "out.safetensors.tmp|earlier write failed");
    assert_error(dsv4_tensor_writer_finish(w), DSV4_EIO, "earlier write failed");
    assert_false(exists(folder, "out.safetensors.tmp") || exists(folder, "out.safetensors"));
    free(data);
    folder_remove(folder);
}

static void test_no_memory(void **state)
{
    const char *folder = folder_make();
    char        path[600];
    dsv4_status rc = DSV4_ENOMEM;
    int64_t     i = 0;

    (void)state;
    snprintf(path, sizeof path, "%s/out.safetensors", folder);
    for (; rc; i++) {
        dsv4_tensor_writer *w;
        count_allocations(i);
        ds_alloc_hook = counting_hook;
        rc = dsv4_tensor_writer_open(&w, path, specs, N_SPECS);
        ds_alloc_hook = NULL;
        if (rc) assert_error(rc, DSV4_ENOMEM, "no memory");
        else dsv4_tensor_writer_abort(w);
        assert_false(exists(folder, "out.safetensors.tmp"));
    }
    print_message("writer: %lld allocations failed in turn\n", (long long)i - 1);
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_arguments), cmocka_unit_test(test_full),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
