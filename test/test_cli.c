/* test_cli.c - the program from outside: every verb on the demo model, every error's words and exit code. */
#define _GNU_SOURCE /* memmem */
#include <jansson.h>
#include <math.h>
#include <sys/stat.h>

#include "program.h"

/* ---- the command line ---- */

static void test_help(void **state)
{
    static const char *const verbs[] = { "run", "chat", "logits", "perplexity", "tokenize", "detokenize", "inspect" };
    run_result               r;
    char                     usage[64];
    (void)state;

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        r = DSV4(verbs[i], "--help");
        snprintf(usage, sizeof usage, "usage: dsv4 %s ", verbs[i]);
        expect(&r, 0);
        assert_non_null(strstr(r.out, usage));
        assert_non_null(strstr(r.out, "--max-context N"));
        assert_non_null(strstr(r.out, "(default: "));
        assert_int_equal(r.err_size, 0);
        run_free(&r);
        r = DSV4("help");
        assert_non_null(strstr(r.out, verbs[i]));
        run_free(&r);
    }
    r = DSV4("--version");
    expect(&r, 0);
    assert_memory_equal(r.out, "dsv4 ", 5);
    assert_non_null(strstr(r.out, "commit: "));
    assert_non_null(strstr(r.out, "compiler: "));
    assert_non_null(strstr(r.out, "instruction sets: scalar"));
    assert_non_null(strstr(r.out, "\nchosen here: "));
    run_free(&r);
}

static void test_usage_errors(void **state)
{
    (void)state;
    expect_error(run_full((const char *const[]){ PROGRAM, NULL }, NULL, 0, -1), 2, "expected a verb");
    expect_error(DSV4("frobnicate"), 2, "unknown verb 'frobnicate'");
    expect_error(DSV4("--frobnicate"), 2, "unknown option '--frobnicate'");
    expect_error(DSV4("serve"), 2, "'serve' is not part of this build");
    expect_error(DSV4("run", "-p", "x", "--frob"), 2, "unknown option '--frob'");
    expect_error(DSV4("run", "-p", "x", "--temperatur=1"), 2, "unknown option '--temperatur'");
    expect_error(DSV4("run", "-p"), 2, "-p: expected TEXT, found nothing");
    expect_error(DSV4("run", "-p", "x", "-n", "12x"), 2, "-n: expected a whole number of 0 or more, found '12x'");
    expect_error(DSV4("run", "-p", "x", "-n", ""), 2, "-n: expected");
    expect_error(DSV4("run", "-p", "x", "-n", " 1"), 2, "-n: expected");
    expect_error(DSV4("run", "-p", "x", "-n", "+1"), 2, "-n: expected");
    expect_error(DSV4("run", "-p", "x", "--seed", "9223372036854775808"), 2, "--seed: expected");
    expect_error(DSV4("run", "-p", "x", "--temperature", "nan"), 2, "--temperature: expected a number from 0 to 100");
    expect_error(DSV4("run", "-p", "x", "--temperature", "0x1p2"), 2, "found '0x1p2'");
    expect_error(DSV4("run", "-p", "x", "--top-p", "1.5"), 2, "--top-p: expected a number from 0 to 1, found '1.5'");
    expect_error(DSV4("run", "-p", "x", "--threads", "0"), 2, "--threads: expected");
    expect_error(DSV4("run", "-p", "x", "--device", "gpu"), 2, "--device: expected cpu, cuda or cuda:N, found 'gpu'");
    expect_error(DSV4("run", "-p", "x", "--isa", "sse9"), 2, "--isa: expected best|scalar|avx2|avx512|avx512bf16, found 'sse9'");
    expect_error(DSV4("run", "-p", "x", "--numerics", "exact"), 2, "--numerics: expected reference|plain|nvfp4, found 'exact'");
    expect_error(DSV4("run", "-p", "x", "--json=1"), 2, "--json: takes no argument");
    expect_error(DSV4("run", "-p", "x", "--stop", ""), 2, "--stop: expected some text");
    expect_error(DSV4("run", "-p", "x", "-f", "y"), 2, "expected one of -p, -f and -, found several");
    expect_error(DSV4("run", "--raw", "--think", "-p", "x"), 2, "--raw: cannot go with");
    expect_error(DSV4("run"), 2, "expected a prompt");
    expect_error(DSV4("run", "one", "two", "-p", "x"), 2, "unexpected 'two'");
    expect_error(DSV4("logits", "--ids", "1"), 2, "--out: expected a file");
    expect_error(DSV4("logits", "--out", "x"), 2, "expected one of --ids, --ids-file and -p, found none");
    expect_error(DSV4("logits", "--out", "x", "--ids", "1,two"), 2, "--ids: position 1: expected a token id, found 'two'");
    expect_error(DSV4("logits", "--out", "x", "--ids", ""), 2, "--ids: expected 1 to");
    expect_error(DSV4("perplexity"), 2, "expected a FILE");
    expect_error(DSV4("perplexity", "x", "--window", "1"), 2, "--window: expected");
    expect_error(DSV4("tokenize", "-p", "x", "-f", "y"), 2, "found both");
    expect_error(DSV4("inspect", "one", "two"), 2, "unexpected 'two'");
}

static void test_failures(void **state)
{
    static const char nothing[] = "/nonexistent/model";
    (void)state;
    expect_error(DSV4("run", nothing, "-p", "x"), 1, nothing);
    expect_error(DSV4("inspect", nothing), 1, nothing);
    expect_error(DSV4("tokenize", nothing, "-p", "x"), 1, nothing);
    expect_error(DSV4("run", "-f", "/nonexistent/prompt"), 1, "/nonexistent/prompt");
    expect_error(DSV4("perplexity", "/nonexistent/text"), 1, "/nonexistent/text");
    expect_error(DSV4("run", "-p", "x", "--device", "cuda"), 1, "cuda");
    expect_error(DSV4("run", "-p", "x", "--speculate", "3"), 1, "--speculate");
    expect_error(DSV4("run", "-p", "a\xff"), 1, "byte 0xff at offset 1");
    expect_error(DSV4("run", "-p", "Once upon a time there was a fox", "--max-context", "3"), 1, "3");
    expect_error(DSV4("logits", "--out", "/tmp/never", "--ids", "1,2,4096"), 1, "position 2: expected an id from 0 to 4095, found 4096");
    expect_error(DSV4("logits", "--out", "/tmp/never", "--ids", "1,-2"), 1, "position 1");
    expect_error(DSV4("logits", "--out", "/tmp/never", "--ids", "99999999999999999999"), 1, "position 0");
    expect_error(DSV4("logits", "--out", "/nonexistent/file", "--ids", "1,2"), 1, "/nonexistent/file");
    expect_error(DSV4("detokenize", "4096"), 1, "position 0");
    expect_error(DSV4_IN("1 2 x", 5, "detokenize"), 1, "position 2: expected a token id, found 'x'");
    expect_error(DSV4_IN("x", 1, "tokenize", "--chat"), 1, "");
    expect_error(DSV4_IN("{\"txt\":1}\n", 10, "perplexity", "--jsonl", "-"), 1, "line 1");
    assert_int_not_equal(access("/tmp/never", F_OK), 0);
}

static void test_environment(void **state)
{
    (void)state;
    setenv("DSV4_MODEL", "/nonexistent/by-environment", 1);
    expect_error(DSV4("run", "-p", "x"), 1, "/nonexistent/by-environment");
    expect_out(DSV4("tokenize", TEST_PATH("demo"), "-p", "Once upon a time"), "1142 733 276 441\n");
    unsetenv("DSV4_MODEL");
}

/* `dsv4 VERB` is dsv4-VERB beside the program, with its arguments. */
static void test_other_programs(void **state)
{
    const char *folder = folder_make();
    char        program[600], other[600];
    size_t      size;
    char       *data = read_text(PROGRAM, &size);
    (void)state;

    snprintf(program, sizeof program, "%s/dsv4", folder);
    snprintf(other, sizeof other, "%s/dsv4-check", folder);
    folder_write(folder, "dsv4", data, size);
    folder_write_text(folder, "dsv4-check", "#!/bin/sh\necho \"$@\"\nexit 7\n");
    assert_int_equal(chmod(program, 0700) | chmod(other, 0700), 0);
    run_result r = run_full((const char *const[]){ program, "check", "--csv", "x", NULL }, NULL, 0, -1);
    expect(&r, 7);
    assert_string_equal(r.out, "--csv x\n");
    run_free(&r);
    free(data);
    folder_remove(folder);
}

/* ---- output that cannot be written ---- */

static void test_full_disk(void **state)
{
    const int full = open("/dev/full", O_WRONLY);
    (void)state;

    assert_true(full >= 0);
    expect_error(run_full((const char *const[]){ PROGRAM, "run", "-p", "x", "-n", "2", "--temperature", "0", NULL }, NULL, 0, full), 1,
                 "standard output: No space left on device");
    expect_error(run_full((const char *const[]){ PROGRAM, "inspect", NULL }, NULL, 0, full), 1, "standard output");
    expect_error(run_full((const char *const[]){ PROGRAM, "tokenize", "-p", "x", NULL }, NULL, 0, full), 1, "standard output");
    expect_error(run_full((const char *const[]){ PROGRAM, "help", NULL }, NULL, 0, full), 1, "standard output");
    close(full);
}

static void test_closed_pipe(void **state)
{
    int ends[2];
    (void)state;

    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    expect_error(run_full((const char *const[]){ PROGRAM, "run", "-p", "x", "-n", "4", NULL }, NULL, 0, ends[1]), 1,
                 "standard output: Broken pipe");
    close(ends[1]);
}

/* ---- run ---- */

static void test_run(void **state)
{
    static const char *const keys[] = { "text", "reasoning", "tool_calls", "ids", "prompt_tokens", "completion_tokens",
                                        "finish_reason", "seed", "timings" };
    json_t     *j;
    run_result  a, b;
    (void)state;

    expect_out(DSV4("run", "--raw", "-p", "Once upon a time", "--temperature", "0", "-n", "6"), ", there was a little girl");
    expect_out(DSV4_IN("Once upon a time", 16, "run", "-", "--raw", "--temperature=0", "-n", "6"), ", there was a little girl");
    expect_out(DSV4("run", "--raw", "-p", "<｜begin▁of▁sentence｜>Once upon a time", "--temperature", "0", "-n", "6"),
               ", there was a little girl");
    expect_out(DSV4("run", "-p", "x", "-n", "0"), "");

    j = expect_json(DSV4("run", "--raw", "-p", "Once upon a time", "--temperature", "0", "-n", "6", "--json", "--seed", "3"));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) assert_non_null(json_object_get(j, keys[i]));
    assert_int_equal(json_object_size(j), sizeof keys / sizeof *keys);
    assert_string_equal(text_of(j, "text"), ", there was a little girl");
    assert_string_equal(text_of(j, "finish_reason"), "length");
    assert_int_equal(number_of(j, "prompt_tokens"), 5);
    assert_int_equal(number_of(j, "completion_tokens"), 6);
    assert_int_equal(number_of(j, "seed"), 3);
    assert_int_equal(json_array_size(json_object_get(j, "ids")), 6);
    assert_true(number_of(json_object_get(j, "timings"), "load_ms") > 0);
    json_decref(j);

    j = expect_json(DSV4("run", "--raw", "-p", "Once upon a time", "--temperature", "0", "-n", "30", "--json", "--stop", "girl",
                         "--stop", "nowhere"));
    assert_string_equal(text_of(j, "text"), ", there was a little ");
    assert_string_equal(text_of(j, "finish_reason"), "stop");
    json_decref(j);

    a = DSV4("run", "-p", "Tell me a story.", "--seed", "7", "-n", "10");
    b = DSV4("run", "-p", "Tell me a story.", "--seed", "7", "-n", "10", "--stats");
    expect(&a, 0);
    expect(&b, 0);
    assert_string_equal(a.out, b.out);
    assert_int_equal(a.err_size, 0);
    assert_non_null(strstr(b.err, "seed 7"));
    assert_non_null(strstr(b.err, "tokens/s"));
    run_free(&a);
    run_free(&b);
}

static void test_run_thinking(void **state)
{
    json_t *j;
    (void)state;

    j = expect_json(DSV4("run", "-p", "What is 17 + 25?", "--think", "--temperature", "0", "--json"));
    assert_string_equal(text_of(j, "text"), "17 + 25 = 42.");
    assert_non_null(strstr(text_of(j, "reasoning"), "42"));
    assert_null(strstr(text_of(j, "reasoning"), "</think>"));
    assert_string_equal(text_of(j, "finish_reason"), "stop");
    json_decref(j);

    run_result r = DSV4("run", "-p", "What is 17 + 25?", "--think", "--temperature", "0");
    expect(&r, 0);
    assert_non_null(strstr(r.out, "</think>17 + 25 = 42."));
    run_free(&r);
}

/* ---- tokenize ---- */

static void test_tokenize(void **state)
{
    char       every[512], *ids;
    size_t     ids_size;
    run_result r;
    json_t    *j;
    (void)state;

    for (int i = 0; i < 512; i++) every[i] = (char)(i < 256 ? i : i * 7919 >> 3);
    r = DSV4_IN(every, sizeof every, "tokenize");
    expect(&r, 0);
    ids = r.out;
    ids_size = r.out_size;
    free(r.err);
    r = DSV4_IN(ids, ids_size, "detokenize");
    expect(&r, 0);
    assert_int_equal(r.out_size, sizeof every);
    assert_memory_equal(r.out, every, sizeof every);
    run_free(&r);
    free(ids);

    expect_out(DSV4("tokenize", "-p", ""), "\n");
    expect_out(DSV4("tokenize", "-p", "Once upon a time", "--json"), "[1142,733,276,441]\n");
    expect_out(DSV4("tokenize", "-p", "Once upon a time", "--pieces"), "1142\tOnce\n733\t upon\n276\t a\n441\t time\n");
    expect_out(DSV4("detokenize", "1142", "733,276", "441"), "Once upon a time");
    expect_out(DSV4_IN("[1142, 733]", 11, "detokenize"), "Once upon");
    expect_out(DSV4("detokenize", "--json", "-p", "1142 733"), "{\"text\":\"Once upon\"}\n");
    j = expect_json(DSV4("tokenize", "--chat", "--json", "-p", "[{\"role\":\"user\",\"content\":\"Hi\"}]"));
    assert_int_equal(json_integer_value(json_array_get(j, 0)), 0);
    assert_true(json_array_size(j) > 3);
    json_decref(j);
}

/* ---- logits and perplexity ---- */

/* A tensor of a safetensors file: its bytes (free) and shape. */
static char *load_tensor(const char *path, const char *name, const char *dtype, int64_t *rows, int64_t *width)
{
    size_t   size, header = 0;
    char    *file = read_text(path, &size), *data;
    json_t  *j;
    const json_t *t, *shape, *range;
    size_t   begin, end;

    for (int i = 7; i >= 0; i--) header = header << 8 | (unsigned char)file[i];
    j = json_loadb(file + 8, header, 0, NULL);
    t = json_object_get(j, name);
    if (!t) fail_msg("%s: no tensor %s", path, name);
    assert_string_equal(text_of(t, "dtype"), dtype);
    shape = json_object_get(t, "shape");
    *rows = json_integer_value(json_array_get(shape, 0));
    *width = json_array_size(shape) > 1 ? json_integer_value(json_array_get(shape, 1)) : 1;
    range = json_object_get(t, "data_offsets");
    begin = (size_t)json_integer_value(json_array_get(range, 0));
    end = (size_t)json_integer_value(json_array_get(range, 1));
    assert_true(8 + header + end <= size);
    data = malloc(end - begin + 1);
    memcpy(data, file + 8 + header + begin, end - begin);
    json_decref(j);
    free(file);
    return data;
}

static void test_logits(void **state)
{
    static const char ids[] = "0,1142,733,276,441,29,460,306,276,671";
    const char       *folder = folder_make();
    char              one[600], two[600], trace[600], *a, *b;
    int64_t           rows, width;
    run_result        r;
    (void)state;

    snprintf(one, sizeof one, "%s/one", folder);
    snprintf(two, sizeof two, "%s/two", folder);
    snprintf(trace, sizeof trace, "%s/trace", folder);
    folder_write_text(folder, "ids", "[0, 1142, 733, 276, 441, 29, 460, 306, 276, 671]\n");

    expect_out(DSV4("logits", "--out", one, "--ids", ids, "--mtp"), "");
    a = load_tensor(one, "ids", "I64", &rows, &width);
    assert_int_equal(rows, 10);
    assert_int_equal(((int64_t *)(void *)a)[9], 671);
    free(a);
    a = load_tensor(one, "mtp_logits", "F32", &rows, &width);
    assert_true(rows == 9 && width == 4096);
    free(a);
    a = load_tensor(one, "logits", "F32", &rows, &width);
    assert_true(rows == 10 && width == 4096);

    /* cut into steps in another way: the same bits */
    expect_out(DSV4("logits", "--out", two, "--ids-file", folder_path(folder, "ids"), "--chunk", "3", "--decode-from", "7",
                    "--last", "4", "--trace", trace), "");
    b = load_tensor(two, "logits", "F32", &rows, &width);
    assert_true(rows == 4 && width == 4096);
    assert_memory_equal(b, a + 6 * 4096 * sizeof(float), 4 * 4096 * sizeof(float));
    free(b);
    free(a);
    r = DSV4("logits", "--out", two, "-p", "Once upon a time", "--json");
    expect(&r, 0);
    assert_non_null(strstr(r.out, "\"tokens\":5"));
    run_free(&r);

    struct stat info;
    assert_int_equal(stat(trace, &info), 0);
    assert_true(info.st_size > 8);
    folder_remove(folder);
}

/* The references' prompts: the same mean NLL, computed without quantised activations. */
static void test_perplexity(void **state)
{
    const char *folder = folder_make();
    size_t      size;
    char       *golden = read_text(TEST_PATH("test/golden/golden.jsonl"), &size);
    char       *end = strchr(golden, '\n');
    json_t     *reference, *line, *j;
    char       *dump;
    (void)state;

    assert_non_null(end);
    reference = json_loadb(golden, (size_t)(end - golden), 0, NULL);
    line = json_pack("{s:O}", "ids", json_object_get(reference, "ids"));
    dump = json_dumps(line, JSON_COMPACT);
    folder_write_text(folder, "file.jsonl", dump);
    j = expect_json(DSV4("perplexity", folder_path(folder, "file.jsonl"), "--jsonl", "--json", "--numerics", "plain"));
    assert_int_equal(number_of(j, "tokens"), json_array_size(json_object_get(reference, "ids")) - 1);
    assert_true(fabs(number_of(j, "mean_nll") - number_of(reference, "prompt_nll")) < 2e-4);
    assert_true(fabs(number_of(j, "perplexity") - exp(number_of(j, "mean_nll"))) < 1e-6);
    json_decref(j);

    /* text: each of its tokens is predicted once, however it is cut */
    folder_write_text(folder, "file.txt", "Once upon a time");
    j = expect_json(DSV4("perplexity", TEST_PATH("demo"), folder_path(folder, "file.txt"), "--json", "--window", "3"));
    assert_int_equal(number_of(j, "tokens"), 4);
    assert_int_equal(number_of(j, "windows"), 2);
    json_decref(j);
    expect_error(DSV4_IN("", 0, "perplexity", "-"), 1, "found nothing to predict");

    free(dump);
    free(golden);
    json_decref(line);
    json_decref(reference);
    folder_remove(folder);
}

/* ---- inspect ---- */

static void test_inspect(void **state)
{
    run_result r;
    json_t    *j;
    (void)state;

    r = DSV4("inspect", "--plan", "--sequences", "2", "--max-context", "4096");
    expect(&r, 0);
    assert_non_null(strstr(r.out, "2 sequences of 4096 tokens"));
    assert_non_null(strstr(r.out, "ratio 4, indexer"));
    assert_non_null(strstr(r.out, "layers.*.ffn.experts.*.w1.input_scale"));
    run_free(&r);
    r = DSV4("inspect", "--tensors");
    assert_non_null(strstr(r.out, "  layers.6.ffn.experts.15.w3.input_scale F32 [] 4 B"));
    run_free(&r);
    j = expect_json(DSV4("inspect", "--json", "--plan"));
    assert_int_equal(json_array_size(json_object_get(j, "layers")), 7);
    assert_true(number_of(json_object_get(j, "plan"), "total_bytes") > number_of(j, "file_bytes"));
    assert_int_equal(json_array_size(json_object_get(j, "unused")), 336);
    json_decref(j);
}

/* ---- broken models ---- */

/* Replace the first `old` in the file by `new`, of the same length. */
static void doctor(const char *folder, const char *name, const char *old, const char *new)
{
    size_t size;
    char  *data = read_text(folder_path(folder, name), &size);
    char  *place = memmem(data, size, old, strlen(old));

    if (!place) fail_msg("%s holds no %s", name, old);
    assert_int_equal(strlen(old), strlen(new));
    memcpy(place, new, strlen(new));
    folder_write(folder, name, data, size);
    free(data);
}

static void test_broken_models(void **state)
{
    static const char shard[] = "model-00001-of-00002.safetensors", index[] = "model.safetensors.index.json";
    const char       *folder = folder_make();
    (void)state;

    copy_demo(folder, SIZE_MAX);
    doctor(folder, shard, "\"embed.weight\"", "\"embad.weight\"");
    doctor(folder, index, "\"embed.weight\"", "\"embad.weight\"");
    expect_error(DSV4("run", folder, "-p", "x"), 1, "emb");
    copy_demo(folder, SIZE_MAX);
    doctor(folder, index, "\"embed.weight\"", "\"embad.weight\"");
    expect_error(DSV4("run", folder, "-p", "x"), 1, "emb");
    copy_demo(folder, SIZE_MAX);
    doctor(folder, shard, "[4096,256]", "[256,4096]");
    expect_error(DSV4("run", folder, "-p", "x"), 1, "4096");
    copy_demo(folder, SIZE_MAX);
    doctor(folder, shard, "\"F8_E4M3\"", "\"F8_E9M9\"");
    expect_error(DSV4("run", folder, "-p", "x"), 1, "F8_E9M9");
    copy_demo(folder, 1 << 20);
    expect_error(DSV4("run", folder, "-p", "x"), 1, shard);
    copy_demo(folder, 6);
    expect_error(DSV4("run", folder, "-p", "x"), 1, folder);
    copy_demo(folder, SIZE_MAX);
    unlink(folder_path(folder, "tokenizer.json"));
    expect_error(DSV4("run", folder, "-p", "x"), 1, "tokenizer.json");
    unlink(folder_path(folder, "config.json"));
    expect_error(DSV4("run", folder, "-p", "x"), 1, "config.json");
    folder_remove(folder);
}

static void test_compare(void **state)
{
    (void)state;
    run_result r = DSV4("compare", "--ids", "0,1142,733,276,441", "--a", "threads=1", "--b", "threads=2,chunk=2");
    expect(&r, 0);
    assert_non_null(strstr(r.out, "layers.6.attn.out                       0            0  100.00%"));
    assert_non_null(strstr(r.out, "logits                                  0            0  100.00%"));
    run_free(&r);
    r = DSV4("compare", "--ids", "0,1142,733,276,441", "--a", "fused=on", "--b", "fused=off", "--tolerance", "0");
    expect(&r, 0);
    assert_non_null(strstr(r.out, "logits                                  0            0  100.00%"));
    run_free(&r);
    expect_error(DSV4("compare", "--b", "fused=maybe"), 2, "fused=on|off, found 'fused=maybe'");
    expect_error(DSV4("compare", "--a", "numerics=plain", "--b", "numerics=reference"), 1, "is the first to differ: by");
    expect_error(DSV4("compare", "--b", "speed=high"), 2, "expected isa=, device=, numerics=, threads=, chunk= or fused=on|off, found 'speed=high'");
    expect_error(DSV4("compare", "--b", "isa=z80"), 1, "isa: expected scalar");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_usage_errors),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_other_programs),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_closed_pipe),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_run_thinking),
        cmocka_unit_test(test_tokenize),
        cmocka_unit_test(test_logits),
        cmocka_unit_test(test_perplexity),
        cmocka_unit_test(test_inspect),
        cmocka_unit_test(test_broken_models),
        cmocka_unit_test(test_compare),
    };

    unsetenv("DSV4_MODEL");
    return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
