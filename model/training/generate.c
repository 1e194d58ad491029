/* SPDX-License-Identifier: MIT */
#include "model/training/generate.h"

#include <string.h>
#include "model/training/score.h"

bool generate_greedy(const Model *m, const BatchSample *prompt, int32_t end, int32_t *out, size_t room, size_t *count, Error *e)
{
    Arena a = arena_make(e);
    Prefixes *x = prefixes_make(m, 0, e);
    int32_t *ids = arena_array(&a, prompt->n + room, sizeof *ids), *targets = arena_array(&a, prompt->n + room, sizeof *targets);
    BatchSample s = { ids, targets, prompt->n, prompt->pixels };
    SampleScore next;
    bool right = x && ids && targets;
    if (right) {
        memcpy(ids, prompt->ids, prompt->n * sizeof *ids);
        prefixes_allow(x, prompt->n + room);
    }
    for (size_t i = 0; right && i < prompt->n + room; i++)
        targets[i] = -1;
    for (*count = 0; right && *count < room;) {
        targets[s.n - 1] = 0;                            // the last row is wanted, whatever its target
        right = score_with(x, &s, 1, &next, &a, e);
        if (!right)
            break;
        targets[s.n - 1] = -1;
        ids[s.n++] = out[*count] = next.argmax[0];
        if (out[(*count)++] == end)
            break;
    }
    prefixes_free(x);
    arena_free(&a);
    return right && !e->failed;
}
