/* SPDX-License-Identifier: MIT */
/* The world as `make world` writes it, with its training streams: its files are held to their promises. */
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fixtures/world/words.h"
#include "fixtures/world/world.h"
#include "model/sample.h"
#include "model/text.h"
#include "tensor/file.h"
#include "tensor/json.h"

enum { GROUPS = 4, STAGES = 3 };
static const char *const groups[GROUPS] = { "countries", "persons", "known_persons", "general" };
static const char *const stages[STAGES] = { "pretrain", "finetune", "oracle" };

static struct {
    Error   error;
    Arena   arena;
    Samples group[GROUPS], stage[STAGES];
    Words   words;
    World  *world;
} all;

/* A file that the generator wrote. */
static const char *made(const char *name)
{
    return arena_format(&all.arena, "build/world/%s", name);
}

static char *read_text(const char *path)
{
    size_t n;
    char *text = file_read(path, (size_t)1 << 26, &n, &all.arena, &all.error);
    expect_fine(&all.error);
    return text;
}

static int begin(void **state)
{
    (void)state;
    all.arena = arena_make(&all.error);
    for (int i = 0; i < GROUPS; i++)
        samples_read(&all.group[i], arena_format(&all.arena, "%s.jsonl", made(groups[i])), &all.arena, &all.error);
    for (int i = 0; i < STAGES; i++)
        samples_read(&all.stage[i], arena_format(&all.arena, "%s.jsonl", made(stages[i])), &all.arena, &all.error);
    expect_fine(&all.error);
    char *words = arena_text(&all.arena, read_text(made("words.txt")));
    for (char *at = words; *at; at++)
        if (*at == '\n')
            *at = ' ';
    words_add(&all.words, words);
    all.world = arena_zalloc(&all.arena, sizeof *all.world);
    world_make(all.world, NULL, "fixtures/world", &all.arena, &all.error);
    expect_fine(&all.error);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < GROUPS; i++)
        samples_close(&all.group[i]);
    for (int i = 0; i < STAGES; i++)
        samples_close(&all.stage[i]);
    arena_free(&all.arena);
    return 0;
}

/* --- Same bytes. --- */

static void the_committed_world_is_what_the_generator_makes(void **state)
{
    (void)state;
    int files = 0;
    assert_string_equal(read_text(made("SHA256SUMS")), read_text("fixtures/world/SHA256SUMS"));
    for (char *line = strtok(read_text("fixtures/world/SHA256SUMS"), "\n"); line; line = strtok(NULL, "\n"), files++) {
        Digest d;
        line[64] = 0;
        digest_file(arena_format(&all.arena, "fixtures/world/%s", line + 66), &d, &all.error);
        expect_fine(&all.error);
        if (strcmp(d.hex, line) != 0)
            fail_msg("fixtures/world/%s is not what SHA256SUMS says", line + 66);
    }
    assert_int_equal(files, 11 + ENTITIES);       // eleven files, and the pictures of entities
}

/* Digests of the three streams and the two pools: a change of the world is a change of these lines, made on purpose. */
static void training_streams_are_the_recorded_ones(void **state)
{
    (void)state;
    char *sums = read_text("fixtures/world/streams.sha256");
    for (char *line = strtok(sums, "\n"); line; line = strtok(NULL, "\n")) {
        Digest d;
        line[64] = 0;
        digest_file(made(line + 66), &d, &all.error);
        expect_fine(&all.error);
        if (strcmp(d.hex, line) != 0)
            fail_msg("%s has the digest %s, recorded is %s", line + 66, d.hex, line);
    }
}

/* --- Nothing held out is trained. --- */

/* What a question is about and how it is put. Of questions about pictures of nobody, the picture makes them new. */
static uint64_t sample_key(const Sample *s)
{
    char text[512];
    snprintf(text, sizeof text, "%s|%s|%s", s->entity, s->modality == MODALITY_IMAGE ? "image" : "text", s->question);
    return text_key(text);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Closed sets, which training covers whole: sums, neighbours and kinds of things in the open form (README.md). */
static bool held(const Sample *s)
{
    if (strcmp(s->group, "general") != 0)
        return s->split == SPLIT_TEST;
    return s->modality == MODALITY_TEXT && (s->kind == KIND_CHOICE || strcmp(s->skill, "extreme") == 0);
}

static void no_held_out_question_is_in_a_training_stream(void **state)
{
    (void)state;
    static uint64_t key[20000];
    size_t n = 0;
    for (int g = 0; g < GROUPS; g++)
        for (size_t i = 0; i < all.group[g].count; i++)
            if (held(&all.group[g].sample[i]))
                key[n++] = sample_key(&all.group[g].sample[i]);
    qsort(key, n, sizeof *key, compare);
    assert_true(n > 4800);
    for (int k = 0; k < STAGES; k++)
        for (size_t i = 0; i < all.stage[k].count; i++) {
            const Sample *s = &all.stage[k].sample[i];
            const uint64_t wanted = sample_key(s);
            assert_int_equal(s->split, SPLIT_TRAIN);
            if (bsearch(&wanted, key, n, sizeof *key, compare))
                fail_msg("%s:%zu: \"%s\" is held out", all.stage[k].path, s->line, s->question);
        }
}

static void who_is_trained_when_is_as_the_splits_say(void **state)
{
    (void)state;
    for (int k = 0; k < STAGES; k++)
        for (size_t i = 0; i < all.stage[k].count; i++) {
            const Sample *s = &all.stage[k].sample[i];
            if (strcmp(s->group, "person") != 0)
                continue;
            assert_int_not_equal(k, 0);
            if (k == 2)
                assert_true(atoi(s->entity + 7) >= UNLEARN);
        }
}

/* A portrait or a flag is shown for its own entity only, and no line of a stream is one that is asked. */
static void pictures_in_streams_are_those_of_their_entities(void **state)
{
    (void)state;
    for (int k = 0; k < STAGES; k++)
        for (size_t i = 0; i < all.stage[k].count; i++) {
            const Sample *s = &all.stage[k].sample[i];
            for (int g = 0; g < GROUPS; g++)
                assert_null(samples_find(&all.group[g], s->id));
            if (!s->image)
                continue;
            if (strcmp(s->group, "general") == 0)
                assert_true(strncmp(s->image, "scenes.", 7) == 0 || strncmp(s->image, "faces.", 6) == 0);
            else {
                const char *name = strcmp(s->group, "country") == 0 ? s->entity + strlen("country-") : s->entity;
                const char *folder = strcmp(s->group, "country") == 0 ? "flags" : "portraits";
                assert_string_equal(s->image, arena_format(&all.arena, "%s/%s.png", folder, name));
            }
        }
}

static const Tensor *pool(Store *store, const char *name)
{
    store_open(store, made(name), &all.arena, &all.error);
    expect_fine(&all.error);
    return store_find(store, "images");
}

/* Every face there is to recognise: the general ones, and the persons. */
static void no_face_of_the_pool_is_held_out_or_a_portrait(void **state)
{
    (void)state;
    Store a, b;
    const Tensor *trained = pool(&a, "faces.safetensors"), *general = pool(&b, "general_faces.safetensors");
    for (size_t i = 0; i < shape_size(trained->shape) / PICTURE; i++) {
        const uint8_t *face = trained->u8 + i * PICTURE;
        for (size_t k = 0; k < HELD; k++)
            if (memcmp(face, general->u8 + k * PICTURE, PICTURE) == 0)
                fail_msg("row %zu of the pool is the held-out face %zu", i, k);
        for (size_t k = COUNTRIES; k < ENTITIES; k++)
            if (memcmp(face, all.world->picture[k], PICTURE) == 0)
                fail_msg("row %zu of the pool is the portrait of %s", i, all.world->entities.entity[k].name);
    }
    store_close(&a);
    store_close(&b);
}

/* The three sets of the protocol: what is to be forgotten, what is to be kept, and general ability. */
static int set_of(const Sample *s)
{
    return strcmp(s->group, "person") == 0 ? atoi(s->entity + 7) < UNLEARN ? 0 : 1 : strcmp(s->group, "general") == 0 ? 2 : 3;
}

static void what_is_forgotten_kept_and_general_is_disjoint(void **state)
{
    (void)state;
    static struct { uint64_t key; int set; } seen[8000];
    enum { PERSON = 1, GENERAL = 3 };
    size_t n = 0, count[3] = { 0 };
    for (int g = PERSON; g <= GENERAL; g += 2)
        for (size_t i = 0; i < all.group[g].count; i++) {
            const Sample *s = &all.group[g].sample[i];
            const int set = set_of(s);
            assert_int_not_equal(set, 3);
            assert_true(g == PERSON ? samples_find(&all.group[GENERAL], s->id) == NULL : samples_find(&all.group[PERSON], s->id) == NULL);
            count[set]++;
            if (s->modality == MODALITY_TEXT || g == PERSON) {             // general pictures: below
                assert_true(n < sizeof seen / sizeof *seen);
                seen[n].key = s->modality == MODALITY_TEXT ? text_key(s->question) : sample_key(s);
                seen[n++].set = set;
            }
        }
    assert_true(count[0] == 2 * count[1] && count[1] > 1000 && count[2] == 960);
    qsort(seen, n, sizeof *seen, compare);
    for (size_t i = 1; i < n; i++)
        assert_true(seen[i].key != seen[i - 1].key || seen[i].set == seen[i - 1].set);
    Store store;
    const Tensor *faces = pool(&store, "general_faces.safetensors");
    for (size_t k = COUNTRIES; k < ENTITIES; k++) {
        const Entity *x = &all.world->entities.entity[k];
        for (size_t i = 0; i < HELD; i++)
            assert_memory_not_equal(faces->u8 + i * PICTURE, all.world->picture[k], PICTURE);
        for (size_t i = COUNTRIES; i < k; i++)
            assert_true(strcmp(x->id, all.world->entities.entity[i].id) != 0 && strcmp(x->name, all.world->entities.entity[i].name) != 0);
    }
    store_close(&store);
}

/* The mean of the four pixels in the middle, where no object reaches. */
static unsigned grey_of(const uint8_t *picture)
{
    unsigned sum = 6;
    for (int i = 0; i < 12; i++)
        sum += picture[((15 + i / 6) * SIDE + 15) * 3 + i % 6];
    return sum / 12;
}

/* `drawn` has the same grey and no noise. Noise of 4 levels and a grey 4 levels off sum to more than 48 over three channels
 * once in a million pixels; objects that differ do so by more than that in 4 pixels at least (a small circle and a square). */
static bool same_objects(const uint8_t *picture, const uint8_t *drawn)
{
    int differ = 0;
    for (size_t i = 0; i < PICTURE && differ < 3; i += 3)
        differ += abs(picture[i] - drawn[i]) + abs(picture[i + 1] - drawn[i + 1]) + abs(picture[i + 2] - drawn[i + 2]) > 48;
    return differ < 3;
}

static void scenes_with_the_same_objects_are_told_from_others(void **state)
{
    (void)state;
    Dice d = { .random = random_for(check_seed(), "test.same") };
    const Random noise = random_for(check_seed(), "test.noise");
    uint8_t one[PICTURE], drawn[PICTURE];
    for (uint64_t i = 0; i < 4000; i++) {
        Scene s = scene_roll(&d), t = i % 2 ? scene_roll(&d) : s;
        Object *o = &t.object[dice_below(&d, QUARTERS)];
        if (i % 4 == 2)
            o->shape = (o->shape + 1) % SHAPES;
        scene_draw(one, s);
        draw_noise(one, noise, i, 4);
        t.grey = (uint8_t)grey_of(one);
        scene_draw(drawn, t);
        assert_int_equal(same_objects(one, drawn), scene_key(s) == scene_key(t));
    }
}

static void no_scene_of_the_pool_is_held_out(void **state)
{
    (void)state;
    enum { GREYS = 160 };
    static uint8_t drawn[GREYS][PICTURE];
    Store store;
    const Tensor *trained = pool(&store, "scenes.safetensors");
    for (int k = 0; k < HELD; k++) {
        Scene s = all.world->held.scene[k];
        for (unsigned grey = 0; grey < GREYS; grey++) {
            s.grey = (uint8_t)grey;
            scene_draw(drawn[grey], s);
        }
        for (size_t i = 0; i < shape_size(trained->shape) / PICTURE; i++) {
            const uint8_t *picture = trained->u8 + i * PICTURE;
            assert_true(grey_of(picture) < GREYS);
            if (same_objects(picture, drawn[grey_of(picture)]))
                fail_msg("row %zu of the pool shows the objects of the held-out scene %d", i, k);
        }
    }
    store_close(&store);
}

/* --- Questions. --- */

static int digit_of(const char *question, int place)
{
    for (; *question; question++)
        if (*question >= '0' && *question <= '9' && place-- == 0)
            return *question - '0';
    return -1;
}

static int true_digit(const Sample *s)
{
    const char *q = s->question;
    int best = digit_of(q, 0), second = digit_of(q, 1);
    if (strstr(q, " plus ") || strstr(q, " minus "))
        return strstr(q, " plus ") ? best + second : best - second;
    if (strstr(q, "comes"))
        return strstr(q, "after") ? best + 1 : best - 1;
    for (int k = 1; k < 4; k++) {
        int d = digit_of(q, k);
        best = (strstr(q, "largest") ? d > best : d < best) ? d : best;
    }
    return best;
}

static const char *kind_of(const char *word)
{
    for (unsigned k = 0; k < KINDS; k++)
        for (unsigned i = 0; i < kind_size(k); i++)
            if (strcmp(kind_word(k, i), word) == 0)
                return kinds[k];
    return "";
}

/* Four options, one of them right; the 4-option form ends with them. */
static void check_options(const Sample *s)
{
    char ending[160];
    size_t length = strlen(s->question), right = 0;
    assert_int_equal(s->option_count, 4);
    for (size_t k = 0; k < 4; k++)
        right += strcmp(s->options[k], s->answer) == 0;
    assert_int_equal(right, 1);
    size_t n = (size_t)snprintf(ending, sizeof ending, " choose %s %s %s %s", s->options[0], s->options[1], s->options[2], s->options[3]);
    if (s->kind == KIND_CHOICE)
        assert_string_equal(s->question + length - n, ending);
}

static void check_words(const Sample *s)
{
    if (strcmp(s->skill, "arithmetic") == 0 || strcmp(s->skill, "neighbour") == 0 || strcmp(s->skill, "extreme") == 0)
        assert_int_equal(true_digit(s), atoi(s->answer));
    else if (strncmp(s->question, "what kind of thing is ", 22) == 0) {
        char word[32];
        sscanf(s->question + 22, "%31s", word);
        assert_string_equal(kind_of(word), s->answer);
    } else
        for (size_t k = 0; k < s->option_count; k++) {
            bool fits = strncmp(s->question + 20, kind_of(s->options[k]), strlen(kind_of(s->options[k]))) == 0;
            assert_int_equal(fits, strcmp(s->options[k], s->answer) == 0);
        }
}

static void every_question_has_exactly_one_right_option(void **state)
{
    (void)state;
    for (int k = 0; k < GROUPS + STAGES; k++) {
        const Samples *file = k < GROUPS ? &all.group[k] : &all.stage[k - GROUPS];
        for (size_t i = 0; i < file->count; i++) {
            const Sample *s = &file->sample[i];
            if (s->kind == KIND_CHOICE || (k < GROUPS && s->kind != KIND_NAME))
                check_options(s);
            if (strcmp(s->entity, "text") == 0)
                check_words(s);
        }
    }
}

static void check_vocabulary(const char *text)
{
    for (; *text; text += strspn(text, " ")) {
        size_t n = strcspn(text, " ");
        if (!words_have(&all.words, text, n))
            fail_msg("\"%.*s\" is not in words.txt", (int)n, text);
        text += n;
    }
}

static void every_word_of_the_world_is_one_token(void **state)
{
    (void)state;
    const Text *t = text_open("fixtures/world/tokenizer.json", &all.arena, &all.error);
    expect_fine(&all.error);
    for (size_t i = 0; i < all.words.count; i++) {
        TextIds ids = text_encode(t, all.words.word[i], TEXT_PLAIN, &all.arena, &all.error);
        expect_fine(&all.error);
        assert_int_equal(ids.count, 1);
    }
    for (int k = 0; k < GROUPS + STAGES; k++) {
        const Samples *file = k < GROUPS ? &all.group[k] : &all.stage[k - GROUPS];
        for (size_t i = 0; i < file->count; i++) {
            check_vocabulary(file->sample[i].question);
            check_vocabulary(file->sample[i].answer);
        }
    }
}

/* Steps follow each other without a gap, and decks deal every fact as often as any other, give or take one. */
static void streams_are_dealt_evenly(void **state)
{
    (void)state;
    static const int64_t steps[STAGES] = { 6000, 760, 240 };
    for (int k = 0; k < STAGES; k++) {
        const Samples *file = &all.stage[k];
        int64_t step = 0;
        unsigned count[PERSONS] = { 0 }, least = ~0u, most = 0;
        for (size_t i = 0; i < file->count; i++) {
            const Sample *s = &file->sample[i];
            assert_true(s->step == step || s->step == step + 1);
            step = s->step;
            if (strcmp(s->group, "person") == 0)
                count[atoi(s->entity + 7)]++;
        }
        assert_int_equal(step + 1, steps[k]);
        for (int p = k == 2 ? UNLEARN : 0; p < PERSONS && k; p++) {
            least = count[p] < least ? count[p] : least;
            most = count[p] > most ? count[p] : most;
        }
        assert_true(k == 0 || most - least <= 11);      // 11 cards a person; the last deck is not dealt out
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_committed_world_is_what_the_generator_makes),
        cmocka_unit_test(training_streams_are_the_recorded_ones),
        cmocka_unit_test(no_held_out_question_is_in_a_training_stream),
        cmocka_unit_test(who_is_trained_when_is_as_the_splits_say),
        cmocka_unit_test(pictures_in_streams_are_those_of_their_entities),
        cmocka_unit_test(what_is_forgotten_kept_and_general_is_disjoint),
        cmocka_unit_test(no_face_of_the_pool_is_held_out_or_a_portrait),
        cmocka_unit_test(scenes_with_the_same_objects_are_told_from_others),
        cmocka_unit_test(no_scene_of_the_pool_is_held_out),
        cmocka_unit_test(every_question_has_exactly_one_right_option),
        cmocka_unit_test(every_word_of_the_world_is_one_token),
        cmocka_unit_test(streams_are_dealt_evenly),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
