/* SPDX-License-Identifier: MIT */
/* pulse-ref export writes a whole model folder in another dtype, each weight rounded once. */
#include <string.h>
#include <sys/stat.h>
#include "model/folder/folder.h"
#include "ref/command.h"
#include "ref/cli/options.h"
#include "ref/cli/output.h"
#include "ref/config/session.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

/* What `narrowed` works with. `made` is the weight that it made last. */
typedef struct {
    const Session *session;
    Arena scratch;
    Tensor made;
} Narrowing;

/* The weight as BF16: the nearest BF16 number of each value, ties to even. Fails where that number is not finite. */
static const Tensor *narrowed(void *context, const char *name, Error *e)
{
    Narrowing *x = context;
    const Weight *w = weights_find(&x->session->weights, name);
    arena_reset(&x->scratch);
    const size_t n = w ? shape_size(w->tensor.shape) : 0;
    uint16_t *half = w ? arena_array(&x->scratch, n, sizeof *half) : NULL;
    float piece[256];
    for (size_t k = 0; half && k < n; k++) {
        if (k % 256 == 0)
            tensor_widen(&w->tensor, k, n - k < 256 ? n - k : 256, piece);
        half[k] = half_narrow_bf16(piece[k % 256]);
        if ((half[k] & 0x7f80) == 0x7f80)
            return error_set(e, "%s: %s has the value %g, expected one that BF16 can hold", x->session->folder, name,
                             (double)piece[k % 256]), NULL;
    }
    if (half)
        x->made = (Tensor){ .shape = w->tensor.shape, .dtype = BF16, .half = half };
    return half ? &x->made : NULL;
}

/* Writes the model. A weight that is BF16 already is written as it is. The others have no data in `list`, so
 * folder_write_made calls `narrowed` for each of them when it is written. */
static bool write_narrow(const Session *s, const char *out, Arena *a, Error *e)
{
    Narrowing x = { .session = s, .scratch = arena_make(e) };
    Weights list = s->weights;
    list.list = arena_array(a, list.count + 1, sizeof *list.list);
    for (size_t k = 0; list.list && k < list.count; k++) {
        list.list[k] = s->weights.list[k];
        if (list.list[k].tensor.dtype != BF16)
            list.list[k].tensor = (Tensor){ .shape = list.list[k].tensor.shape, .dtype = BF16 };
    }
    const bool good = list.list && folder_write_made(out, s->folder, &list, &s->config, (StoreMaker){ narrowed, &x }, e);
    arena_free(&x.scratch);
    return good;
}

/* Names the dtype of the weights in config.json, because transformers may load them with the dtype that is named
 * there. */
static bool name_dtype(const char *out, const char *dtype, Arena *a, Error *e)
{
    const char *path = arena_format(a, "%s/config.json", out);
    json_t *config = path ? json_file(path, LIMIT_CONFIG, e) : NULL;
    const bool good = config && json_put(config, "torch_dtype", json_string(dtype)) && json_save(path, config, e);
    json_decref(config);
    return good;
}

/* Refuses to write into the folder that is read. */
static bool apart(const char *out, const char *model, Error *e)
{
    struct stat x, y;
    return stat(out, &x) != 0 || stat(model, &y) != 0 || x.st_dev != y.st_dev || x.st_ino != y.st_ino
        || error_set(e, "export: --out %s is the folder of --model, expected another folder", out);
}

static bool export(const char *model, const char *out, Arena *a, Error *e)
{
    Session s = { .folder = NULL };
    Settings settings;
    settings_defaults(&settings, a);
    settings.given[SETTING_data_template] = true;                // no prompt is made, so the chat template is not needed
    bool good = apart(out, model, e) && session_open(&s, &settings, model, MASK_ANSWER, a, e)
             && output_folder(out, e) && write_narrow(&s, out, a, e) && name_dtype(out, "bfloat16", a, e);
    session_close(&s);
    return good;
}

int command_export(int argc, char **argv)
{
    const char *model = NULL, *out = NULL;
    bool bf16 = false;
    const Option own[] = {
        { "model", "DIR", "The folder of the model.", .text = &model },
        { "bf16", NULL, "Every weight becomes the nearest BF16 number, ties to even.", .flag = &bf16 },
        { "out", "DIR", "The model is written into this folder, with its tokenizer and picture processor.", .text = &out },
    };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 0, 0, &status))
        return status;
    if (!model || !out || !bf16)
        return command_fail_text("export: --model, --bf16 and --out are needed (pulse-ref export --help)");
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    bool good = export(model, out, &a, &e);
    arena_free(&a);
    if (good && o.json)
        command_print(json_pack("{s:s, s:s}", "dtype", "BF16", "out", out));
    else if (good && !o.quiet)
        printf("export: every weight is BF16; the whole model is in %s\n", out);
    return good ? EXIT_SAME : command_fail(&e);
}
