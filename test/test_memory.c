/* test_memory.c - the memory plan against what a process takes: mapped files and resident memory of its own, with
 * every sequence filled to the end of its context. */
#include <sys/wait.h>
#include <unistd.h>

#include "engine/engine.h"
#include "logits.h"
#include "toy.h"

/* A line of /proc/self/status, in bytes. */
static uint64_t status_bytes(const char *key)
{
    char               line[256];
    unsigned long long kib = 0;
    FILE              *f = fopen("/proc/self/status", "r");

    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':') sscanf(line + strlen(key) + 1, "%llu", &kib);
    fclose(f);
    return kib * 1024;
}

/* Bytes of mappings of files below `folder`. */
static uint64_t mapped_bytes(const char *folder)
{
    char     line[1024];
    uint64_t sum = 0;
    FILE    *f = fopen("/proc/self/maps", "r");

    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        unsigned long long begin, end;
        if (strstr(line, folder) && strstr(line, ".safetensors") && sscanf(line, "%llx-%llx", &begin, &end) == 2) sum += end - begin;
    }
    fclose(f);
    return sum;
}

typedef struct measured { uint64_t plan, taken, own_plan, own_taken; } measured;

/* In a process of its own, so that nothing else is counted. */
static measured measure(const char *path, dsv4_engine_config config)
{
    int      pipes[2], status;
    measured m;

    assert_int_equal(pipe(pipes), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const uint64_t       before = status_bytes("RssAnon");
        dsv4_model          *model;
        dsv4_engine         *engine;
        dsv4_sequence       *seq;
        dsv4_plan            plan;
        dsv4_sequence_config c = dsv4_sequence_config_default();
        int32_t             *ids = calloc((size_t)config.max_context, sizeof *ids);
        c.max_new_tokens = 1;
        if (dsv4_model_open(&model, path, NULL) || dsv4_engine_open(&engine, model, &config)) _exit(1);
        dsv4_engine_get_plan(engine, &plan);
        for (int64_t i = 0; i < config.max_context; i++) ids[i] = (int32_t)(i * 7919 % model->info.vocab_size);
        for (int32_t s = 0; s < config.max_sequences; s++)
            if (dsv4_sequence_open(&seq, engine, &c) || dsv4_sequence_feed(seq, ids, (size_t)config.max_context)) _exit(2);
        dsv4_status rc;
        while ((rc = dsv4_engine_step(engine)) == DSV4_OK) {}
        if (rc != DSV4_AGAIN) _exit(3);
        const uint64_t mapped = mapped_bytes(path), own = status_bytes("RssAnon") - before;
        m = (measured){ plan.total_bytes, mapped + own, plan.total_bytes - plan.weight_bytes, own };
        if (write(pipes[1], &m, sizeof m) != (ssize_t)sizeof m) _exit(4);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(pipes[0], &m, sizeof m), sizeof m);
    close(pipes[0]);
    close(pipes[1]);
    return m;
}

static void check(const char *what, measured m)
{
    const double difference = ((double)m.taken - (double)m.plan) / (double)m.plan;

    printf("    %s: %.1f MiB planned, %.1f MiB taken (%+.2f %%); without weights %.1f and %.1f MiB\n", what, (double)m.plan / 1048576.0,
           (double)m.taken / 1048576.0, 100.0 * difference, (double)m.own_plan / 1048576.0, (double)m.own_taken / 1048576.0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* sanitizers have memory of their own */
    assert_true(fabs(difference) < 0.02);
#endif
}

static void plan_of_the_demo(void **state)
{
    dsv4_engine_config config = dsv4_engine_config_default();

    (void)state;
    config.max_sequences = 4;
    config.max_context = 512;
    config.draft = true;
    check("demo", measure(TEST_PATH("demo"), config));
}

/* A larger one, of random BF16 weights, where cache and states weigh as much as the weights. */
static void plan_of_a_larger_model(void **state)
{
    static const toy_sizes   large = { 768, 8, 256, 64, 256, 4, 128, 1024, 8, 128 };
    static const toy_flavour bf16 = { .name = "bf16", .naming = TOY_OFFICIAL, .main = { TOY_BF16, TOY_BF16, TOY_BF16, TOY_BF16, TOY_BF16,
                                      TOY_BF16, TOY_BF16, TOY_F32 } };
    dsv4_engine_config config = dsv4_engine_config_default();
    char               folder[256];
    toy                t = toy_make(&bf16, &large, 1, false);

    (void)state;
    toy_write(&t, folder, 0);
    toy_free(&t);
    config.max_sequences = 8;
    config.max_context = 256;
    config.max_batch_tokens = 128;
    const measured m = measure(folder, config);
    folder_remove(folder);
    check("larger", m);
}

/* What a long context costs is its cache: the scratch of a step grows by the index scores alone. */
static void a_million_tokens(void **state)
{
    dsv4_engine_config config = dsv4_engine_config_default();
    dsv4_model        *demo = test_model(TEST_PATH("demo"));
    dsv4_plan          small, large;

    (void)state;
    config.max_sequences = 1;
    config.n_threads = 2;
    config.max_context = 4096;
    CHECK_OK(dsv4_engine_plan(demo, &config, &small));
    config.max_context = 1048576;
    CHECK_OK(dsv4_engine_plan(demo, &config, &large));
    assert_int_equal(large.max_context, 1048576);
    assert_true(large.scratch_bytes - small.scratch_bytes <= 16 << 20); /* of as many tokens at a time as that holds */
    assert_int_equal(large.state_bytes, small.state_bytes);
    assert_true(large.cache_bytes <= 1048576 * (large.token_bytes + 1));
    dsv4_model_close(demo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plan_of_the_demo),
        cmocka_unit_test(plan_of_a_larger_model),
        cmocka_unit_test(a_million_tokens),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
