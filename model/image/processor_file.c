/* SPDX-License-Identifier: MIT */
/* Reads and writes preprocessor_config.json and processor_config.json. */
#include "model/image/processor.h"

#include <string.h>
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

static const char *const processors[] = { "CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPImageProcessorPil", "CLIPFeatureExtractor",
                                          "LlavaImageProcessor", "LlavaImageProcessorFast", "LlavaImageProcessorPil" };
static const char *const used[] = { "image_processor_type", "feature_extractor_type", "do_pad", "do_resize", "size", "do_center_crop",
                                    "crop_size", "resample", "do_rescale", "rescale_factor", "do_normalize", "image_mean",
                                    "image_std", "do_convert_rgb" };
/* Keys that change how the processor is called, but not what it computes. */
static const char *const ignored[] = { "processor_class", "_valid_processor_keys", "default_to_square", "data_format",
                                       "input_data_format", "device", "disable_grouping", "return_tensors" };

static bool listed(const char *word, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(word, list[i]))
            return true;
    return false;
}
#define LISTED(word, list) listed(word, list, sizeof list / sizeof *list)

/* --- Reading --- */

static const json_t *present(const json_t *root, const char *key)
{
    const json_t *v = json_object_get(root, key);
    return json_is_null(v) ? NULL : v;
}

static bool keys_check(const json_t *root, const char *path, Error *e)
{
    const char *key;
    json_t *v;
    if (!json_is_object(root))
        return error_set(e, "%s: an object {…} was expected", path);
    json_object_foreach((json_t *)root, key, v)
        if (!json_is_null(v) && !LISTED(key, used) && !LISTED(key, ignored))
            return error_set(e, "%s: the key \"%.60s\" is unknown", path, key);
    static const char *const type_keys[] = { "image_processor_type", "feature_extractor_type" };
    for (size_t k = 0; k < 2; k++) {
        const json_t *type = present(root, type_keys[k]);
        if (type && (!json_is_string(type) || !LISTED(json_string_value(type), processors)))
            return error_set(e, "%s: %s is not supported, expected CLIPImageProcessor or LlavaImageProcessor", path,
                             type_keys[k]);
    }
    return true;
}

static bool flag_read(bool *out, const json_t *root, const char *key, const char *path, Error *e)
{
    const json_t *v = present(root, key);
    if (v && !json_is_boolean(v))
        return error_set(e, "%s: %s must be true or false", path, key);
    *out = v ? json_is_true(v) : *out;
    return true;
}

static bool flags_read(ImageProcessor *s, bool *rescale, const json_t *root, const char *path, Error *e)
{
    bool convert = true;
    if (!flag_read(&s->pad, root, "do_pad", path, e) || !flag_read(&s->resize, root, "do_resize", path, e)
        || !flag_read(&s->crop, root, "do_center_crop", path, e) || !flag_read(rescale, root, "do_rescale", path, e)
        || !flag_read(&s->normalise, root, "do_normalize", path, e) || !flag_read(&convert, root, "do_convert_rgb", path, e))
        return false;
    return convert || error_set(e, "%s: do_convert_rgb is false, expected true: pictures are always RGB here", path);
}

static bool side_read(size_t *out, const json_t *v, const char *key, const char *path, Error *e)
{
    if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > LIMIT_PICTURE_SIDE)
        return error_set(e, "%s: %s must be a length of 1 to %d, or an object with such a height and width", path, key,
                         LIMIT_PICTURE_SIDE);
    *out = (size_t)json_integer_value(v);
    return true;
}

static bool width_height_read(size_t *width, size_t *height, const json_t *v, const char *key, const char *path, Error *e)
{
    if (!json_is_object(v))
        return side_read(width, v, key, path, e) && side_read(height, v, key, path, e);
    if (json_object_size(v) != 2)
        return error_set(e, "%s: %s must have height and width and nothing else", path, key);
    return side_read(width, json_object_get(v, "width"), key, path, e)
        && side_read(height, json_object_get(v, "height"), key, path, e);
}

/* `size` is {"shortest_edge": n}, or n with the same meaning in old files, or {"height": h, "width": w}. `crop_size` is
 * {"height": h, "width": w}, or n for both. */
static bool sizes_read(ImageProcessor *s, const json_t *root, const char *path, Error *e)
{
    const json_t *size = present(root, "size"), *crop = present(root, "crop_size");
    if (crop && !width_height_read(&s->crop_width, &s->crop_height, crop, "crop_size", path, e))
        return false;
    const json_t *edge = json_is_object(size) ? json_object_get(size, "shortest_edge") : size;
    if (edge && json_is_object(size) && json_object_size(size) != 1)
        return error_set(e, "%s: size must have only shortest_edge, or only height and width", path);
    if (edge)
        return side_read(&s->shortest, edge, "size", path, e);
    if (size) {
        s->shortest = 0;
        return width_height_read(&s->width, &s->height, size, "size", path, e);
    }
    return true;
}

static bool triple_read(double out[3], const json_t *root, const char *key, const char *path, Error *e)
{
    const json_t *v = present(root, key);
    if (!v)
        return true;
    for (size_t c = 0; c < 3; c++) {
        const json_t *x = json_array_get(v, c);
        double d = json_number_value(x);
        if (json_array_size(v) != 3 || !json_is_number(x) || !(d >= -1e6 && d <= 1e6))
            return error_set(e, "%s: %s must be three numbers from -1e6 to 1e6", path, key);
        out[c] = d;
    }
    return true;
}

static bool numbers_read(ImageProcessor *s, bool rescale, const json_t *root, const char *path, Error *e)
{
    const json_t *filter = present(root, "resample"), *factor = present(root, "rescale_factor");
    if (filter && !(json_is_integer(filter) && json_integer_value(filter) >= IMAGE_BILINEAR && json_integer_value(filter) <= IMAGE_BOX))
        return error_set(e, "%s: resample is not supported, expected 2 (bilinear), 3 (bicubic) or 4 (box)", path);
    if (filter)
        s->filter = (ImageFilter)json_integer_value(filter);
    if (factor && !json_is_number(factor))
        return error_set(e, "%s: rescale_factor must be a number", path);
    if (factor)
        s->scale = json_number_value(factor);
    if (!rescale)
        s->scale = 1;
    return triple_read(s->mean, root, "image_mean", path, e) && triple_read(s->std, root, "image_std", path, e);
}

static bool settings_check(const ImageProcessor *s, const char *path, Error *e)
{
    size_t width = s->shortest ? s->shortest : s->width, height = s->shortest ? s->shortest : s->height;
    if (s->resize && s->crop && (s->crop_width > width || s->crop_height > height))
        return error_set(e, "%s: crop_size %zu x %zu is larger than size %zu x %zu", path, s->crop_width, s->crop_height,
                         width, height);
    if (!(s->scale >= 1e-6 && s->scale <= 1e6))
        return error_set(e, "%s: rescale_factor must be between 1e-6 and 1e6", path);
    for (size_t c = 0; c < 3; c++)
        if (s->normalise && !(s->std[c] >= 1e-6))
            return error_set(e, "%s: image_std must be at least 1e-6", path);
    for (size_t c = 0; c < 3; c++)
        if (s->pad && !(s->mean[c] >= 0 && s->mean[c] <= 1))
            return error_set(e, "%s: image_mean must be between 0 and 1, because do_pad pads with this colour", path);
    return true;
}

static bool settings_read(ImageProcessor *out, const json_t *root, const char *path, Error *e)
{
    ImageProcessor s = image_processor(224);                               // the defaults of CLIPImageProcessor
    bool rescale = true;
    bool ok = keys_check(root, path, e) && flags_read(&s, &rescale, root, path, e) && sizes_read(&s, root, path, e)
           && numbers_read(&s, rescale, root, path, e) && settings_check(&s, path, e);
    if (ok)
        *out = s;
    return ok;
}

bool image_processor_read(ImageProcessor *out, const char *path, Error *e)
{
    json_t *root = json_file(path, LIMIT_PROCESSOR, e);
    bool ok = root && settings_read(out, root, path, e);
    json_decref(root);
    return ok;
}

/* Whether two processors make the same pixels from every picture. Settings that are not used are not compared, but
 * padding, which uses only the mean, compares std too. */
static bool same_settings(const ImageProcessor *x, const ImageProcessor *y)
{
    bool same = x->pad == y->pad && x->resize == y->resize && x->crop == y->crop && x->normalise == y->normalise
             && !memcmp(&x->scale, &y->scale, sizeof x->scale);
    if (x->resize)
        same = same && x->filter == y->filter && x->shortest == y->shortest
            && (x->shortest || (x->width == y->width && x->height == y->height));
    if (x->crop)
        same = same && x->crop_width == y->crop_width && x->crop_height == y->crop_height;
    if (x->normalise || x->pad)
        same = same && !memcmp(x->mean, y->mean, sizeof x->mean) && !memcmp(x->std, y->std, sizeof x->std);
    return same;
}

/* Reads "image_processor" of processor_config.json; *found tells whether it is there. */
static bool inner_read(ImageProcessor *out, bool *found, const char *path, Arena *a, Error *e)
{
    json_t *root = json_file(path, LIMIT_PROCESSOR, e);
    const json_t *inner = present(root, "image_processor"), *token = present(root, "image_token");
    const char *where = arena_format(a, "%s: image_processor", path);
    bool ok = root && where;
    *found = ok && inner;
    if (ok && token && (!json_is_string(token) || strcmp(json_string_value(token), "<image>")))
        ok = error_set(e, "%s: image_token must be \"<image>\": nothing else stands for a picture here", path);
    ok = ok && (!inner || settings_read(out, inner, where, e));
    json_decref(root);
    return ok;
}

bool image_processor_open(ImageProcessor *out, const char *folder, Error *e)
{
    Arena a = arena_make(e);
    const char *own_path = arena_format(&a, "%s/preprocessor_config.json", folder);
    const char *shared_path = arena_format(&a, "%s/processor_config.json", folder);
    ImageProcessor inner;
    bool found = false, ok = own_path && shared_path && (!file_exists(shared_path) || inner_read(&inner, &found, shared_path, &a, e));
    if (ok && found && !file_exists(own_path))
        *out = inner;
    else if (ok)
        ok = image_processor_read(out, own_path, e);
    if (ok && found && !same_settings(out, &inner))
        ok = error_set(e, "%s: image_processor and preprocessor_config.json say different things, expected one of them or the same in"
                          " both", shared_path);
    arena_free(&a);
    return ok;
}

bool image_processor_write(const ImageProcessor *s, const char *path, Error *e)
{
    json_t *size = s->shortest ? json_pack("{sI}", "shortest_edge", (json_int_t)s->shortest)
                               : json_pack("{sI,sI}", "height", (json_int_t)s->height, "width", (json_int_t)s->width);
    json_t *root = json_pack("{ss, ss, sb, s{sI,sI}, sb, sb, sb, sb, sb, s[fff], s[fff], si, sf, so}", "processor_class",
                             "LlavaProcessor", "image_processor_type", s->pad ? "LlavaImageProcessor" : "CLIPImageProcessor",
                             "do_pad", s->pad, "crop_size", "height", (json_int_t)s->crop_height, "width",
                             (json_int_t)s->crop_width, "do_center_crop", s->crop, "do_convert_rgb", 1, "do_normalize",
                             s->normalise, "do_rescale", s->scale != 1, "do_resize", s->resize, "image_mean", s->mean[0],
                             s->mean[1], s->mean[2], "image_std", s->std[0], s->std[1], s->std[2], "resample", (int)s->filter,
                             "rescale_factor", s->scale, "size", size);
    bool ok = root ? json_save(path, root, e) : error_no_memory(e, "%s: no memory to write it", path);
    json_decref(root);
    return ok;
}

bool processor_config_write(const char *path, const char *source, size_t patch_size, const char *strategy, Error *e)
{
    json_t *root = source && file_exists(source) ? json_file(source, LIMIT_PROCESSOR, e) : json_object();
    bool ok = root && (json_is_object(root) || error_set(e, "%s: must be an object", source));
    if (ok)
        json_join(root, json_pack("{ss, sI, ss, ss, si}", "processor_class", "LlavaProcessor", "patch_size", (json_int_t)patch_size,
                                  "vision_feature_select_strategy", strategy, "image_token", "<image>",
                                  "num_additional_image_tokens", 1));
    ok = ok && json_save(path, root, e);                // fails if json_join has lost a part
    json_decref(root);
    return ok;
}
