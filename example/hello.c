/* hello.c - write a few words with libdsv4.
 *
 *     cc hello.c -o hello $(pkg-config --cflags --libs dsv4)
 *     ./hello MODEL "Once upon a time" */
#include <dsv4/dsv4.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    dsv4_model          *model = NULL;
    dsv4_engine         *engine = NULL;
    dsv4_sequence       *seq = NULL;
    dsv4_engine_config   config = dsv4_engine_config_default();
    dsv4_sequence_config how = dsv4_sequence_config_default();
    dsv4_token           token;
    int32_t             *ids = NULL;
    size_t               n = 0;

    if (argc != 3) return 2;
    config.max_sequences = 1;
    config.max_context = 1024;
    how.sampling.temperature = 0;
    how.max_new_tokens = 32;
    if (dsv4_model_open(&model, argv[1], NULL) || dsv4_engine_open(&engine, model, &config)
        || dsv4_sequence_open(&seq, engine, &how)
        || dsv4_tokenizer_encode(dsv4_model_tokenizer(model), argv[2], strlen(argv[2]), &ids, &n)
        || dsv4_sequence_feed(seq, ids, n)) {
        fprintf(stderr, "hello: %s\n", dsv4_last_error());
        return 1;
    }
    while (dsv4_engine_step(engine) == DSV4_OK)
        while (dsv4_sequence_next(seq, &token) == DSV4_OK) fwrite(token.text, 1, token.text_size, stdout);
    putchar('\n');
    dsv4_free(ids);
    dsv4_engine_close(engine);
    dsv4_model_close(model);
    return 0;
}
