/* test_quantize.c - `dsv4 quantize` from outside: its words, its exit codes, what it leaves, the memory it takes. */
#include <sys/resource.h>
#include <time.h>

#include "format/checkpoint.h"
#include "format/flavour.h"
#include "model/network.h"
#include "program.h"

static char scratch[256]; /* a folder for all that is written */

static const char *in_scratch(const char *name)
{
    static char path[4][300];
    static int  next;
    char       *p = path[next++ % 4];

    snprintf(p, sizeof path[0], "%s/%s", scratch, name);
    return p;
}

static void drop(const char *name) { folder_remove(in_scratch(name)); }

static bool is_there(const char *name) { return access(in_scratch(name), F_OK) == 0; }

static int open_scratch(void **state)
{
    (void)state;
    snprintf(scratch, sizeof scratch, "%s", folder_make());
    return 0;
}

static int close_scratch(void **state)
{
    (void)state;
    return rmdir(scratch); /* fails if anything was left */
}

#define DEMO TEST_PATH("demo")

static void the_command_line_is_checked(void **state)
{
    const char *out = in_scratch("out");

    (void)state;
    expect_error(DSV4("quantize"), 2, "expected SRC and DST, found neither");
    expect_error(DSV4("quantize", DEMO), 2, "expected SRC and DST, found one folder");
    expect_error(DSV4("quantize", DEMO, out), 2, "--to: expected bf16, official or nvfp4, found nothing");
    expect_error(DSV4("quantize", DEMO, out, "--to", "int4"), 2, "--to: expected bf16|official|nvfp4, found 'int4'");
    expect_error(DSV4("quantize", DEMO, out, "more", "--to", "bf16"), 2, "unexpected 'more'");
    expect_error(DSV4("quantize", "/nonexistent", out, "--to", "bf16"), 1, "/nonexistent");
    expect_error(DSV4("quantize", DEMO, scratch, "--to", "bf16"), 1, "expected a new folder, found one of that name");
    assert_false(is_there("out") || is_there("out.tmp"));
}

/* Each flavour loads, is what it says, and answers. */
static void the_demo_in_each_flavour(void **state)
{
    static const char *const to[3][2] = { { "bf16", "BF16" }, { "official", "official (FP8 + MXFP4)" }, { "nvfp4", "NVFP4 (ModelOpt)" } };

    (void)state;
    for (int i = 0; i < 3; i++) {
        const char *out = in_scratch("out");
        json_t     *j = expect_json(DSV4("quantize", DEMO, out, "--to", to[i][0], "--json", "--threads", i ? "1" : "3"));
        assert_string_equal(text_of(j, "path"), out);
        assert_string_equal(text_of(j, "flavour"), to[i][0]);
        assert_int_equal((int)number_of(j, "n_files"), 10);
        assert_int_equal((int)number_of(j, "n_left_out"), 0);
        const double bytes = number_of(j, "bytes"), copied = number_of(j, "copied_bytes");
        assert_true(copied > 0 && (i == 2 ? copied == bytes : copied < bytes));
        assert_true(number_of(j, "source_bytes") > 0 && number_of(j, "seconds") > 0);
        json_t *inspected = expect_json(DSV4("inspect", out, "--json"));
        assert_string_equal(text_of(inspected, "flavour"), to[i][1]);
        assert_int_equal((int)number_of(inspected, "n_tensors"), (int)number_of(j, "n_tensors"));
        json_decref(inspected);
        json_decref(j);
        expect_out(DSV4("run", out, "-p", "What is 17 + 25?", "--temperature", "0"), "17 + 25 = 42.");
        drop("out");
    }
    run_result r = DSV4("quantize", DEMO, in_scratch("out"), "--to", "nvfp4"); /* for people; no bar: no terminal */
    expect(&r, 0);
    assert_non_null(strstr(r.out, "out: nvfp4, 1729 tensors in 10 files"));
    assert_string_equal(r.err, "");
    run_free(&r);
    drop("out");
}

/* ---- a large source that no disk block backs ---- */

/* Flash's widths with few experts, BF16, all zeros: names and shapes from the network, as bytes of nothing. */
static uint64_t write_large(const char *folder, int layers, int experts)
{
    ds_checkpoint  *asking;
    ds_network      net;
    dsv4_model_info info = { 0 };
    ds_config       config;
    ds_part         part[DS_MAX_PARTS];
    int64_t         n;
    uint64_t        at = 0;
    char            number[64];

    assert_int_equal(mkdir(folder, 0777), 0);
    write_config(folder, "V4-Flash-0731", NULL, NULL);
    json_t *j = read_vectors(folder_path(folder, "config.json"));
    snprintf(number, sizeof number, "%d", experts);
    json_object_set_new(j, "n_routed_experts", json_integer(experts));
    json_object_set_new(j, "num_hidden_layers", json_integer(layers));
    json_object_set_new(j, "num_hash_layers", json_integer(0));
    json_object_set_new(j, "vocab_size", json_integer(8192));
    char *text = json_dumps(j, JSON_INDENT(1));
    folder_write_text(folder, "config.json", text);
    free(text);
    json_decref(j);
    assert_ok(ds_config_open(&config, folder));
    assert_ok(ds_checkpoint_ask(&asking, folder, &config, false));
    assert_ok(ds_network_open(&net, asking, &info));
    ds_network_close(&net);
    const ds_asked *asked = ds_checkpoint_asked(asking, &n);
    char           *header = malloc((size_t)n * 256 + 64);
    size_t          size = 0;
    for (int64_t i = 0; i < n; i++) {
        ds_flavour_parts(part, &asked[i], ds_flavour_dtype(DSV4_FLAVOUR_BF16, &asked[i]), false);
        size += (size_t)sprintf(header + size, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%lld", size ? "," : "{", part[0].name,
                                part[0].dtype_name, (long long)part[0].shape[0]);
        if (part[0].rank == 2) size += (size_t)sprintf(header + size, ",%lld", (long long)part[0].shape[1]);
        size += (size_t)sprintf(header + size, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at,
                                (unsigned long long)(at + part[0].bytes));
        at += part[0].bytes;
    }
    header[size++] = '}';
    folder_write_safetensors(folder, "model.safetensors", header, size, at);
    free(header);
    ds_checkpoint_close(asking);
    return at;
}

/* A gigabyte goes through a window of it. */
static void memory_is_bounded(void **state)
{
    const uint64_t    bytes = write_large(in_scratch("large"), 1, 16);
    const char *const argv[] = { PROGRAM, "quantize", in_scratch("large"), in_scratch("out"), "--to", "nvfp4", "--threads", "2", NULL };
    struct rusage     usage;
    int               status;

    (void)state;
    FILE       *null = fopen("/dev/null", "r+");
    const pid_t pid = run_start(argv, fileno(null), fileno(null), 2);
    assert_int_equal(wait4(pid, &status, 0, &usage), pid);
    fclose(null);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    printf("    %llu MiB of source, %ld MiB of memory\n", (unsigned long long)(bytes >> 20), usage.ru_maxrss >> 10);
    assert_true(bytes > 1000 << 20);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(usage.ru_maxrss < 200 << 10);
#endif
    drop("out");
    drop("large");
}

/* Signals while it writes: the signal's code, no words, nothing left. */
static void signals_leave_nothing_behind(void **state)
{
    static const struct { int signal, code; } cases[] = { { SIGINT, 130 }, { SIGTERM, 143 } };

    (void)state;
    write_large(in_scratch("large"), 1, 16);
    for (int i = 0; i < 2; i++) {
        const char *const argv[] = { PROGRAM, "quantize", in_scratch("large"), in_scratch("out"), "--to", "bf16", NULL };
        FILE             *out = tmpfile(), *err = tmpfile();
        size_t            size;
        const pid_t       pid = run_start(argv, fileno(out), fileno(out), fileno(err));
        for (int tries = 0; tries < 20000 && !is_there("out.tmp/config.json"); tries++) nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
        kill(pid, cases[i].signal);
        assert_int_equal(run_wait(pid), cases[i].code);
        free(run_slurp(err, &size));
        assert_int_equal(size, 0);
        fclose(out);
        assert_false(is_there("out") || is_there("out.tmp"));
    }
    drop("large");
}

/* A file system that is full is told before or while it is written, and nothing is left. */
static void a_full_disk_is_told(void **state)
{
    struct rlimit before;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const char *out = in_scratch("out");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 2500000, before.rlim_max }), 0); /* the first file fits */
    run_result r = DSV4("quantize", DEMO, out, "--to", "bf16");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    expect_error(r, 1, "model-00002-of-00010.safetensors.tmp: cannot write: File too large");
    assert_false(is_there("out") || is_there("out.tmp"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_command_line_is_checked),
        cmocka_unit_test(the_demo_in_each_flavour),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(signals_leave_nothing_behind),
        cmocka_unit_test(a_full_disk_is_told),
    };
    return cmocka_run_group_tests_name("quantize", tests, open_scratch, close_scratch);
}
