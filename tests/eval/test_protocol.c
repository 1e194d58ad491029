/* SPDX-License-Identifier: MIT */
/* The plan of a run: which entities are forgotten, which work is shared, and which stages depend on which. */
#include "tests/eval/plans.h"

static void expect_list(const EntityList *l, const char *ids)
{
    char text[256] = "";
    for (size_t k = 0; k < l->count; k++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", k ? " " : "", l->entity[k]->id);
    assert_string_equal(text, ids);
}

/* --- the world --- */

static bool contents_read(World *w, const char *text)
{
    written("world.json", text);
    return world_read(w, scratch("."), &arena, &error);
}

static void a_world_says_which_groups_and_files_it_has(void **state)
{
    (void)state;
    World w;
    assert_true(contents_read(&w, "{\"entities\": \"who.jsonl\", \"groups\": [{\"name\": \"cat\", \"questions\": \"cats.jsonl\", "
                                  "\"splits\": [\"unlearn\", \"retain\"]}, {\"name\": \"dog\", \"questions\": "
                                  "\"q/dogs.jsonl\"}], \"general\": {\"name\": \"skill\", \"questions\": \"g.jsonl\"}}"));
    assert_int_equal(w.groups, 2);
    assert_true(world_group(&w, "dog") == 1 && world_group(&w, "bird") == 2 && w.group[0].has_splits && !w.group[1].has_splits);
    assert_string_equal(w.entities, "who.jsonl");
    assert_string_equal(w.group[1].questions, "q/dogs.jsonl");
    assert_string_equal(w.general.name, "skill");
    assert_string_equal(world_path(&w, w.general.questions, &arena), arena_format(&arena, "%s/g.jsonl", w.folder));
}

static void a_bad_world_is_refused_and_the_error_names_the_key(void **state)
{
    (void)state;
#define GENERAL "\"general\": {\"name\": \"general\", \"questions\": \"g.jsonl\"}"
#define TWO(x, y) "{\"entities\": \"e\", \"groups\": [" x ", " y "], " GENERAL "}"
#define PERSON "{\"name\": \"person\", \"questions\": \"p.jsonl\"}"
    static const struct { const char *text, *says; } bad[] = {
        { "[]", "world.json: an object {…} was expected" }, { "{\"groups\": [" PERSON "], " GENERAL "}", "\"entities\"" },
        { "{\"entities\": \"e\", " GENERAL "}", "\"groups\" must be a list" },
        { "{\"entities\": \"e\", \"groups\": [" PERSON "]}", "an object {…} was expected" },
        { "{\"more\": 1}", "the key \"more\" is unknown" },
        { TWO(PERSON, PERSON), "the group \"person\" appears twice" },
        { TWO(PERSON, "{\"name\": \"x\", \"as\": \"person\", \"questions\": \"x\"}"), "two groups stand for \"person\"" },
        { "{\"entities\": \"../e\", \"groups\": [" PERSON "], " GENERAL "}", "expected a name inside the world's folder" },
        { TWO("{\"name\": \"x\", \"questions\": \"x\", \"splits\": [\"retain\"]}", PERSON), "\"splits\" must be" },
        { "{\"entities\": \"e\", \"groups\": [{\"name\": \"x\"}], " GENERAL "}", "\"questions\"" }, { "{", "world.json" },
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        World w;
        assert_false(contents_read(&w, bad[k].text));
        expect_sentence(&error, "world.json", bad[k].says);
    }
}

static void a_scenario_needs_its_group_and_the_splits_that_it_takes_from_the_world(void **state)
{
    (void)state;
    Entities all;
    Plan p;
    World w = world;
    ProtocolConfig c = config_of("pretrained");
    assert_true(read_entities(&all, ten_entities));
    w.groups = 1;
    assert_false(plan_make(&p, &c, &w, &all, &arena, &error));
    expect_sentence(&error, "world.json: there is no group \"country\", which the scenario pretrained is about");
    c = config_of("sequential");
    w.group = (WorldGroup[]){ { "person", "persons.jsonl", false, NULL, NULL } };
    assert_false(plan_make(&p, &c, &w, &all, &arena, &error));
    expect_sentence(&error, "the group \"person\" has no splits");
}

/* --- entities --- */

static void a_bad_line_of_entities_is_refused_with_its_line_number(void **state)
{
    (void)state;
    static const struct { const char *line, *says; } bad[] = {
        { "{\"id\": \"p1\", \"group\": \"person\"}", "entities.jsonl:11: the id \"p1\" is that of line 1" },
        { "{\"id\": \"x\"}", "entities.jsonl:11: \"id\" or \"group\" is missing" },
        { "{\"id\": \"x\", \"group\": \"person\", \"round\": 0}", "entities.jsonl:11: \"round\" must be" },
        { "{\"id\": \"x\", \"group\": \"person\", \"split\": \"retain\", \"round\": 1}",
          "entities.jsonl:11: \"split\" is \"retain\" and \"round\" is 1" },
        { "{\"id\": \"x\", \"group\": \"person\", \"split\": \"unlearn\"}", "expected a round" },
        { "{\"id\": \"x\", \"group\": \"person\", \"image\": \"nowhere.png\"}", "nowhere.png is not there" },
        { "{\"id\": 7, \"group\": \"person\"}", "entities.jsonl:11: \"id\" must be text" },
        { "[]", "entities.jsonl:11: an object {…} was expected" }, { "{\"id\"", "entities.jsonl:11" },
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        Entities all;
        assert_false(read_entities(&all, arena_format(&arena, "%s%s\n", ten_entities, bad[k].line)));
        expect_sentence(&error, bad[k].says);
    }
}

/* --- splits --- */

static void rounds_are_forgotten_in_order_and_cut_evenly(void **state)
{
    (void)state;
    ProtocolConfig c = config_of("sequential");
    Plan p = planned(&c);
    Splits s;
    assert_true(protocol_splits(&s, &p, &p.cases[0], NULL, 0, &arena, &error));
    expect_list(&s.forget, "p2 p4 p1");
    expect_list(&s.retain, "p3 p5");
    assert_int_equal(s.requests, 2);
    expect_list(&s.request[0], "p2 p4");
    expect_list(&s.request[1], "p1");
}

static Result answered(const char *id, const char *entity, const char *group, Modality m, bool exact)
{
    return (Result){ .id = id, .entity = entity, .group = group, .skill = "home", .answer = "x", .modality = m, .exact = exact };
}

static void the_best_known_are_ranked_by_right_answers_then_by_id(void **state)
{
    (void)state;
    ProtocolConfig c = config_of("pretrained");
    Plan p = planned(&c);
    Result r[] = {
        answered("1", "c5", "country", MODALITY_IMAGE, true), answered("2", "c5", "country", MODALITY_TEXT, true),
        answered("3", "c3", "country", MODALITY_IMAGE, true), answered("4", "c2", "country", MODALITY_IMAGE, true),
        answered("5", "c4", "country", MODALITY_IMAGE, false), answered("6", "c1", "country", MODALITY_IMAGE, true),
        answered("7", "scene", "general", MODALITY_IMAGE, true),
    };
    Splits s, again;
    assert_true(protocol_splits(&s, &p, &p.cases[0], r, 7, &arena, &error));
    assert_int_equal(s.forget.count, 2);
    assert_int_equal(s.retain.count, 2);
    assert_false(entity_list_has(&s.forget, "c4") || entity_list_has(&s.retain, "c4"));     // it has no right answer
    for (const char *const *id = (const char *const[]){ "c5", "c1", "c2", "c3", NULL }; *id; id++)
        assert_true(entity_list_has(&s.forget, *id) != entity_list_has(&s.retain, *id));
    // c2 now has no right answer either, but it is before c4 by its id
    r[3].exact = false;
    assert_true(protocol_splits(&again, &p, &p.cases[0], r, 7, &arena, &error));
    assert_true(entity_list_has(&again.forget, "c2") || entity_list_has(&again.retain, "c2"));
    r[4].exact = true;
    assert_true(protocol_splits(&again, &p, &p.cases[0], r, 7, &arena, &error));
    assert_false(entity_list_has(&again.forget, "c2") || entity_list_has(&again.retain, "c2"));
}

static void what_does_not_fit_the_world_is_refused(void **state)
{
    (void)state;
    Splits s;
    ProtocolConfig c = config_of("pretrained");
    c.best = 6;
    Plan p = planned(&c);
    assert_false(protocol_splits(&s, &p, &p.cases[0], NULL, 0, &arena, &error));
    expect_sentence(&error, "protocol.best is 6, but there are only 5");
    c.best = c.forget = 4;
    p = planned(&c);
    assert_false(protocol_splits(&s, &p, &p.cases[0], NULL, 0, &arena, &error));
    expect_sentence(&error, "protocol.forget is 4, expected fewer than the 4 best known entities");
    c = config_of("sequential");
    c.rounds = 4;
    p = planned(&c);
    assert_false(protocol_splits(&s, &p, &p.cases[0], NULL, 0, &arena, &error));
    expect_sentence(&error, "4 requests of 3 entities");
    c = config_of("known");
    p = planned(&c);
    assert_false(protocol_splits(&s, &p, &p.cases[0], NULL, 0, &arena, &error));
    expect_sentence(&error, "entities.jsonl:1: protocol.forget is 2, expected fewer than the 0 entities of the group \"known_person\"");
}

/* --- plans --- */

static void bad_lists_of_a_config_are_refused(void **state)
{
    (void)state;
    Plan p;
    struct { const char *scenarios, *methods, *seeds, *epochs, *says; } bad[] = {
        { "finetuned, nonsense", "ga", "0", "", "there is no scenario \"nonsense\"" },
        { "finetuned", "gaa", "0", "", "there is no method \"gaa\"" },
        { "finetuned", "ga", "0, x", "", "protocol.seeds: \"x\"" }, { "finetuned", "ga", "-1", "", "protocol.seeds: \"-1\"" },
        { "", "ga", "0", "", "nothing to run" }, { "finetuned", "ga", "0", "0", "is not a number above 0" },
        { "finetuned", "ga", "0", "npo=3", "there is no number for ga" }, { "finetuned", "ga", "0", "3x", "\"3x\" is not a number" },
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        ProtocolConfig c = config_of(bad[k].scenarios);
        c.methods = bad[k].methods;
        c.seeds = bad[k].seeds;
        c.epochs[0] = bad[k].epochs;
        assert_false(plan_of(&p, &c));
        expect_sentence(&error, bad[k].says);
    }
}

static void steps_are_shared_by_all_requests_whatever_their_questions(void **state)
{
    (void)state;
    ProtocolConfig c = config_of("finetuned, sequential, stress");
    c.methods = "ga, ga_klr";
    c.steps[scenario_find("finetuned") - scenarios] = "50, ga_klr=125";
    c.steps[scenario_find("sequential") - scenarios] = "250";
    c.steps[scenario_find("stress") - scenarios] = "100";
    Plan p = planned(&c);
    for (int64_t questions = 1; questions < 5000; questions *= 7) {
        assert_int_equal(request_steps(&p, &p.cases[0], questions), 50);
        assert_int_equal(request_steps(&p, &p.cases[1], questions), 125);
        assert_int_equal(request_steps(&p, &p.cases[2], questions), 125);        // each of two requests
        assert_int_equal(request_steps(&p, &p.cases[4], questions), 100);
        assert_int_equal(request_steps(&p, &p.cases[5], questions), 33);         // each of three
    }
    c.epochs[0] = "2";
    assert_false(plan_of(&p, &c));
    expect_sentence(&error, "epochs.finetuned is \"2\" and steps.finetuned is \"50, ga_klr=125\", expected one of them");
    c.epochs[0] = "";
    c.steps[0] = "2.5";
    assert_false(plan_of(&p, &c));
    expect_sentence(&error, "steps.finetuned is \"2.5\", expected whole numbers");
}

static const Case *case_named(const Plan *p, const char *name)
{
    for (size_t k = 0; k < p->case_count; k++)
        if (strcmp(p->cases[k].name, name) == 0)
            return &p->cases[k];
    fail_msg("there is no case %s", name);
    return NULL;
}

/* Each entity has 10 questions, and a step has 20. Three persons are forgotten: one request has all 30 questions, so an
 * epoch has 2 steps; with two requests, of two persons and of one person, an epoch of each has 1 step. The two
 * countries of pretrained have 20 questions, so an epoch has 1 step. */
static void stopping_rules_decide_the_steps_of_a_request(void **state)
{
    (void)state;
    ProtocolConfig c = config_of("finetuned, sequential, pretrained");
    c.stopping = "budget, updates, epochs, accuracy";
    c.epochs[0] = "6";
    c.epochs[1] = "9";
    c.epochs[2] = "4";
    c.trajectory = 0.5;
    Plan p = planned(&c);
    assert_int_equal(p.case_count, 12);
    const struct { const char *name; int64_t steps[2]; } want[] = {
        { "finetuned", { 12 } }, { "finetuned-updates", { 12 } }, { "finetuned-epochs", { 12 } }, { "finetuned-accuracy", { 20 } },
        { "sequential", { 4, 4 } }, { "sequential-updates", { 12, 12 } }, { "sequential-epochs", { 6, 6 } },
        { "sequential-accuracy", { 10, 10 } },
        { "pretrained", { 9 } }, { "pretrained-updates", { 12 } }, { "pretrained-epochs", { 6 } }, { "pretrained-accuracy", { 10 } },
    };
    for (size_t k = 0; k < sizeof want / sizeof *want; k++) {
        const Case *x = case_named(&p, want[k].name);
        const int64_t questions[2] = { strstr(x->name, "finetuned") ? 30 : 20, 10 };
        for (size_t i = 0; i < (size_t)x->rounds; i++)
            assert_int_equal(request_steps(&p, x, questions[i]), want[k].steps[i]);
    }
    const Case *stops = case_named(&p, "finetuned-accuracy"), *never_stops = case_named(&p, "finetuned-epochs");
    assert_true(stop_after(&p, stops, 30, 1) && stop_after(&p, stops, 30, 20) && !stop_after(&p, stops, 30, 0)
                && !stop_after(&p, never_stops, 30, 1));
    assert_int_equal(case_named(&p, "finetuned")->unlearn, case_named(&p, "finetuned-updates")->unlearn);   // same work: one stage
    assert_int_equal(case_named(&p, "finetuned")->unlearn, case_named(&p, "finetuned-epochs")->unlearn);
    assert_int_not_equal(case_named(&p, "finetuned")->unlearn, stops->unlearn);
    c.stop = 0.5;
    Plan q = planned(&c);
    assert_string_not_equal(p.stage[stops->unlearn].digest.hex, q.stage[case_named(&q, "finetuned-accuracy")->unlearn].digest.hex);
    assert_string_equal(p.stage[never_stops->unlearn].digest.hex, q.stage[case_named(&q, "finetuned-epochs")->unlearn].digest.hex);
    c.stopping = "budget, nonsense";
    assert_false(plan_of(&q, &c));
    expect_sentence(&error, "there is no rule \"nonsense\"");
}

static void stopping_rules_may_be_based_on_steps_or_epochs_of_finetuned(void **state)
{
    (void)state;
    ProtocolConfig c = config_of("finetuned, sequential, pretrained");
    c.stopping = "updates, epochs";
    c.epochs[0] = "6";
    Plan p = planned(&c);
    c.epochs[0] = "";
    c.steps[0] = "12";                                                           // 6 epochs of 30 questions
    Plan q = planned(&c);
    assert_int_equal(p.case_count, 6);
    for (size_t k = 0; k < p.case_count; k++)
        for (int64_t questions = 10; questions <= 30; questions += 10)
            if (p.cases[k].scenario != p.cases[0].scenario)
                assert_int_equal(request_steps(&p, &p.cases[k], questions), request_steps(&q, &q.cases[k], questions));
    assert_int_equal(request_steps(&p, &p.cases[0], 30), request_steps(&q, &q.cases[0], 30));
}

static void probes_are_planned_for_the_cases_that_the_config_names(void **state)
{
    (void)state;
    ProtocolConfig c = config_of("finetuned, pretrained, ablation");
    c.stopping = "budget, accuracy";
    c.probed = "finetuned-accuracy, pretrained";
    Plan p = planned(&c);
    const Case *x = case_named(&p, "finetuned-accuracy"), *y = case_named(&p, "pretrained");
    assert_true(p.stage[x->probe].kind == STAGE_PROBE && p.stage[x->probe].of == x->unlearn && x->probe_oracle != NO_STAGE
                && x->probe_before != x->probe_oracle);
    assert_true(p.stage[y->probe].of == y->unlearn && y->probe_oracle == NO_STAGE);           // pre-trained facts have no oracle
    assert_true(case_named(&p, "finetuned")->probe == NO_STAGE && case_named(&p, "ablation")->probe == NO_STAGE);
    const char *before = p.stage[x->unlearn].digest.hex, *probe = p.stage[x->probe].digest.hex;
    c.probing = "attack.lr = 0.1\n";
    Plan q = planned(&c);
    assert_string_equal(before, q.stage[case_named(&q, x->name)->unlearn].digest.hex);
    assert_string_not_equal(probe, q.stage[case_named(&q, x->name)->probe].digest.hex);
}

static void other_sources_make_other_stages(void **state)
{
    (void)state;
    ProtocolConfig c = config_of("finetuned");
    Plan p = planned(&c);
    c.code = "c0df";
    Plan q = planned(&c);
    assert_int_equal(p.stage_count, q.stage_count);
    for (size_t k = 0; k < p.stage_count; k++)
        assert_string_not_equal(p.stage[k].digest.hex, q.stage[k].digest.hex);
}

static void the_same_work_is_one_stage(void **state)
{
    (void)state;
    ProtocolConfig c = config_of("finetuned, ablation");
    Plan p = planned(&c);
    assert_int_equal(p.case_count, 3);
    assert_int_equal(p.cases[2].trainable, TRAIN_PROJ_LLM);
    assert_int_equal(p.cases[0].unlearn, p.cases[1].trainable == TRAIN_LLM ? p.cases[2].unlearn : p.cases[1].unlearn);
    assert_int_equal(p.cases[0].answer, p.cases[2].answer);
    assert_int_not_equal(p.cases[0].unlearn, p.cases[1].unlearn);
    for (size_t k = 0; k < p.stage_count; k++)
        for (size_t i = 0; i < p.stage[k].inputs; i++)
            assert_true(p.stage[k].input[i] < k);
}

static void a_changed_config_changes_only_what_depends_on_it(void **state)
{
    (void)state;
    ProtocolConfig c = config_of("finetuned, pretrained");
    Plan p = planned(&c), q;
    const Case *f = &p.cases[0], *b = &p.cases[1];
    group_digest[1] = (Digest){ "other" };                                 // the digest of the countries' questions
    q = planned(&c);
    assert_string_equal(digest_of(&p, f->unlearn), digest_of(&q, q.cases[0].unlearn));
    assert_string_equal(digest_of(&p, f->answer), digest_of(&q, q.cases[0].answer));
    assert_string_not_equal(digest_of(&p, b->before), digest_of(&q, q.cases[1].before));
    assert_string_not_equal(digest_of(&p, b->unlearn), digest_of(&q, q.cases[1].unlearn));
    c = config_of("finetuned, pretrained");
    c.reading = "data.template = plain\n";                              // another prompt template
    q = planned(&c);
    assert_string_equal(digest_of(&p, f->unlearn), digest_of(&q, q.cases[0].unlearn));
    assert_string_not_equal(digest_of(&p, f->answer), digest_of(&q, q.cases[0].answer));
    c = config_of("finetuned, pretrained");
    c.model[MODEL_ORACLE] = (Digest){ "other" };
    q = planned(&c);
    assert_string_equal(digest_of(&p, f->answer), digest_of(&q, q.cases[0].answer));
    assert_string_not_equal(digest_of(&p, f->oracle), digest_of(&q, q.cases[0].oracle));
    c = config_of("finetuned, pretrained");
    c.seeds = "0, 1";
    q = planned(&c);
    assert_string_equal(digest_of(&p, f->unlearn), digest_of(&q, q.cases[0].unlearn));
    method_list[0].recipe = "optimiser.lr = 0.001\n";                   // a setting of ga, the first method
    q = planned(&c);
    assert_string_equal(digest_of(&p, f->before), digest_of(&q, q.cases[0].before));
    assert_string_not_equal(digest_of(&p, f->answer), digest_of(&q, q.cases[0].answer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(a_world_says_which_groups_and_files_it_has), stand_test(a_bad_world_is_refused_and_the_error_names_the_key),
        stand_test(a_scenario_needs_its_group_and_the_splits_that_it_takes_from_the_world),
        stand_test(a_bad_line_of_entities_is_refused_with_its_line_number), stand_test(rounds_are_forgotten_in_order_and_cut_evenly),
        stand_test(the_best_known_are_ranked_by_right_answers_then_by_id), stand_test(what_does_not_fit_the_world_is_refused),
        stand_test(bad_lists_of_a_config_are_refused),
        stand_test(steps_are_shared_by_all_requests_whatever_their_questions),
        stand_test(stopping_rules_may_be_based_on_steps_or_epochs_of_finetuned), stand_test(the_same_work_is_one_stage),
        stand_test(a_changed_config_changes_only_what_depends_on_it),
        stand_test(stopping_rules_decide_the_steps_of_a_request), stand_test(probes_are_planned_for_the_cases_that_the_config_names),
        stand_test(other_sources_make_other_stages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
