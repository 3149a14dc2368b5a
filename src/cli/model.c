/* model.c - which model, and opening it: the folder, the library's log, the engine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

const char *cli_program_folder(void)
{
    static char folder[4000];
    ssize_t     n;
    char       *slash;

    if (folder[0]) return folder;
    n = readlink("/proc/self/exe", folder, sizeof folder - 1);
    folder[n > 0 ? n : 0] = 0;
    slash = strrchr(folder, '/');
    if (slash) *slash = 0;
    else folder[0] = 0;
    return folder;
}

const char *cli_model_path(const char *operand)
{
    /* as installed; as built in the source tree; as configured */
    static const char *const relative[] = { "/../share/dsv4/demo", "/../demo" };
    static char              path[4096];
    const char              *from_environment = getenv("DSV4_MODEL");

    if (operand) return operand;
    if (from_environment && *from_environment) return from_environment;
    for (size_t i = 0; i < CLI_N(relative); i++) {
        snprintf(path, sizeof path, "%s%s/config.json", cli_program_folder(), relative[i]);
        if (access(path, R_OK) == 0) {
            *strrchr(path, '/') = 0;
            return path;
        }
    }
    if (access(CLI_DEMO "/config.json", R_OK) == 0) return CLI_DEMO;
    cli_error(CLI_FAILED, "no MODEL given, $DSV4_MODEL is not set, and there is no demo model in %s", CLI_DEMO);
    return NULL;
}

static void write_log(void *cookie, dsv4_log_level level, const char *line)
{
    static const char *const name[] = { "error", "warning", "info", "debug" };
    (void)cookie;
    fprintf(stderr, "dsv4: %s: %s\n", name[level], line);
}

dsv4_log cli_log(const cli_common *common)
{
    return (dsv4_log){ .write = write_log, .level = (dsv4_log_level)common->log };
}

int cli_model_open(cli_session *s, const char *operand, const cli_common *common, bool headers_only)
{
    const char       *path = cli_model_path(operand);
    dsv4_model_config config = dsv4_model_config_default();
    const double      start = cli_now_ms();

    *s = (cli_session){ 0 };
    if (!path) return CLI_FAILED;
    config.headers_only = headers_only;
    config.log = cli_log(common);
    if (dsv4_model_open(&s->model, path, &config) || dsv4_model_get_info(s->model, &s->info)) return cli_failed();
    s->tokenizer = dsv4_model_tokenizer(s->model);
    s->load_ms = cli_now_ms() - start;
    return CLI_GO;
}

int cli_model_synthetic(cli_session *s, const char *shape, dsv4_flavour flavour, const cli_common *common)
{
    dsv4_synthetic    spec = { .flavour = flavour, .n_threads = (int32_t)common->threads };
    dsv4_model_config config = dsv4_model_config_default();
    const double      start = cli_now_ms();
    const char       *colon = strchr(shape, ':');
    char              name[16], *end;

    *s = (cli_session){ 0 };
    snprintf(name, sizeof name, "%.*s", (int)(colon ? colon - shape : (ptrdiff_t)strlen(shape)), shape);
    spec.shape = name;
    if (colon) {
        const long n = strtol(colon + 1, &end, 10);
        if (end == colon + 1 || *end || n < 3 || n > DSV4_MAX_LAYERS)
            return cli_error(CLI_USAGE, "--synthetic: expected 3 to %d layers behind the colon, found '%s'", DSV4_MAX_LAYERS,
                             colon + 1);
        spec.n_layers = (int32_t)n;
    }
    config.log = cli_log(common);
    if (dsv4_model_synthetic(&s->model, &spec, &config) || dsv4_model_get_info(s->model, &s->info)) return cli_failed();
    s->load_ms = cli_now_ms() - start;
    return CLI_GO;
}

int cli_need_tokenizer(const cli_session *s)
{
    if (s->tokenizer) return CLI_GO;
    return cli_error(CLI_FAILED, "%s: expected a tokenizer.json, found none: text cannot be read or written",
                     s->info.path);
}

const char *cli_isa(const cli_common *common)
{
    static const char *const names[] = { NULL, "scalar", "avx2", "avx512", "avx512bf16" }; /* as COMMON_OPTIONS lists them */
    return names[common->isa];
}

dsv4_engine_config cli_engine_config(const cli_common *common)
{
    dsv4_engine_config config = dsv4_engine_config_default();

    config.device = common->device;
    config.n_threads = (int32_t)common->threads;
    config.isa = cli_isa(common);
    config.max_context = common->max_context;
    config.max_sequences = 1;
    config.numerics = (dsv4_numerics)common->numerics;
    config.log = cli_log(common);
    return config;
}

int cli_engine_open(cli_session *s, const cli_common *common, const dsv4_engine_config *config)
{
    const double start = cli_now_ms();

    if (dsv4_engine_open(&s->engine, s->model, config) || dsv4_engine_get_plan(s->engine, &s->plan))
        return cli_failed();
    if (s->plan.context_cut && common->max_context > s->plan.max_context)
        cli_warn("--max-context: memory allows %lld of %lld tokens", (long long)s->plan.max_context,
                 (long long)common->max_context);
    s->load_ms += cli_now_ms() - start;
    return CLI_GO;
}

void cli_session_close(cli_session *s)
{
    dsv4_engine_close(s->engine);
    dsv4_model_close(s->model);
    *s = (cli_session){ 0 };
}
