/* SPDX-License-Identifier: MIT */
#include "ref/verify/formula.h"

#include <string.h>
#include "tensor/base/limits.h"
#include "tensor/op.h"
#include "unlearn/method.h"

enum { FORMULAS = 12 };              // the most that are shown: a whole layer runs more operators than a reader wants to see

static const char *text_of(const json_t *x, const char *key)
{
    const char *text = json_string_value(json_object_get(x, key));
    return text ? text : "";
}

static bool holds(const json_t *list, const char *text)
{
    for (size_t k = 0; k < json_array_size(list); k++)
        if (strcmp(json_string_value(json_array_get(list, k)), text) == 0)
            return true;
    return false;
}

/* Whether the node is computed by the module of that path in that phase. A node outside any module belongs to the loss.
 * In the update the operators tell clipping from the optimiser. */
static bool belongs(const json_t *node, const char *path, size_t length, const char *phase)
{
    static const char *const clips[] = { "square_norm", "clip_factor", "scale_by" };
    const char *module = text_of(node, "module");
    bool clip = length == 4 && strncmp(path, "clip", 4) == 0, clipping = false;
    if (strcmp(text_of(node, "phase"), phase) != 0)
        return false;
    for (size_t k = 0; k < sizeof clips / sizeof *clips; k++)
        clipping |= strcmp(text_of(node, "op"), clips[k]) == 0;
    if (strcmp(phase, "optimiser") == 0)
        return clip == clipping;
    module = *module ? module : "loss";
    return strncmp(module, path, length) == 0 && (module[length] == '.' || !module[length]);
}

json_t *formula_of_answer(const json_t *root, const char *answer, Arena *a)
{
    const json_t *nodes = json_object_get(root, "nodes");
    const char *path = answer + (strncmp(answer, "hooked.", 7) == 0 ? 7 : 0), *at = strrchr(path, '@');
    size_t length = at ? (size_t)(at - path) : 0;
    json_t *list = json_array();
    static const char *const updated[] = { "after.", "adam.", "sgd." };
    for (size_t k = 0; !at && k < sizeof updated / sizeof *updated; k++)
        if (strncmp(answer, updated[k], strlen(updated[k])) == 0) {
            path = "optimiser";
            length = strlen(path);
        }
    length = strcmp(answer, "loss") == 0 ? 4 : length;
    bool loss = length == 4 && strncmp(path, "loss", 4) == 0;
    bool update = (length == 4 && strncmp(path, "clip", 4) == 0) || (length == 9 && strncmp(path, "optimiser", 9) == 0);
    const char *phase = update ? "optimiser" : at && strncmp(at, "@grad.", 6) == 0 && !loss ? "backward" : "forward";
    const Method *method = loss ? method_find(text_of(root, "method")) : NULL;
    if (method)
        json_add(list, json_string(method_formula(method, a)));
    for (size_t k = 0; k < json_array_size(nodes) && json_array_size(list) < FORMULAS; k++) {
        const json_t *node = json_array_get(nodes, k);
        bool wanted = length ? belongs(node, path, length, phase) : strcmp(text_of(node, "output"), answer) == 0;
        const Op *op = wanted ? op_find(text_of(node, "op")) : NULL;
        const char *text = op && op->formula ? arena_format(a, "%s: %s", op->name, op->formula) : NULL;
        if (text && !holds(list, text))
            json_add(list, json_string(text));
    }
    return list;
}

json_t *formula_of_case(const char *folder, const char *id, Arena *a)
{
    // a case without a definition has no formula, but is judged like any other
    Error ignored = { .failed = false };
    json_t *list = json_array(), *root = json_file(arena_format(a, "%s/%s/case.json", folder, id), LIMIT_SUITE, &ignored);
    if (*text_of(root, "definition"))
        json_add(list, json_string(text_of(root, "definition")));
    json_decref(root);
    return list;
}
