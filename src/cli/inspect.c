/* inspect.c - `dsv4 inspect`: what is in a checkpoint and what it needs in memory. Reads headers only. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

typedef struct options {
    cli_common  common;
    const char *model;
    bool        tensors, plan;
    int64_t     sequences;
} options;

static int parse(options *o, int argc, char **argv)
{
    const cli_option table[] = {
        { "--tensors", NULL, CLI_FLAG, &o->tensors, 0, 0, "list every stored tensor", NULL },
        { "--plan", NULL, CLI_FLAG, &o->plan, 0, 0, "what each part takes in memory (--device, --max-context)", NULL },
        { "--sequences", "N", CLI_COUNT, &o->sequences, 1, 1 << 20, "sequences open at the same time, for --plan", "1" },
    };
    const cli_syntax syntax = { "inspect", "[MODEL]",
        "Show a checkpoint's flavour, layers, parameters, bytes by part and format, and unused tensors, from its headers.",
        table, CLI_N(table), 1 };
    const char *operand[1];
    int         n, rc;

    if ((rc = cli_parse(&syntax, &o->common, argc, argv, operand, &n)) != CLI_GO) return rc;
    if (n) o->model = operand[0];
    return CLI_GO;
}

static const char *attention_kind(int32_t ratio)
{
    return ratio == 0 ? "window" : ratio == 4 ? "ratio 4, indexer" : ratio == 128 ? "ratio 128" : "unknown";
}

static const char *routing_kind(const dsv4_model_info *m, int32_t layer)
{
    return layer < m->n_hash_layers ? "hash" : "scores";
}

static uint64_t part_bytes(const dsv4_model_info *m, int part)
{
    uint64_t sum = 0;

    for (int f = 0; f < DSV4_N_FORMATS; f++) sum += m->bytes[part][f];
    return sum;
}

static void format_shape(char *out, size_t capacity, const dsv4_tensor_info *t)
{
    size_t n = (size_t)snprintf(out, capacity, "[");

    for (int i = 0; i < t->rank && n < capacity; i++)
        n += (size_t)snprintf(out + n, capacity - n, i ? ", %lld" : "%lld", (long long)t->shape[i]);
    if (n < capacity) snprintf(out + n, capacity - n, "]");
}

/* ---- text ---- */

static void print_layers(const dsv4_model_info *m)
{
    for (int32_t i = 0, end; i < m->n_layers; i = end) { /* equal neighbours share a line */
        char range[32];
        for (end = i + 1; end < m->n_layers && m->compress_ratio[end] == m->compress_ratio[i]
                          && (end < m->n_hash_layers) == (i < m->n_hash_layers);)
            end++;
        if (end - i > 1) snprintf(range, sizeof range, "%d-%d", (int)i, (int)end - 1);
        else snprintf(range, sizeof range, "%d", (int)i);
        cli_print("  %-9s attention: %s; routing: %s\n", range, attention_kind(m->compress_ratio[i]), routing_kind(m, i));
    }
    if (m->n_draft_layers) cli_print("  draft     %d MTP block\n", (int)m->n_draft_layers);
}

static void print_model(const dsv4_model_info *m)
{
    char bytes[32], token[32];

    cli_print("model       %s\nflavour     %s\n", m->path, m->flavour);
    cli_print("parameters  %lld", (long long)m->n_parameters);
    if (m->n_draft_layers) cli_print(" and %lld of the draft block", (long long)m->n_draft_parameters);
    cli_print("\nfiles       %lld tensors, %s%s\n", (long long)m->n_tensors, cli_bytes(bytes, m->file_bytes),
              m->data_present ? "" : " (data files absent)");
    cli_print("one token   reads %s of weights (batch of one, no draft)\n", cli_bytes(token, m->token_bytes));
    cli_print("context     %lld tokens at most, window %d\n", (long long)m->max_context, (int)m->sliding_window);
    cli_print("vocabulary  %d, tokenizer %s\n", (int)m->vocab_size, m->has_tokenizer ? "present" : "absent");
    cli_print("width       hidden %d, %d streams; %d heads of %d (%d rotary); q_lora %d; o_lora %d in %d groups\n",
              (int)m->hidden_size, (int)m->hc_mult, (int)m->n_heads, (int)m->head_dim, (int)m->rope_dim,
              (int)m->q_lora_rank, (int)m->o_lora_rank, (int)m->o_groups);
    cli_print("indexer     %d heads of %d, top %d\n", (int)m->index_n_heads, (int)m->index_head_dim, (int)m->index_topk);
    cli_print("experts     %d of %d run, width %d\n", (int)m->n_active_experts, (int)m->n_experts,
              (int)m->moe_intermediate_size);
    cli_print("sampling    temperature %g, top-p %g\n", (double)m->temperature, (double)m->top_p);
    cli_print("layers      %d\n", (int)m->n_layers);
    print_layers(m);
}

static void print_parts(const dsv4_model_info *m)
{
    char text[32];

    cli_print("bytes by part and format\n");
    for (int p = 0; p < DSV4_N_PARTS; p++) {
        const char *separator = "";
        if (!part_bytes(m, p)) continue;
        cli_print("  %-20s %10s  ", dsv4_part_name((dsv4_part)p), cli_bytes(text, part_bytes(m, p)));
        for (int f = 0; f < DSV4_N_FORMATS; f++) {
            if (!m->bytes[p][f]) continue;
            cli_print("%s%s %s", separator, dsv4_format_name((dsv4_format)f), cli_bytes(text, m->bytes[p][f]));
            separator = ", ";
        }
        cli_print("\n");
    }
}

static int print_tensors(const cli_session *s)
{
    dsv4_tensor_info t;
    char             shape[256], size[32];

    cli_print("tensors\n");
    for (int64_t i = 0; i < s->info.n_tensors; i++) {
        bool renamed;
        if (dsv4_model_tensor(s->model, i, &t)) return cli_failed();
        renamed = t.canonical && strcmp(t.canonical, t.name) != 0;
        format_shape(shape, sizeof shape, &t);
        if (cli_print("  %s %s %s %s %s%s%s%s\n", t.name, t.dtype, shape, cli_bytes(size, t.bytes), t.file,
                      renamed ? " = " : "", renamed ? t.canonical : "", t.used ? "" : " (unused)"))
            return CLI_FAILED;
    }
    return CLI_GO;
}

/* "layers.3.ffn.experts.12.w1" -> "layers.*.ffn.experts.*.w1" */
static void make_pattern(char *out, size_t capacity, const char *name)
{
    size_t n = 0;

    for (const char *p = name; *p && n + 1 < capacity;) {
        const size_t digits = p == name || p[-1] == '.' ? strspn(p, "0123456789") : 0;
        const bool   number = digits > 0 && (p[digits] == '.' || !p[digits]);
        out[n++] = number ? '*' : *p;
        p += number ? digits : 1;
    }
    out[n] = 0;
}

/* The unused tensors, one line for all that differ in numbers alone. */
static int print_unused(const cli_session *s)
{
    json_t          *groups = json_object();
    const char      *pattern;
    json_t          *count;
    dsv4_tensor_info t;
    char             key[512];

    for (int64_t i = 0; i < s->info.n_tensors && groups; i++) {
        if (dsv4_model_tensor(s->model, i, &t)) {
            json_decref(groups);
            return cli_failed();
        }
        if (t.used) continue;
        make_pattern(key, sizeof key, t.name);
        count = json_object_get(groups, key);
        json_object_set_new_nocheck(groups, key, json_integer(json_integer_value(count) + 1));
    }
    if (!groups) return cli_error(CLI_FAILED, "no memory for the list of tensors");
    cli_print("tensors left unused%s\n", json_object_size(groups) ? "" : ": none");
    json_object_foreach(groups, pattern, count)
        cli_print("  %6lld  %s\n", (long long)json_integer_value(count), pattern);
    json_decref(groups);
    return CLI_GO;
}

static void print_plan(const dsv4_plan *p)
{
    const struct { const char *name; uint64_t bytes; } row[] = {
        { "weights (mapped)", p->weight_bytes }, { "KV cache", p->cache_bytes }, { "window states", p->state_bytes },
        { "scratch of a step", p->scratch_bytes }, { "host tables", p->host_bytes }, { "total", p->total_bytes },
    };
    char text[32];

    cli_print("plan        %d sequences of %lld tokens%s, %d tokens a step, %d threads\n", (int)p->max_sequences,
              (long long)p->max_context, p->context_cut ? " (cut to what memory allows)" : "", (int)p->max_batch_tokens,
              (int)p->n_threads);
    for (size_t i = 0; i < CLI_N(row); i++) cli_print("  %-20s %10s\n", row[i].name, cli_bytes(text, row[i].bytes));
    cli_print("  a token of context costs %s of cache; %lld blocks of 128 tokens\n", cli_bytes(text, p->token_bytes),
              (long long)p->n_blocks);
}

/* ---- JSON ---- */

static json_t *json_parts(const dsv4_model_info *m)
{
    json_t *parts = json_object();

    for (int p = 0; p < DSV4_N_PARTS; p++) {
        json_t *formats = json_object();
        for (int f = 0; f < DSV4_N_FORMATS; f++)
            if (m->bytes[p][f])
                json_object_set_new(formats, dsv4_format_name((dsv4_format)f), json_integer((json_int_t)m->bytes[p][f]));
        json_object_set_new(parts, dsv4_part_name((dsv4_part)p), formats);
    }
    return parts;
}

static json_t *json_layers(const dsv4_model_info *m)
{
    json_t *layers = json_array();

    for (int32_t i = 0; i < m->n_layers; i++)
        json_array_append_new(layers, json_pack("{s:s, s:i, s:s}", "attention", attention_kind(m->compress_ratio[i]),
                                                "compress_ratio", (int)m->compress_ratio[i], "routing",
                                                routing_kind(m, i)));
    return layers;
}

static json_t *json_tensors(const cli_session *s, bool all)
{
    json_t          *list = json_array();
    dsv4_tensor_info t;

    for (int64_t i = 0; i < s->info.n_tensors && !dsv4_model_tensor(s->model, i, &t); i++) {
        json_t *shape;
        if (!all && t.used) continue;
        shape = json_array();
        for (int k = 0; k < t.rank; k++) json_array_append_new(shape, json_integer(t.shape[k]));
        json_array_append_new(list, json_pack("{s:o, s:s?, s:s, s:s, s:o, s:I, s:b}", "name",
                                              cli_json_text(t.name, strlen(t.name)), "canonical", t.canonical, "file",
                                              t.file, "dtype", t.dtype, "shape", shape, "bytes", (json_int_t)t.bytes,
                                              "used", t.used));
    }
    return list;
}

static json_t *json_plan(const dsv4_plan *p)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:b}",
                     "weight_bytes", (json_int_t)p->weight_bytes, "cache_bytes", (json_int_t)p->cache_bytes,
                     "state_bytes", (json_int_t)p->state_bytes, "scratch_bytes", (json_int_t)p->scratch_bytes,
                     "host_bytes", (json_int_t)p->host_bytes, "total_bytes", (json_int_t)p->total_bytes,
                     "token_bytes", (json_int_t)p->token_bytes, "max_context", (json_int_t)p->max_context,
                     "n_blocks", (json_int_t)p->n_blocks, "max_sequences", (int)p->max_sequences,
                     "max_batch_tokens", (int)p->max_batch_tokens, "n_threads", (int)p->n_threads,
                     "context_cut", p->context_cut);
}

static int print_json(const options *o, const cli_session *s, const dsv4_plan *plan)
{
    const dsv4_model_info *m = &s->info;
    json_t *j = json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:I, s:i, s:i, s:i, s:i, s:i}",
                          "path", cli_json_text(m->path, strlen(m->path)), "flavour", m->flavour,
                          "n_parameters", (json_int_t)m->n_parameters, "n_draft_parameters",
                          (json_int_t)m->n_draft_parameters, "n_tensors", (json_int_t)m->n_tensors,
                          "file_bytes", (json_int_t)m->file_bytes, "token_bytes", (json_int_t)m->token_bytes,
                          "data_present", m->data_present, "has_tokenizer", m->has_tokenizer,
                          "max_context", (json_int_t)m->max_context, "vocab_size", (int)m->vocab_size,
                          "hidden_size", (int)m->hidden_size, "n_experts", (int)m->n_experts,
                          "n_active_experts", (int)m->n_active_experts, "n_draft_layers", (int)m->n_draft_layers);

    json_object_set_new(j, "layers", json_layers(m));
    json_object_set_new(j, "bytes", json_parts(m));
    json_object_set_new(j, o->tensors ? "tensors" : "unused", json_tensors(s, o->tensors));
    if (o->plan) json_object_set_new(j, "plan", json_plan(plan));
    return cli_print_json(j);
}

int cli_inspect(int argc, char **argv)
{
    options            o = { .sequences = 1 };
    cli_session        s = { 0 };
    dsv4_plan          plan = { 0 };
    dsv4_engine_config config;
    int                rc;

    if ((rc = parse(&o, argc, argv)) != CLI_GO) return rc;
    rc = cli_model_open(&s, o.model, &o.common, true);
    if (rc == CLI_GO && o.plan) {
        config = cli_engine_config(&o.common);
        config.max_sequences = (int32_t)o.sequences;
        if (dsv4_engine_plan(s.model, &config, &plan)) rc = cli_failed();
    }
    if (rc == CLI_GO && o.common.json) {
        rc = print_json(&o, &s, &plan);
    } else if (rc == CLI_GO) {
        print_model(&s.info);
        print_parts(&s.info);
        rc = print_unused(&s);
        if (rc == CLI_GO && o.tensors) rc = print_tensors(&s);
        if (rc == CLI_GO && o.plan) print_plan(&plan);
        if (rc == CLI_GO) rc = cli_flush();
    }
    cli_session_close(&s);
    return rc;
}
