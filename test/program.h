/* program.h - for tests of the program from outside: run it, and say what is expected of its exit code and words. */
#ifndef DS_TEST_PROGRAM_H
#define DS_TEST_PROGRAM_H

#include "folder.h"
#include "run.h"

#define PROGRAM DSV4_BUILD "/dsv4"
#define DSV4_IN(input, size, ...) run_full((const char *const[]){ PROGRAM, __VA_ARGS__, NULL }, input, size, -1)
#define DSV4(...) DSV4_IN(NULL, 0, __VA_ARGS__)

static inline void expect(const run_result *r, int code)
{
    if (r->code != code) fail_msg("exit code %d, expected %d; standard error: %s", r->code, code, r->err);
}

/* One line that begins as errors do and holds `words`. */
static inline void expect_error(run_result r, int code, const char *words)
{
    expect(&r, code);
    if (strncmp(r.err, "dsv4: error: ", 13) || strchr(r.err, '\n') != r.err + r.err_size - 1 || !strstr(r.err, words))
        fail_msg("expected one error line with '%s', found: %s", words, r.err);
    run_free(&r);
}

static inline void expect_out(run_result r, const char *text)
{
    expect(&r, 0);
    assert_string_equal(r.out, text);
    run_free(&r);
}

static inline json_t *expect_json(run_result r)
{
    json_error_t error;
    json_t      *j;

    expect(&r, 0);
    j = json_loadb(r.out, r.out_size, JSON_DECODE_ANY, &error);
    if (!j) fail_msg("not JSON: %s: %s", error.text, r.out);
    run_free(&r);
    return j;
}

static inline const char *text_of(const json_t *j, const char *key)
{
    assert_true(json_is_string(json_object_get(j, key)));
    return json_string_value(json_object_get(j, key));
}

static inline double number_of(const json_t *j, const char *key)
{
    assert_true(json_is_number(json_object_get(j, key)));
    return json_number_value(json_object_get(j, key));
}

/* A copy of the demo in `folder`; of files longer than `limit` only the first `limit` bytes. */
static inline void copy_demo(const char *folder, size_t limit)
{
    static const char *const names[] = { "config.json", "generation_config.json", "tokenizer.json", "hf_quant_config.json",
                                         "model.safetensors.index.json", "model-00001-of-00002.safetensors",
                                         "model-00002-of-00002.safetensors" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char   source[600];
        size_t size;
        char  *data;
        snprintf(source, sizeof source, "%s/%s", TEST_PATH("demo"), names[i]);
        data = read_text(source, &size);
        folder_write(folder, names[i], data, size < limit ? size : limit);
        free(data);
    }
}

#endif
