/* convert.c - dsv4_convert(): the folder of the target, file by file. Start at the end.
 *
 * The parts of the model come from a network bound to a checkpoint that writes down what it is asked for, as for
 * synthetic models: names and shapes stand in network.c alone. */
#include "dsv4/convert.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "format/pyjson.h"
#include "model/model.h"
#include "model/output.h"

enum { COPY_LIMIT = 256 << 20, CONFIG_LIMIT = 64 << 20 };

/* What goes along as it is, if it is there. */
static const char *const companions[] = {
    "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json", "LICENSE",
};

typedef struct converter {
    dsv4_convert_config config;
    dsv4_model         *model;
    ds_checkpoint      *asking;      /* owns the list of parts */
    ds_conversion       conversion;
    ds_pool            *pool;
    ds_progress         progress;
    char               *target, *folder; /* DST and DST.tmp */
    bool                made;        /* the folder is ours */
    ds_text             index;
    dsv4_convert_report report;
} converter;

static void file_name(char out[64], const converter *v, int32_t i)
{
    snprintf(out, 64, "model-%05d-of-%05d.safetensors", i + 1, v->conversion.n_files);
}

/* ---- small files ---- */

static ds_status write_file(const converter *v, const char *name, const char *data, size_t size)
{
    char     *path = ds_path_join(v->folder, name);
    ds_status rc = DSV4_OK;
    size_t    done = 0;

    if (!path) return ds_fail(DSV4_ENOMEM, "%s: no memory to write %s", v->folder, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    while (fd >= 0 && done < size) {
        const ssize_t n = write(fd, data + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        done += (size_t)n;
    }
    if (fd < 0 || done < size || (fsync(fd) != 0 && errno != EINVAL && errno != ENOSYS))
        rc = ds_fail(DSV4_EIO, "%s: cannot write: %s", path, strerror(errno));
    if (fd >= 0 && close(fd) != 0 && !rc) rc = ds_fail(DSV4_EIO, "%s: cannot write: %s", path, strerror(errno));
    ds_free(path);
    return rc;
}

/* Takes the text. */
static ds_status write_text(const converter *v, const char *name, ds_text *text)
{
    char     *data;
    size_t    size;
    ds_status rc = ds_text_take(text, &data, &size);

    if (rc) return rc;
    rc = write_file(v, name, data, size);
    ds_free(data);
    return rc;
}

static ds_status read_source(char **data, size_t *size, const converter *v, const char *name, size_t limit)
{
    char     *path = ds_path_join(ds_checkpoint_path(v->conversion.source), name);
    ds_status rc;

    *data = NULL;
    if (!path) return ds_fail(DSV4_ENOMEM, "%s: no memory to copy it", name);
    rc = access(path, F_OK) == 0 ? ds_file_read(data, size, path, limit) : DSV4_OK;
    ds_free(path);
    return rc;
}

static ds_status write_small_files(converter *v)
{
    const ds_conversion *c = &v->conversion;
    ds_text              text = { 0 };
    char                *data;
    size_t               size = 0;
    ds_status            rc = read_source(&data, &size, v, "config.json", CONFIG_LIMIT);

    if (!rc) rc = ds_flavour_config(&text, data ? data : "", size, c->to, c->n_layers, ds_checkpoint_path(c->source));
    ds_free(data);
    if (!rc) rc = write_text(v, "config.json", &text);
    ds_text_free(&text);
    if (!rc && c->to == DSV4_FLAVOUR_NVFP4) {
        ds_flavour_hf_quant(&text, c->n_layers);
        rc = write_text(v, "hf_quant_config.json", &text);
    }
    for (size_t i = 0; i < sizeof companions / sizeof *companions && !rc; i++) {
        rc = read_source(&data, &size, v, companions[i], COPY_LIMIT);
        if (!rc && data) rc = write_file(v, companions[i], data, size);
        ds_free(data);
    }
    return rc;
}

/* ---- data files ---- */

static void add_to_index(converter *v, const ds_output *o, const char *file)
{
    for (int64_t i = 0; i < o->n_specs; i++) {
        ds_text_puts(&v->index, v->index.size ? ",\n    " : "\n    ");
        ds_pyjson_dump_string(&v->index, o->spec[i].name, strlen(o->spec[i].name));
        ds_text_puts(&v->index, ": \"");
        ds_text_puts(&v->index, file);
        ds_text_puts(&v->index, "\"");
    }
}

static ds_status write_index(converter *v)
{
    ds_text text = { 0 };
    char    head[96];

    snprintf(head, sizeof head, "{\n  \"metadata\": {\n    \"total_size\": %llu\n  },\n  \"weight_map\": {",
             (unsigned long long)v->report.bytes);
    ds_text_puts(&text, head);
    ds_text_add(&text, v->index.data, v->index.size);
    ds_text_puts(&text, "\n  }\n}\n");
    text.failed |= v->index.failed;
    return write_text(v, "model.safetensors.index.json", &text);
}

static ds_status write_data_file(converter *v, int32_t i)
{
    dsv4_tensor_writer *writer = NULL;
    ds_output           output;
    char                file[64];
    ds_status           rc = ds_output_plan(&output, &v->conversion, i);

    if (rc) return rc;
    file_name(file, v, i);
    char *path = ds_path_join(v->folder, file);
    rc = path ? dsv4_tensor_writer_open(&writer, path, output.spec, (size_t)output.n_specs)
              : ds_fail(DSV4_ENOMEM, "%s: no memory to write %s", v->folder, file);
    if (!rc) rc = ds_output_write(&output, writer, v->pool, &v->progress);
    if (rc) dsv4_tensor_writer_abort(writer);
    else rc = dsv4_tensor_writer_finish(writer);
    add_to_index(v, &output, file);
    ds_free(path);
    ds_output_free(&output);
    return rc;
}

/* ---- before anything is written ---- */

/* The draft blocks that become files: the one that is a part of the model, and those carried over. */
static ds_status list_draft_blocks(converter *v)
{
    ds_conversion *c = &v->conversion;
    int32_t        block;

    if (c->has_mtp) c->draft[c->n_draft++] = 0;
    for (int64_t i = 0; i < ds_checkpoint_count(c->source); i++) {
        const ds_stored *t = ds_checkpoint_tensor(c->source, i);
        int32_t          at = 0;
        if (!ds_carried_over(c, t, &block)) {
            v->report.n_left_out += t->extra && !strstr(t->name, ".input_scale") && !strstr(t->name, ".input_global_scale");
            continue;
        }
        while (at < c->n_draft && c->draft[at] < block) at++;
        if (at < c->n_draft && c->draft[at] == block) continue;
        if (c->n_draft == DS_MAX_DRAFT_BLOCKS)
            return ds_fail(DSV4_EUNSUPPORTED, "%s/%s: tensor %s: expected at most %d draft blocks, found more",
                           ds_checkpoint_path(c->source), t->file, t->name, DS_MAX_DRAFT_BLOCKS);
        memmove(&c->draft[at + 1], &c->draft[at], (size_t)(c->n_draft - at) * sizeof *c->draft);
        c->draft[at] = block;
        c->n_draft++;
    }
    c->n_files = c->n_layers + 2 + c->n_draft;
    return DSV4_OK;
}

/* Open the source as a model, so that it is one, and list its parts. */
static ds_status open_source(converter *v, const char *src)
{
    const dsv4_model_config config = { .log = v->config.log };
    ds_conversion          *c = &v->conversion;
    ds_network              net;
    dsv4_model_info         info = { 0 };
    ds_status               rc = dsv4_model_open(&v->model, src, &config);

    if (rc) return rc;
    c->source = v->model->checkpoint;
    c->to = v->config.to;
    c->n_layers = v->model->info.n_layers;
    c->has_mtp = v->model->net.has_mtp;
    if ((rc = ds_checkpoint_ask(&v->asking, src, ds_checkpoint_config(c->source), c->has_mtp))) return rc;
    rc = ds_network_open(&net, v->asking, &info);
    ds_network_close(&net);
    if (rc) return rc;
    c->asked = ds_checkpoint_asked(v->asking, &c->n_asked);
    return list_draft_blocks(v);
}

/* Plan every file once, for the sums. */
static ds_status add_up(converter *v)
{
    ds_output output;
    ds_status rc;

    v->report.source_bytes = ds_checkpoint_file_bytes(v->conversion.source);
    v->report.n_files = v->conversion.n_files;
    for (int32_t i = 0; i < v->conversion.n_files; i++) {
        if ((rc = ds_output_plan(&output, &v->conversion, i))) return rc;
        v->report.n_tensors += output.n_specs;
        v->report.bytes += output.bytes;
        v->report.copied_bytes += output.copied_bytes;
        ds_output_free(&output);
    }
    v->progress = (ds_progress){ .config = &v->config, .source = v->conversion.source, .total = v->report.bytes };
    return DSV4_OK;
}

/* Rather now than after hours. Some file systems do not know. */
static ds_status check_space(const converter *v)
{
    struct statvfs s;

    if (statvfs(v->folder, &s) != 0 || s.f_blocks == 0) return DSV4_OK;
    const uint64_t left = (uint64_t)s.f_bavail * (uint64_t)s.f_frsize;
    if (v->report.bytes <= left) return DSV4_OK;
    return ds_fail(DSV4_EIO, "%s: expected %llu bytes of free space on its file system, found %llu", v->target,
                   (unsigned long long)v->report.bytes, (unsigned long long)left);
}

static ds_status name_target(converter *v, const char *dst)
{
    size_t      n = strlen(dst);
    struct stat st;

    while (n > 1 && dst[n - 1] == '/') n--;
    v->target = ds_strndup(dst, n);
    v->folder = ds_alloc(n + 5);
    if (!v->target || !v->folder) return ds_fail(DSV4_ENOMEM, "%s: no memory to write it", dst);
    memcpy(v->folder, dst, n);
    memcpy(v->folder + n, ".tmp", 5);
    if (n == 0) return ds_fail(DSV4_EINVAL, "dsv4_convert: dst: expected a folder's name, found none");
    if (lstat(v->target, &st) == 0) return ds_fail(DSV4_EINVAL, "%s: expected a new folder, found one of that name", v->target);
    return DSV4_OK;
}

static ds_status make_folder(converter *v)
{
    if (mkdir(v->folder, 0777) == 0) {
        v->made = true;
        return DSV4_OK;
    }
    if (errno == EEXIST)
        return ds_fail(DSV4_EINVAL, "%s: is there: another conversion is at work, or was ended by force; then remove it", v->folder);
    return ds_fail(DSV4_EIO, "%s: cannot create: %s", v->folder, strerror(errno));
}

/* ---- after ---- */

static ds_status rename_folder(converter *v)
{
    struct stat st;

    const int fd = open(v->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd); /* the names of the files; not every file system can */
        close(fd);
    }
    if (lstat(v->target, &st) == 0) return ds_fail(DSV4_EINVAL, "%s: expected a new folder, found one of that name", v->target);
    if (rename(v->folder, v->target) != 0) return ds_fail(DSV4_EIO, "%s: cannot finish: %s", v->target, strerror(errno));
    v->made = false;
    return DSV4_OK;
}

/* Everything in the folder is ours: it was new. */
static void remove_folder(const converter *v)
{
    DIR           *dir = opendir(v->folder);
    struct dirent *e;

    while (dir && (e = readdir(dir)))
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) unlinkat(dirfd(dir), e->d_name, 0);
    if (dir) closedir(dir);
    rmdir(v->folder);
}

static void close_converter(converter *v)
{
    if (v->made) remove_folder(v);
    ds_text_free(&v->index);
    ds_pool_close(v->pool);
    ds_checkpoint_close(v->asking);
    dsv4_model_close(v->model);
    ds_free(v->target);
    ds_free(v->folder);
}

static ds_status convert(converter *v, const char *src, const char *dst)
{
    ds_status rc = name_target(v, dst);

    if (!rc) rc = open_source(v, src);
    if (!rc) rc = add_up(v);
    if (!rc) rc = ds_pool_open(&v->pool, v->config.n_threads);
    if (!rc) rc = make_folder(v);
    if (!rc) rc = check_space(v);
    if (!rc) rc = write_small_files(v);
    for (int32_t i = 0; i < v->conversion.n_files && !rc; i++) rc = write_data_file(v, i);
    if (!rc) rc = write_index(v);
    if (!rc) rc = ds_checkpoint_unchanged(v->conversion.source);
    if (!rc) rc = rename_folder(v);
    return rc;
}

dsv4_convert_config dsv4_convert_config_default(void)
{
    return (dsv4_convert_config){ 0 };
}

dsv4_status dsv4_convert(const char *src, const char *dst, const dsv4_convert_config *config, dsv4_convert_report *report)
{
    converter v = { .config = config ? *config : dsv4_convert_config_default() };
    ds_status rc;

    if (report) *report = (dsv4_convert_report){ 0 };
    if (!src || !dst) return ds_fail(DSV4_EINVAL, "dsv4_convert: an argument is NULL");
    if ((unsigned)v.config.to >= DSV4_N_FLAVOURS)
        return ds_fail(DSV4_EINVAL, "dsv4_convert: to: expected official, nvfp4 or bf16, found %d", (int)v.config.to);
    rc = convert(&v, src, dst);
    close_converter(&v);
    if (!rc && report) *report = v.report;
    return rc;
}
