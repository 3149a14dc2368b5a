/* tokenizer_load.c - tokenizer.json, from the outside in: what surrounds the model, then the model.
 *
 * The file describes a whole tool box; what is read here is the part that DeepSeek's releases use, and the rest is
 * refused by name, so that no setting is ever passed over in silence. */
#include <string.h>

#include "base/alloc.h"
#include "format/tokenizer_load.h"

static bool is_null(ds_json v)
{
    return !v.text || ds_json_type(v) == 'n';
}

ds_status ds_pick(const ds_loader *l, const char *what, ds_json object, const char *const *keys, ds_json *values, int n)
{
    ds_json_iter it;
    ds_json      key, value;

    memset(values, 0, (size_t)n * sizeof *values);
    if (ds_json_type(object) != '{')
        return ds_fail(DSV4_EFORMAT, "%s: %s is %s, expected an object", l->path, what, ds_json_type_name(object));
    ds_json_begin(&it, object);
    while (ds_json_next(&it, &key, &value))
        for (int i = 0; i < n; i++) {
            if (!ds_json_is(key, keys[i])) continue;
            if (values[i].text) return ds_fail(DSV4_EFORMAT, "%s: %s has \"%s\" twice", l->path, what, keys[i]);
            values[i] = value;
        }
    return DSV4_OK;
}

ds_status ds_want_unset(const ds_loader *l, const char *what, const char *name, ds_json v)
{
    double number;

    if (is_null(v) || ds_json_type(v) == 'f' || ds_json_is(v, "")) return DSV4_OK;
    if (ds_json_double(v, &number) && number == 0.0) return DSV4_OK;
    return ds_fail(DSV4_EUNSUPPORTED, "%s: %s with \"%s\" set is not supported", l->path, what, name);
}

ds_status ds_want_string(const ds_loader *l, const char *what, ds_json v, const char *expected)
{
    if (v.text && ds_json_is(v, expected)) return DSV4_OK;
    return ds_fail(v.text ? DSV4_EUNSUPPORTED : DSV4_EFORMAT, "%s: %s is %.*s, expected \"%s\"", l->path, what,
                   v.text ? (int)(v.size < 64 ? v.size : 64) : 7, v.text ? v.text : "missing", expected);
}

ds_status ds_want_list(const ds_loader *l, const char *what, ds_json v)
{
    if (ds_json_type(v) == '[') return DSV4_OK;
    return ds_fail(DSV4_EFORMAT, "%s: %s is %s, expected a list", l->path, what, ds_json_type_name(v));
}

static ds_status load_split(const ds_loader *l, const ds_json v[/* pattern, behavior, invert */])
{
    static const char *const kinds[] = { "Regex", "String" };
    ds_json                  pattern[2];
    ds_status                rc;

    if ((rc = ds_want_string(l, "a Split's behavior", v[1], "Isolated"))) return rc;
    if ((rc = ds_want_unset(l, "Split", "invert", v[2]))) return rc;
    if ((rc = DS_PICK(l, "a Split's pattern", v[0], kinds, pattern))) return rc;
    const ds_json which = pattern[0].text ? pattern[0] : pattern[1];
    if (ds_json_type(which) != '"')
        return ds_fail(DSV4_EFORMAT, "%s: a Split's pattern has no string Regex or String", l->path);
    ds_json_decode(which, l->room);
    return ds_pretokenizer_add(&l->t->pre, l->room, !pattern[0].text, l->path);
}

/* Splits, then ByteLevel. */
static ds_status load_pre_tokenizer(const ds_loader *l, ds_json pre)
{
    static const char *const sequence[] = { "type", "pretokenizers" };
    static const char *const keys[] = { "type", "pattern", "behavior", "invert", "use_regex", "add_prefix_space" };
    ds_json                  list[2], item, v[6];
    ds_json_iter             it;
    ds_status                rc;

    if ((rc = DS_PICK(l, "pre_tokenizer", pre, sequence, list))) return rc;
    if ((rc = ds_want_string(l, "pre_tokenizer's type", list[0], "Sequence"))) return rc;
    if ((rc = ds_want_list(l, "pretokenizers", list[1]))) return rc;
    int64_t left = ds_json_count(list[1]);
    if (left == 0) return ds_fail(DSV4_EUNSUPPORTED, "%s: pre_tokenizer without ByteLevel", l->path);
    ds_json_begin(&it, list[1]);
    while (ds_json_next(&it, NULL, &item)) {
        if ((rc = DS_PICK(l, "pre_tokenizer", item, keys, v))) return rc;
        if (--left) {
            if ((rc = ds_want_string(l, "a pre_tokenizer", v[0], "Split")) || (rc = load_split(l, v + 1))) return rc;
            continue;
        }
        if ((rc = ds_want_string(l, "the last pre_tokenizer", v[0], "ByteLevel"))) return rc;
        for (int i = 4; i < 6; i++) /* both are true when left out */
            if (ds_json_type(v[i]) != 'f')
                return ds_fail(DSV4_EUNSUPPORTED, "%s: ByteLevel must have \"%s\" false", l->path, keys[i]);
    }
    return DSV4_OK;
}

static ds_status check_normalizer(const ds_loader *l, ds_json normalizer)
{
    static const char *const keys[] = { "type", "normalizers" };
    ds_json                  v[2];
    ds_status                rc;

    if (is_null(normalizer)) return DSV4_OK;
    if ((rc = DS_PICK(l, "normalizer", normalizer, keys, v))) return rc;
    if ((rc = ds_want_string(l, "normalizer's type", v[0], "Sequence"))) return rc;
    if ((rc = ds_want_list(l, "normalizers", v[1]))) return rc;
    return ds_json_count(v[1]) ? ds_fail(DSV4_EUNSUPPORTED, "%s: a normalizer is not supported", l->path) : DSV4_OK;
}

static ds_status want_byte_level(const ds_loader *l, const char *what, ds_json object)
{
    static const char *const keys[] = { "type" };
    ds_json                  type;
    ds_status                rc = DS_PICK(l, what, object, keys, &type);

    return rc ? rc : ds_want_string(l, what, type, "ByteLevel");
}

static ds_status load_model(ds_loader *l, ds_json model, ds_json added)
{
    enum { TYPE, VOCAB, MERGES, N_USED };
    static const char *const keys[] = { "type", "vocab", "merges", "dropout", "unk_token", "continuing_subword_prefix",
                                        "end_of_word_suffix", "byte_fallback", "ignore_merges" };
    enum { N_KEYS = sizeof keys / sizeof *keys };
    ds_json   v[N_KEYS];
    ds_status rc;

    if ((rc = DS_PICK(l, "the model", model, keys, v))) return rc;
    if ((rc = ds_want_string(l, "the model's type", v[TYPE], "BPE"))) return rc;
    for (int i = N_USED; i < N_KEYS; i++)
        if ((rc = ds_want_unset(l, "BPE", keys[i], v[i]))) return rc;
    if ((rc = ds_load_tokens(l, v[VOCAB], added))) return rc;
    return ds_load_merges(l, v[MERGES]);
}

static ds_status load(ds_loader *l, const char *text, size_t size)
{
    enum { MODEL, ADDED, PRE, NORMALIZER, POST, DECODER, TRUNCATION, PADDING };
    static const char *const keys[] = { "model", "added_tokens", "pre_tokenizer", "normalizer", "post_processor",
                                        "decoder", "truncation", "padding" };
    ds_json   root, v[sizeof keys / sizeof *keys];
    ds_status rc;

    if ((rc = ds_json_check(&root, text, size, DS_JSON_DEPTH, l->path))) return rc;
    if ((rc = DS_PICK(l, "the file", root, keys, v))) return rc;
    if ((rc = ds_want_unset(l, "a tokenizer", keys[TRUNCATION], v[TRUNCATION]))) return rc;
    if ((rc = ds_want_unset(l, "a tokenizer", keys[PADDING], v[PADDING]))) return rc;
    if ((rc = check_normalizer(l, v[NORMALIZER]))) return rc;
    if (!is_null(v[POST]) && (rc = want_byte_level(l, keys[POST], v[POST]))) return rc;
    if ((rc = want_byte_level(l, keys[DECODER], v[DECODER]))) return rc;
    if ((rc = load_pre_tokenizer(l, v[PRE]))) return rc;
    return load_model(l, v[MODEL], v[ADDED]);
}

ds_status ds_tokenizer_load(dsv4_tokenizer *t, const char *text, size_t size, const char *path)
{
    ds_loader l = { .t = t, .path = path, .room = ds_alloc(size + 1), .spelt = ds_alloc(size + 1) };
    ds_status rc;

    t->bytes = ds_alloc(size + 1);
    ds_fill_alphabet(&l);
    if (l.room && l.spelt && t->bytes) rc = load(&l, text, size);
    else rc = ds_fail(DSV4_ENOMEM, "%s: no memory to load it", path);
    ds_free(l.room);
    ds_free(l.spelt);
    return rc;
}
