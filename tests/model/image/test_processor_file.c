/* SPDX-License-Identifier: MIT */
/* preprocessor_config.json: published files are understood, and what we do not compute is named. */
#include "tests/support/stand.h"

#include <string.h>
#include "model/image/processor.h"
#include "tensor/base/file.h"
#include "tests/support/scratch.h"

static bool settings_of(ImageProcessor *s, const char *json)
{
    assert_true(file_write(scratch("p.json"), json, strlen(json), &error));
    return image_processor_read(s, scratch("p.json"), &error);
}

static void settings_survive_writing(void **state)
{
    (void)state;
    ImageProcessor s = image_processor(336), t;
    s.pad = true;
    s.filter = IMAGE_BOX;
    s.mean[1] = 0.1;
    assert_true(image_processor_write(&s, scratch("p.json"), &error)
                && image_processor_read(&t, scratch("p.json"), &error));
    assert_true(t.pad && t.resize && t.crop && t.normalise && !t.fused && t.filter == IMAGE_BOX && t.shortest == 336
                && t.crop_width == 336 && t.crop_height == 336 && t.scale == 1 / 255.0 && t.mean[1] == 0.1
                && t.mean[0] == 0.48145466 && t.std[2] == 0.27577711);
}

static void the_file_of_the_processor_is_written(void **state)
{
    (void)state;
    size_t n;
    assert_true(processor_config_write(scratch("processor_config.json"), NULL, 14, "full", &error));
    const char *text = file_read(scratch("processor_config.json"), 1 << 16, &n, &arena, &error);
    assert_true(strstr(text, "\"patch_size\": 14") && strstr(text, "\"vision_feature_select_strategy\": \"full\""));
    assert_non_null(strstr(text, "\"processor_class\": \"LlavaProcessor\""));
}

static void published_settings_are_understood(void **state)
{
    (void)state;
    ImageProcessor s;
    size_t w, h;
    /* llava-hf/llava-1.5-7b-hf */
    assert_true(settings_of(&s, "{\"crop_size\":{\"height\":336,\"width\":336},\"do_center_crop\":true,\"do_convert_rgb\":true,"
        "\"do_normalize\":true,\"do_rescale\":true,\"do_resize\":true,\"image_mean\":[0.48145466,0.4578275,0.40821073],"
        "\"image_processor_type\":\"CLIPImageProcessor\",\"image_std\":[0.26862954,0.26130258,0.27577711],"
        "\"processor_class\":\"LlavaProcessor\",\"resample\":3,\"rescale_factor\":0.00392156862745098,\"size\":{\"shortest_edge\":336}}"));
    assert_true(s.shortest == 336 && s.crop_width == 336 && s.scale == 1 / 255.0 && !s.pad);
    /* openai/clip gives sizes as numbers */
    assert_true(settings_of(&s, "{\"crop_size\":224,\"feature_extractor_type\":\"CLIPFeatureExtractor\",\"size\":224}"));
    assert_true(s.shortest == 224 && s.crop_height == 224);
    assert_true(settings_of(&s, "{\"size\":{\"height\":20,\"width\":30},"
                                "\"do_center_crop\":false,\"do_normalize\":false,\"pad_size\":null}"));
    assert_true(image_processor_size(&s, &w, &h, &error) && w == 30 && h == 20);
    assert_true(settings_of(&s, "{\"do_center_crop\":false}"));
    assert_false(image_processor_size(&s, &w, &h, &error));
    expect_sentence(&error, "depends on the picture");
}

static void settings_we_do_not_compute_are_named(void **state)
{
    (void)state;
    static const struct { const char *json, *part; } cases[] = {
        { "{\"sharpen\":1}", "the key \"sharpen\" is unknown" },          { "[]", "an object" },
        { "{\"resample\":1}", "resample is not supported" },              { "{\"resample\":\"3\"}", "resample" },
        { "{\"size\":0}", "size must be" }, { "{\"size\":{\"shortest_edge\":336,\"longest_edge\":600}}", "size" },
        { "{\"size\":{\"height\":3}}", "size" },                          { "{\"crop_size\":{\"height\":3,\"width\":-1}}", "crop_size" },
        { "{\"size\":100,\"crop_size\":224}", "crop_size 224 x 224 is larger than size 100 x 100" },
        { "{\"image_mean\":[1,2]}", "image_mean must be three numbers" }, { "{\"image_std\":[1,0,1]}", "image_std must be at least 1e-6" },
        { "{\"do_resize\":1}", "do_resize must be true or false" },       { "{\"do_convert_rgb\":false}", "do_convert_rgb" },
        { "{\"rescale_factor\":0}", "rescale_factor" },
        { "{\"image_processor_type\":\"SiglipImageProcessor\"}", "image_processor_type is not supported" },
        { "{\"do_pad\":true,\"image_mean\":[2,0,0]}", "image_mean must be between 0 and 1" },
        { "{\"size\":224,\"size\":225}", "p.json" },                      { "{\"size\":", "p.json" },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        ImageProcessor s;
        assert_false(settings_of(&s, cases[k].json));
        expect_sentence(&error, "p.json", cases[k].part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(settings_survive_writing), stand_test(the_file_of_the_processor_is_written),
        stand_test(published_settings_are_understood), stand_test(settings_we_do_not_compute_are_named),
    };
    return cmocka_run_group_tests_name("image processor", tests, NULL, NULL);
}
