/* names.c - see names.h. Start at the table. */
#include "format/names.h"

#include <stdio.h>
#include <string.h>

/* What stands behind the block prefix "layers.N." or "mtp.N.", or alone at the top level. A module is followed by
 * ".weight" and its companions; a tensor is the whole name. '#' is an expert's number. transformers' spelling has
 * its "self_attn." and "mlp." written "attn." and "ffn." here; foreign prefixes and leaves may then be mixed. */
typedef struct row {
    enum { TOP = 1, LAYER = 2, DRAFT = 4, BLOCK = LAYER | DRAFT, MODULE = 8 } kind;
    const char *official, *transformers, *other; /* other: an older spelling, or NULL */
} row;

static const row rows[] = {
    { TOP | MODULE, "embed", "embed_tokens", NULL },
    { TOP | MODULE, "head", "lm_head", NULL },
    { TOP | MODULE, "norm", "norm", NULL },
    { TOP, "hc_head_fn", "hc_head.hc_fn", "hc_head.fn" },
    { TOP, "hc_head_base", "hc_head.hc_base", "hc_head.base" },
    { TOP, "hc_head_scale", "hc_head.hc_scale", "hc_head.scale" },

    { BLOCK | MODULE, "ffn.experts.#.w1", "ffn.experts.#.gate_proj", NULL },
    { BLOCK | MODULE, "ffn.experts.#.w2", "ffn.experts.#.down_proj", NULL },
    { BLOCK | MODULE, "ffn.experts.#.w3", "ffn.experts.#.up_proj", NULL },
    { BLOCK, "ffn.experts.gate_up_proj", "ffn.experts.gate_up_proj", NULL }, /* [E, 2I, D], rows: w1 then w3 */
    { BLOCK, "ffn.experts.down_proj", "ffn.experts.down_proj", NULL },       /* [E, D, I] */
    { BLOCK | MODULE, "ffn.shared_experts.w1", "ffn.shared_experts.gate_proj", NULL },
    { BLOCK | MODULE, "ffn.shared_experts.w2", "ffn.shared_experts.down_proj", NULL },
    { BLOCK | MODULE, "ffn.shared_experts.w3", "ffn.shared_experts.up_proj", NULL },
    { BLOCK, "ffn.gate.bias", "ffn.gate.e_score_correction_bias", NULL },
    { BLOCK, "ffn.gate.tid2eid", "ffn.gate.tid2eid", NULL },
    { BLOCK | MODULE, "ffn.gate", "ffn.gate", NULL },

    { BLOCK | MODULE, "attn_norm", "input_layernorm", NULL },
    { BLOCK | MODULE, "ffn_norm", "post_attention_layernorm", NULL },
    { BLOCK, "hc_attn_fn", "attn_hc.fn", "attn_hc.hc_fn" },
    { BLOCK, "hc_attn_base", "attn_hc.base", "attn_hc.hc_base" },
    { BLOCK, "hc_attn_scale", "attn_hc.scale", "attn_hc.hc_scale" },
    { BLOCK, "hc_ffn_fn", "ffn_hc.fn", "ffn_hc.hc_fn" },
    { BLOCK, "hc_ffn_base", "ffn_hc.base", "ffn_hc.hc_base" },
    { BLOCK, "hc_ffn_scale", "ffn_hc.scale", "ffn_hc.hc_scale" },

    { BLOCK, "attn.attn_sink", "attn.sinks", NULL },
    { BLOCK | MODULE, "attn.wq_a", "attn.q_a_proj", NULL },
    { BLOCK | MODULE, "attn.q_norm", "attn.q_a_norm", NULL },
    { BLOCK | MODULE, "attn.wq_b", "attn.q_b_proj", NULL },
    { BLOCK | MODULE, "attn.wkv", "attn.kv_proj", NULL },
    { BLOCK | MODULE, "attn.kv_norm", "attn.kv_norm", NULL },
    { BLOCK | MODULE, "attn.wo_a", "attn.o_a_proj", NULL },
    { BLOCK | MODULE, "attn.wo_b", "attn.o_b_proj", NULL },

    { BLOCK | MODULE, "attn.compressor.wkv", "attn.compressor.kv_proj", NULL },
    { BLOCK | MODULE, "attn.compressor.wgate", "attn.compressor.gate_proj", NULL },
    { BLOCK | MODULE, "attn.compressor.norm", "attn.compressor.kv_norm", NULL },
    { BLOCK, "attn.compressor.ape", "attn.compressor.position_bias", NULL },

    { BLOCK | MODULE, "attn.indexer.wq_b", "attn.compressor.indexer.q_b_proj", NULL },
    { BLOCK | MODULE, "attn.indexer.weights_proj", "attn.compressor.indexer.scorer.weights_proj",
      "attn.compressor.indexer.weights_proj" },
    { BLOCK | MODULE, "attn.indexer.compressor.wkv", "attn.compressor.indexer.kv_proj", NULL },
    { BLOCK | MODULE, "attn.indexer.compressor.wgate", "attn.compressor.indexer.gate_proj", NULL },
    { BLOCK | MODULE, "attn.indexer.compressor.norm", "attn.compressor.indexer.kv_norm",
      "attn.compressor.indexer.norm" },
    { BLOCK, "attn.indexer.compressor.ape", "attn.compressor.indexer.position_bias", NULL },

    { DRAFT | MODULE, "e_proj", "e_proj", NULL },
    { DRAFT | MODULE, "h_proj", "h_proj", NULL },
    { DRAFT | MODULE, "enorm", "enorm", NULL },
    { DRAFT | MODULE, "hnorm", "hnorm", NULL },
    { DRAFT | MODULE, "norm", "norm", NULL },
    { DRAFT | MODULE, "embed", "embed_tokens", "emb.tok_emb" },
    { DRAFT | MODULE, "head", "lm_head", "shared_head.head" },
    { DRAFT, "hc_head_fn", "hc_head.hc_fn", "hc_head.fn" },
    { DRAFT, "hc_head_base", "hc_head.hc_base", "hc_head.base" },
    { DRAFT, "hc_head_scale", "hc_head.hc_scale", "hc_head.scale" },
    { DRAFT | MODULE, "main_proj", "main_proj", NULL },
    { DRAFT | MODULE, "main_norm", "main_norm", NULL },
    { DRAFT | MODULE, "markov_head.markov_w1", "markov_head.markov_w1", NULL },
    { DRAFT | MODULE, "markov_head.markov_w2", "markov_head.markov_w2", NULL },
    { DRAFT | MODULE, "confidence_head.proj", "confidence_head.proj", NULL },
};

/* Behind a module's dot: as stored, and as kept. */
static const char *const suffixes[][2] = {
    { "weight", "weight" }, { "scale", "scale" }, { "weight_scale_inv", "scale" }, { "weight_scale", "weight_scale" },
    { "weight_scale_2", "weight_scale_2" }, { "weight_packed", "weight_packed" },
    { "weight_global_scale", "weight_global_scale" }, { "input_scale", "input_scale" },
    { "input_global_scale", "input_global_scale" }, { "k_scale", "k_scale" }, { "v_scale", "v_scale" },
};

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool ends(const char *text, const char *suffix)
{
    const size_t n = strlen(text), m = strlen(suffix);
    return n >= m && memcmp(text + n - m, suffix, m) == 0;
}

/* Digits at `text`: a number without leading zeros below a million; the count of digits, or 0. */
static size_t number(const char *text, int *value)
{
    size_t n = 0;

    *value = 0;
    while (n < 6 && text[n] >= '0' && text[n] <= '9') *value = *value * 10 + (text[n++] - '0');
    if (n > 1 && text[0] == '0') return 0;
    return text[n] >= '0' && text[n] <= '9' ? 0 : n;
}

/* Whether `text` begins with `pattern`: what follows it, or NULL. */
static const char *match(const char *pattern, const char *text, int *expert)
{
    for (; *pattern; pattern++) {
        if (*pattern == '#') {
            const size_t n = number(text, expert);
            if (n == 0) return NULL;
            text += n;
        } else if (*pattern != *text++) {
            return NULL;
        }
    }
    return text;
}

/* Find the row and the suffix of `rest` by the official spelling, and by the others if `any`. *spelling: which it was. */
static const row *find(const char *rest, int where, bool any, int *expert, int *suffix, int *spelling)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const row        *r = &rows[i];
        const char *const spelled[3] = { r->official, any ? r->transformers : NULL, any ? r->other : NULL };
        if (!(r->kind & where)) continue;
        for (int s = 0; s < 3; s++) {
            const char *tail = spelled[s] ? match(spelled[s], rest, expert) : NULL;
            *suffix = -1;
            *spelling = s;
            if (!tail) continue;
            if (!(r->kind & MODULE)) {
                if (!*tail) return r;
                continue;
            }
            if (*tail != '.') continue;
            for (size_t k = 0; k < sizeof suffixes / sizeof *suffixes; k++)
                if (strcmp(tail + 1, suffixes[k][0]) == 0) {
                    *suffix = (int)k;
                    return r;
                }
        }
    }
    return NULL;
}

/* "layers.12." or "mtp.0.": its length, and which; 0 and TOP without one. */
static size_t block_prefix(const char *name, int *where)
{
    const size_t word = starts(name, "layers.") ? 7 : starts(name, "mtp.") ? 4 : 0;
    int          block;

    *where = TOP;
    const size_t digits = word ? number(name + word, &block) : 0;
    if (!digits || name[word + digits] != '.') return 0;
    *where = word == 7 ? LAYER : DRAFT;
    return word + digits + 1;
}

/* prefix + pattern with its '#' filled in + "." + suffix. */
static void spell(char *out, const char *prefix, size_t n, const char *pattern, int expert, const char *suffix)
{
    const char *hash = strchr(pattern, '#');
    int         at = snprintf(out, DS_NAME_MAX, "%.*s", (int)n, prefix);

    if (hash)
        at += snprintf(out + at, (size_t)(DS_NAME_MAX - at), "%.*s%d%s", (int)(hash - pattern), pattern, expert, hash + 1);
    else
        at += snprintf(out + at, (size_t)(DS_NAME_MAX - at), "%s", pattern);
    if (suffix) snprintf(out + at, (size_t)(DS_NAME_MAX - at), ".%s", suffix);
}

bool ds_name_official(char *out, const char *name)
{
    char rest[DS_NAME_MAX];
    int  where, expert = 0, suffix, spelling;

    if (strlen(name) >= DS_NAME_MAX - 32) return false; /* room to spell it out */
    if (starts(name, "model.")) name += 6;
    const size_t n = block_prefix(name, &where);
    const char  *tail = name + n;
    if (where != TOP && starts(tail, "self_attn.")) snprintf(rest, sizeof rest, "attn.%s", tail + 10);
    else if (where != TOP && starts(tail, "mlp.")) snprintf(rest, sizeof rest, "ffn.%s", tail + 4);
    else memcpy(rest, tail, strlen(tail) + 1);
    const row *r = find(rest, where, true, &expert, &suffix, &spelling);
    if (!r) return false;
    if (spelling == 0 && (suffix < 0 || !strcmp(suffixes[suffix][0], suffixes[suffix][1]))) { /* official already */
        memcpy(out, name, n);
        memcpy(out + n, rest, strlen(rest) + 1);
        return true;
    }
    spell(out, name, n, r->official, expert, suffix < 0 ? NULL : suffixes[suffix][1]);
    return true;
}

bool ds_name_transformers(char *out, const char *official)
{
    char prefix[48];
    int  where, expert = 0, suffix, spelling;

    if (strlen(official) >= DS_NAME_MAX - 64) return false;
    const size_t n = block_prefix(official, &where);
    const row   *r = find(official + n, where, false, &expert, &suffix, &spelling);
    if (!r) return false;
    const char *theirs = r->transformers;
    const char *folder = where == TOP || starts(theirs, "attn_hc.") || starts(theirs, "ffn_hc.") ? ""
                       : starts(theirs, "attn.") ? "self_attn." : starts(theirs, "ffn.") ? "mlp." : "";
    if (*folder) theirs = strchr(theirs, '.') + 1;
    snprintf(prefix, sizeof prefix, "%s%.*s%s", strcmp(theirs, "lm_head") || where != TOP ? "model." : "", (int)n,
             official, folder);
    const char *stored = suffix < 0 ? NULL : strcmp(suffixes[suffix][0], "scale") ? suffixes[suffix][0] : "weight_scale_inv";
    spell(out, prefix, strlen(prefix), theirs, expert, stored);
    return true;
}

bool ds_name_expert(const char *module, size_t *prefix, int *expert, int *matrix)
{
    static const char stem[] = "ffn.experts";
    int               where;
    const size_t      n = block_prefix(module, &where);

    if (where == TOP || !starts(module + n, stem) || module[n + sizeof stem - 1] != '.') return false;
    *prefix = n + sizeof stem - 1;
    const char  *at = module + *prefix + 1;
    const size_t digits = number(at, expert);
    if (!digits || at[digits] != '.' || at[digits + 1] != 'w' || at[digits + 3]) return false;
    *matrix = at[digits + 2] - '0';
    return *matrix >= 1 && *matrix <= 3;
}

bool ds_name_is_extra(const char *name)
{
    if (starts(name, "model.")) name += 6;
    return starts(name, "mtp.") || ends(name, ".input_scale") || ends(name, ".input_global_scale") ||
           ends(name, ".k_scale") || ends(name, ".v_scale") || ends(name, ".inv_freq") || ends(name, "freqs_cis") ||
           strstr(name, "rotary_emb.") != NULL;
}
