/* folder.h - for tests of files: a temporary folder, files in it, error checks, a repeatable random stream. */
#ifndef DS_TEST_FOLDER_H
#define DS_TEST_FOLDER_H

#include <dirent.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dsv4/status.h"
#include "test.h"

/* A fresh folder; its name stays valid until the next call. */
static inline const char *folder_make(void)
{
    static char path[256];
    const char *base = getenv("TMPDIR");

    snprintf(path, sizeof path, "%s/dsv4-test-XXXXXX", base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(path));
    return path;
}

static inline const char *folder_path(const char *folder, const char *name)
{
    static char path[600];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Remove the folder and the files in it. */
static inline void folder_remove(const char *folder)
{
    DIR           *dir = opendir(folder);
    struct dirent *e;

    assert_non_null(dir);
    while ((e = readdir(dir)))
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) unlink(folder_path(folder, e->d_name));
    closedir(dir);
    assert_int_equal(rmdir(folder), 0);
}

static inline void folder_write(const char *folder, const char *name, const void *data, size_t size)
{
    FILE *f = fopen(folder_path(folder, name), "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static inline void folder_write_text(const char *folder, const char *name, const char *text)
{
    folder_write(folder, name, text, strlen(text));
}

/* A safetensors file: length, header, then `bytes` of data that no disk block backs. */
static inline void folder_write_safetensors(const char *folder, const char *name, const char *header, size_t n, uint64_t bytes)
{
    FILE   *f = fopen(folder_path(folder, name), "wb");
    uint8_t length[8];

    assert_non_null(f);
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)((uint64_t)n >> 8 * i);
    assert_int_equal(fwrite(length, 1, 8, f), 8);
    assert_int_equal(fwrite(header, 1, n, f), n);
    assert_int_equal(fflush(f), 0);
    assert_int_equal(ftruncate(fileno(f), (off_t)(8 + n + bytes)), 0);
    assert_int_equal(fclose(f), 0);
}

static inline char *read_text(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");

    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(*size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, *size, f), *size);
    fclose(f);
    text[*size] = 0;
    return text;
}

static inline json_t *read_vectors(const char *path)
{
    json_error_t error;
    json_t      *root = json_load_file(path, 0, &error);

    if (!root) fail_msg("%s: %s", path, error.text);
    return root;
}

/* Write config.json of the vectors; `key` set to a JSON value, if any. */
static inline void write_config(const char *folder, const char *name, const char *key, const char *value)
{
    json_t *root = read_vectors(TEST_PATH("test/vectors/configs.json"));
    json_t *config = json_object_get(json_object_get(root, name), "config");

    assert_non_null(config);
    if (key) json_object_set_new(config, key, json_loads(value, JSON_DECODE_ANY, NULL));
    char *text = json_dumps(config, JSON_INDENT(1));
    folder_write_text(folder, "config.json", text);
    free(text);
    json_decref(root);
}

/* The call must have failed with this code, and the message must hold each of the words, separated by '|'. */
static inline void assert_error(dsv4_status rc, dsv4_status code, const char *words)
{
    char  copy[512];
    char *save = NULL;

    if (rc != code)
        fail_msg("expected %s with \"%s\", got %s: %s", dsv4_status_name(code), words, dsv4_status_name(rc),
                 rc ? dsv4_last_error() : "");
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok_r(copy, "|", &save); word; word = strtok_r(NULL, "|", &save))
        if (!strstr(dsv4_last_error(), word)) fail_msg("no \"%s\" in: %s", word, dsv4_last_error());
}

static inline void assert_ok(dsv4_status rc)
{
    if (rc) fail_msg("%s: %s", dsv4_status_name(rc), dsv4_last_error());
}

/* splitmix64 */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* Damage text[0, *size) of a buffer with room for `capacity` bytes: flip, cut, inflate a number, double or drop a piece. */
static inline void mutate(char *text, size_t *size, size_t capacity, uint64_t *state)
{
    static const char *const numbers[] = { "-1", "0", "9223372036854775807", "9223372036854775808", "18446744073709551616",
                                           "4294967296", "1e5", "1.0", "1e999", "null", "\"1\"", "[]", "{}", "00" };
    static const char syntax[] = "{}[]\",:\\0-e.tn \x01\x80\xff";
    const int         times = 1 + (int)(random_next(state) % 3);

    for (int t = 0; t < times && *size; t++) {
        const size_t at = random_next(state) % *size;
        switch (random_next(state) % 7) {
        case 0: text[at] = (char)(text[at] ^ 1 << random_next(state) % 8); break;
        case 1: text[at] = syntax[random_next(state) % (sizeof syntax - 1)]; break;
        case 2: if (random_next(state) % 4 == 0) *size = at; break;
        case 3: { /* another number where one stands */
            size_t i = at, end;
            while (i < *size && (text[i] < '0' || text[i] > '9')) i++;
            for (end = i; end < *size && text[end] >= '0' && text[end] <= '9';) end++;
            const char *with = numbers[random_next(state) % (sizeof numbers / sizeof *numbers)];
            const size_t n = strlen(with);
            if (i == end || *size - (end - i) + n > capacity) break;
            memmove(text + i + n, text + end, *size - end);
            memcpy(text + i, with, n);
            *size = *size - (end - i) + n;
            break;
        }
        case 4: case 5: { /* double a piece, whole members if it can */
            size_t i = at, end;
            while (i > 0 && text[i] != ',' && text[i] != '{') i--;
            for (end = at; end < *size && text[end] != ','; end++) {}
            if (end <= i || *size + (end - i) > capacity) break;
            memmove(text + end + (end - i), text + end, *size - end);
            memcpy(text + end, text + i, end - i);
            *size += end - i;
            break;
        }
        default: { /* drop a piece */
            const size_t n = 1 + random_next(state) % 12;
            if (at + n > *size) break;
            memmove(text + at, text + at + n, *size - at - n);
            *size -= n;
        }
        }
    }
}

/* Memory asked of the library's allocator, as a sum: an upper bound of its peak. */
static size_t allocated;
static int64_t allocations, failing = -1;

static inline int counting_hook(size_t size)
{
    allocated += size;
    return allocations++ != failing;
}

static inline void count_allocations(int64_t fail_at)
{
    allocated = 0;
    allocations = 0;
    failing = fail_at;
}

#endif
