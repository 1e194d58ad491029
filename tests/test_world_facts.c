/* SPDX-License-Identifier: MIT */
/* The world's content: entities, their questions, and their facts, held to the packages that know them where these are installed. */
#include "tests/check.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fixtures/world/world.h"
#include "model/sample.h"
#include "tensor/file.h"
#include "tensor/json.h"

enum { GROUPS = 3 };
static const char *const groups[GROUPS] = { "countries", "persons", "known_persons" };
static const char package[] = "/usr/share/iso-flags-png-320x240";
static const char iso_codes[] = "/usr/share/iso-codes/json/iso_3166-1.json";
static const char cldr[] = "/usr/share/unicode/cldr/common";
static const char geography[] = "/usr/share/kgeography/world.kgm";
static const char phones[] = "/usr/lib/python3/dist-packages/phonenumbers/data";

static struct {
    Error   error;
    Arena   arena;
    Samples group[GROUPS];
    World  *world;
} all;

static int begin(void **state)
{
    (void)state;
    all.arena = arena_make(&all.error);
    for (int i = 0; i < GROUPS; i++)
        samples_read(&all.group[i], arena_format(&all.arena, "fixtures/world/%s.jsonl", groups[i]), &all.arena, &all.error);
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
    arena_free(&all.arena);
    return 0;
}

static void need(const char *path, const char *what)
{
    if (!file_exists(path)) {
        print_message("%s is not installed\n", what);
        skip();
    }
}

static char *read_text(const char *path)
{
    size_t n;
    char *text = file_read(path, (size_t)1 << 26, &n, &all.arena, &all.error);
    expect_fine(&all.error);
    return text;
}

/* --- Persons and pictures. --- */

static void persons_differ_in_four_features_and_in_name(void **state)
{
    (void)state;
    const Entity *people = all.world->entities.entity + COUNTRIES;
    for (int i = 0; i < PEOPLE; i++)
        for (int k = 0; k < i; k++) {
            assert_true(face_distance(people[i].face, people[k].face) >= 4);
            assert_string_not_equal(people[i].name, people[k].name);
            assert_memory_not_equal(all.world->picture[COUNTRIES + i], all.world->picture[COUNTRIES + k], PICTURE);
        }
}

static void flags_look_different(void **state)
{
    (void)state;
    for (int i = 0; i < COUNTRIES; i++)
        for (int k = 0; k < i; k++) {
            long sum = 0;
            for (int p = 0; p < PICTURE; p++)
                sum += labs((long)all.world->picture[i][p] - all.world->picture[k][p]);
            if (sum < 16L * PICTURE)
                fail_msg("the flags of %s and %s are alike", countries[i].name, countries[k].name);
        }
}

static void requests_are_five_of_ten_and_twenty_five_stay(void **state)
{
    (void)state;
    int in_round[ROUNDS + 1] = { 0 };
    for (int i = COUNTRIES; i < COUNTRIES + PERSONS; i++)
        in_round[all.world->entities.entity[i].round]++;
    assert_int_equal(in_round[0], RETAIN);
    for (int r = 1; r <= ROUNDS; r++)
        assert_int_equal(in_round[r], UNLEARN / ROUNDS);
}

static void flags_remade_from_the_package_are_the_committed_ones(void **state)
{
    (void)state;
    need(package, "iso-flags-png-320x240");
    for (int i = 0; i < COUNTRIES; i++) {
        uint8_t flag[PICTURE];
        flag_reduce(flag, arena_format(&all.arena, "%s/%s.png", package, countries[i].iso), &all.arena, &all.error);
        expect_fine(&all.error);
        assert_memory_equal(flag, all.world->picture[i], PICTURE);
    }
}

/* --- Questions. --- */

static void the_held_out_frames_are_those_of_the_rule(void **state)
{
    (void)state;
    for (int g = 0; g < 3; g++)
        for (size_t i = 0; i < all.group[g].count; i++) {
            const Sample *s = &all.group[g].sample[i];
            int j = 0;
            if (s->kind == KIND_NAME)
                continue;
            while (strcmp(s->skill, g ? person_attributes[j] : country_attributes[j]) != 0)
                j++;
            bool test = s->frame == 6 ? j % 2 == 0 : s->frame % 3 == j % 3;
            assert_int_equal(s->split, test ? SPLIT_TEST : SPLIT_TRAIN);
            assert_int_equal(s->kind, s->frame == 6 ? KIND_CLOZE : KIND_OPEN);
        }
}

/* The options of a fact are values of the same attribute, and none but the answer is true of the entity. */
static void wrong_options_are_true_of_others_only(void **state)
{
    (void)state;
    for (int g = 0; g < 3; g++)
        for (size_t i = 0; i < all.group[g].count; i++) {
            const Sample *s = &all.group[g].sample[i];
            int found = 0;
            for (size_t k = 0; k < s->option_count; k++)
                for (int e = 0; e < ENTITIES; e++) {
                    const Entity *entity = &all.world->entities.entity[e];
                    for (int j = 0; j < ATTRIBUTES && strcmp(entity->group, s->group) == 0; j++)
                        if (strcmp(attribute_name(entity, j), s->skill) == 0 && strcmp(entity->fact[j], s->options[k]) == 0) {
                            found |= 1 << k;
                            if (strcmp(entity->id, s->entity) == 0)
                                assert_string_equal(s->options[k], s->answer);
                        }
                }
            if (s->kind != KIND_NAME)
                assert_int_equal(found, 15);
        }
}

/* Answers by brute force: for each of the objects that fit the words of the question, the same. */
static void questions_about_scenes_are_unambiguous(void **state)
{
    (void)state;
    Dice d = { .random = random_for(check_seed(), "test.scene") };
    for (int i = 0; i < 6000; i++) {
        const SceneSkill skill = (SceneSkill)(i % SCENE_SKILLS);
        const Scene s = scene_roll(&d);
        Line l = { .step = -1 };
        int fit = 0, there = 0, large = 0;
        for (int q = 0; q < QUARTERS; q++) {
            there += s.object[q].there;
            large += s.object[q].there && s.object[q].large;
        }
        if (!scene_ask(&l, s, skill, &d)) {
            assert_true(skill == COLOUR_OF_SHAPE || skill == COLOUR_BY_SIZE);
            continue;
        }
        for (int q = 0; q < QUARTERS; q++) {
            const Object o = s.object[q];
            const char *colour = colours[o.colour].word, *shape = shapes[o.shape], *size = o.large ? " largest " : " smallest ";
            bool asked = skill == COLOUR_OF_SHAPE ? strstr(l.question, shape) != NULL
                : skill == COLOUR_AT_CORNER ? strstr(l.question, corners[q]) != NULL
                : skill == COLOUR_BY_SIZE ? strstr(l.question, size) && (o.large ? large == 1 : there - large == 1)
                : strstr(l.question, colour) != NULL;
            const char *answer = skill == SHAPE_OF_COLOUR ? shape : skill == CORNER_OF_COLOUR ? corners[q] : colour;
            if (o.there && asked && skill != COUNT) {
                fit++;
                assert_string_equal(l.answer, answer);
            }
        }
        if (skill == COUNT)
            assert_int_equal(atoi(l.answer), there);
        else
            assert_int_equal(fit, 1);
    }
}

/* --- Facts. --- */

/* The accented letters that English names of currencies, capitals and countries have; all else is kept. */
static void plain(char *out, size_t n, const char *text)
{
    static const struct { const char *accented; char letter; } table[] =
        { { "\u00f3", 'o' }, { "\u00e1", 'a' }, { "\u00ed", 'i' }, { "\u00fc", 'u' }, { "\u00f6", 'o' }, { "\u02bb", 0 } };
    size_t used = 0;
    while (*text && used + 1 < n) {
        size_t k = 0;
        while (k < sizeof table / sizeof *table && strncmp(text, table[k].accented, 2) != 0)
            k++;
        if (k == sizeof table / sizeof *table)
            out[used++] = (char)tolower((unsigned char)*text++);
        else {
            if (table[k].letter)
                out[used++] = table[k].letter;
            text += 2;
        }
    }
    out[used] = 0;
}

/* What stands between `after` and `before`, the first time from `text` on; NULL when it does not. */
static const char *between(const char *text, const char *after, const char *before, char *out, size_t n)
{
    const char *from = text ? strstr(text, after) : NULL;
    const char *to = from ? strstr(from + strlen(after), before) : NULL;
    if (!to)
        return NULL;
    snprintf(out, n, "%.*s", (int)(to - from - (long)strlen(after)), from + strlen(after));
    return to;
}

static void upper(char out[3], const char *iso)
{
    out[0] = (char)toupper((unsigned char)iso[0]), out[1] = (char)toupper((unsigned char)iso[1]), out[2] = 0;
}

static void codes_are_those_of_iso_codes(void **state)
{
    (void)state;
    need(iso_codes, "iso-codes");
    json_t *file = json_file(iso_codes, (size_t)1 << 22, &all.error), *list = json_object_get(file, "3166-1");
    expect_fine(&all.error);
    for (int i = 0; i < COUNTRIES; i++) {
        char iso[3], name[64] = "";
        size_t k;
        json_t *item;
        upper(iso, countries[i].iso);
        json_array_foreach(list, k, item)
            if (strcmp(json_string_value(json_object_get(item, "alpha_2")), iso) == 0) {
                const json_t *common = json_object_get(item, "common_name");
                plain(name, sizeof name, json_string_value(common ? common : json_object_get(item, "name")));
            }
        if (strcmp(iso, "TR") == 0)
            assert_string_equal(name, "turkiye");                    // "turkey" in CLDR and in most texts
        else if (strncmp(name, countries[i].name, strlen(countries[i].name)) != 0
                 && !(strcmp(iso, "RU") == 0 && strncmp(name, "russian", 7) == 0))
            fail_msg("%s is %s, not %s, in iso-codes", iso, name, countries[i].name);
    }
    json_decref(file);
}

static void names_are_those_of_cldr(void **state)
{
    (void)state;
    need(cldr, "unicode-cldr-core");
    const char *english = strstr(read_text(arena_format(&all.arena, "%s/main/en.xml", cldr)), "<territories>");
    for (int i = 0; i < COUNTRIES; i++) {
        char iso[3], key[32], name[64], lower[64];
        upper(iso, countries[i].iso);
        snprintf(key, sizeof key, "<territory type=\"%s\">", iso);
        assert_non_null(between(english, key, "<", name, sizeof name));
        plain(lower, sizeof lower, name);
        assert_string_equal(lower, countries[i].name);
    }
}

/* One of the currencies that are legal tender there now; our word is the last of its English name.
 * Qatar's bank writes riyal on its notes, ISO 4217 and older CLDRs rial. */
static void currencies_are_those_of_cldr(void **state)
{
    (void)state;
    need(cldr, "unicode-cldr-core");
    char *regions = read_text(arena_format(&all.arena, "%s/supplemental/supplementalData.xml", cldr));
    const char *english = strstr(read_text(arena_format(&all.arena, "%s/main/en.xml", cldr)), "<currencies>");
    for (int i = 0; i < COUNTRIES; i++) {
        char iso[3], key[64], region[4096], entry[256];
        bool found = false;
        upper(iso, countries[i].iso);
        snprintf(key, sizeof key, "<region iso3166=\"%s\">", iso);
        assert_non_null(between(regions, key, "</region>", region, sizeof region));
        for (const char *at = region; (at = between(at, "<currency iso4217=", "/>", entry, sizeof entry)) != NULL;) {
            char name[64], lower[64];
            if (strstr(entry, " to=") || strstr(entry, "tender=\"false\""))
                continue;
            snprintf(key, sizeof key, "<currency type=\"%.3s\">", entry + 1);
            assert_non_null(between(strstr(english, key), "<displayName>", "<", name, sizeof name));
            plain(lower, sizeof lower, name);
            const char *last = strrchr(lower, ' ');
            found |= strcmp(last ? last + 1 : lower, countries[i].fact[2]) == 0 || strcmp(lower, "qatari rial") == 0;
        }
        if (!found)
            fail_msg("%s: CLDR knows no currency \"%s\" there", countries[i].name, countries[i].fact[2]);
    }
}

/* An official language of the country, by law or by use. */
static void languages_are_those_of_cldr(void **state)
{
    (void)state;
    need(cldr, "unicode-cldr-core");
    char *regions = read_text(arena_format(&all.arena, "%s/supplemental/supplementalData.xml", cldr));
    const char *english = strstr(read_text(arena_format(&all.arena, "%s/main/en.xml", cldr)), "<languages>");
    for (int i = 0; i < COUNTRIES; i++) {
        char iso[3], key[64], entry[256];
        static char territory[1 << 15];
        bool found = false;
        upper(iso, countries[i].iso);
        snprintf(key, sizeof key, "<territory type=\"%s\" gdp", iso);
        assert_non_null(between(regions, key, "</territory>", territory, sizeof territory));
        for (const char *at = territory; (at = between(at, "<languagePopulation type=\"", "/>", entry, sizeof entry)) != NULL;) {
            char name[64], lower[64];
            if (!strstr(entry, "officialStatus=\"official\"") && !strstr(entry, "officialStatus=\"de_facto_official\""))
                continue;
            snprintf(key, sizeof key, "<language type=\"%.*s\">", (int)strcspn(entry, "\""), entry);
            if (!between(english, key, "<", name, sizeof name))
                continue;
            plain(lower, sizeof lower, name);
            found |= strcmp(lower, countries[i].fact[3]) == 0;
        }
        if (!found)
            fail_msg("%s: CLDR knows no official language \"%s\" there", countries[i].name, countries[i].fact[3]);
    }
}

static bool is_member(const char *list, const char *item)
{
    const size_t n = strlen(item);
    for (const char *at = strstr(list, item); at; at = strstr(at + 1, item))
        if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == 0))
            return true;
    return false;
}

/* UN M49: a continent contains regions, a region contains countries. */
static void continents_are_those_of_cldr(void **state)
{
    (void)state;
    need(cldr, "unicode-cldr-core");
    static const struct { const char *name, *code; } continents[] =
        { { "africa", "002" }, { "america", "019" }, { "asia", "142" }, { "europe", "150" }, { "oceania", "009" } };
    const char *regions = strstr(read_text(arena_format(&all.arena, "%s/supplemental/supplementalData.xml", cldr)), "<territoryContainment>");
    for (int i = 0; i < COUNTRIES; i++) {
        char iso[3], key[64], parts[256];
        bool found = false;
        upper(iso, countries[i].iso);
        for (int c = 0; c < 5; c++) {
            snprintf(key, sizeof key, "<group type=\"%s\" contains=\"", continents[c].code);
            assert_non_null(between(regions, key, "\"", parts, sizeof parts));
            for (char *part = strtok(parts, " "); part; part = strtok(NULL, " ")) {
                char members[512];
                snprintf(key, sizeof key, "<group type=\"%s\" contains=\"", part);
                assert_non_null(between(regions, key, "\"", members, sizeof members));
                if (is_member(members, iso)) {
                    found = true;
                    assert_string_equal(continents[c].name, countries[i].fact[1]);
                }
            }
        }
        assert_true(found);
    }
}

/* The map of a school programme: <name>France</name> … <capital>Paris</capital>. */
static void capitals_are_those_of_kgeography(void **state)
{
    (void)state;
    need(geography, "kgeography-data");
    const char *map = read_text(geography);
    for (int i = 0; i < COUNTRIES; i++) {
        char division[512], name[64], capital[64], lower[64] = "";
        for (const char *at = map; *lower == 0 && (at = between(at, "<division>", "</division>", division, sizeof division)) != NULL;) {
            if (!between(division, "<name>", "<", name, sizeof name) || !between(division, "<capital>", "<", capital, sizeof capital))
                continue;
            plain(lower, sizeof lower, name);
            if (strcmp(lower, countries[i].name) == 0)
                plain(lower, sizeof lower, capital);
            else
                *lower = 0;
        }
        if (strcmp(lower, countries[i].fact[0]) != 0)
            fail_msg("%s: the capital is \"%s\" there, \"%s\" here", countries[i].name, lower, countries[i].fact[0]);
    }
}

/* Google's libphonenumber, in its Python form: country_code=33. */
static void calling_codes_are_those_of_libphonenumber(void **state)
{
    (void)state;
    need(phones, "python3-phonenumbers");
    for (int i = 0; i < COUNTRIES; i++) {
        char iso[3], code[16], spelt[16] = "";
        upper(iso, countries[i].iso);
        assert_non_null(between(read_text(arena_format(&all.arena, "%s/region_%s.py", phones, iso)), "country_code=", ",", code, sizeof code));
        for (const char *digit = code; *digit; digit++)
            snprintf(spelt + strlen(spelt), 3, "%s%c", *spelt ? " " : "", *digit);
        assert_string_equal(spelt, countries[i].fact[4]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(persons_differ_in_four_features_and_in_name),
        cmocka_unit_test(flags_look_different),
        cmocka_unit_test(flags_remade_from_the_package_are_the_committed_ones),
        cmocka_unit_test(requests_are_five_of_ten_and_twenty_five_stay),
        cmocka_unit_test(the_held_out_frames_are_those_of_the_rule),
        cmocka_unit_test(wrong_options_are_true_of_others_only),
        cmocka_unit_test(questions_about_scenes_are_unambiguous),
        cmocka_unit_test(codes_are_those_of_iso_codes),
        cmocka_unit_test(names_are_those_of_cldr),
        cmocka_unit_test(currencies_are_those_of_cldr),
        cmocka_unit_test(languages_are_those_of_cldr),
        cmocka_unit_test(continents_are_those_of_cldr),
        cmocka_unit_test(capitals_are_those_of_kgeography),
        cmocka_unit_test(calling_codes_are_those_of_libphonenumber),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
