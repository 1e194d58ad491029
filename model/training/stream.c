/* SPDX-License-Identifier: MIT */
#include "model/training/stream.h"

#include <string.h>
#include "tensor/base/random.h"

static bool index_steps(Stream *s, Arena *a, Error *e)
{
    const Dataset *all = s->samples;
    s->steps = all->sample[all->count - 1].step + 1;
    if (s->steps < 1 || s->steps > (int64_t)all->count)
        return error_set(e, "%s: the last line is of step %lld, expected at least one line for each step, from step 0 on", all->path,
                         (long long)s->steps - 1);
    s->begin = arena_array(a, (size_t)s->steps + 1, sizeof *s->begin);
    if (!s->begin)
        return false;
    int64_t step = -1;
    for (size_t k = 0; k < all->count; k++) {
        int64_t here = all->sample[k].step;
        if (here != step && here != step + 1)
            return error_set(e, "%s:%zu: step %lld follows step %lld, expected lines in the order of steps, from 0", all->path,
                             all->sample[k].line, (long long)here, (long long)step);
        if (here == step + 1)
            s->begin[step = here] = k;
    }
    s->begin[s->steps] = all->count;
    return true;
}

bool stream_make(Stream *s, const Reader *r, const Dataset *samples, DataOrder order, size_t batch, uint64_t seed,
                 Arena *a, Error *e)
{
    *s = (Stream){ .reader = r, .samples = samples, .order = order, .batch = batch, .seed = seed, .epoch = -1 };
    if (samples->count == 0 || samples->count > UINT32_MAX)
        return error_set(e, "%s: %zu samples, expected at least one", samples->path, samples->count);
    if (order == ORDER_STEP)
        return index_steps(s, a, e);
    if (s->batch > samples->count)
        s->batch = samples->count;
    s->shuffled = arena_array(a, samples->count, sizeof *s->shuffled);
    return s->shuffled && (batch > 0 || error_set(e, "data: batch is 0, expected at least 1"));
}

/* The index, in the file, of sample k (from 0) of the run, which is a sequence of shuffled epochs. */
static size_t shuffled_index(Stream *s, int64_t k)
{
    int64_t n = (int64_t)s->samples->count, epoch = k / n;
    if (epoch != s->epoch) {
        random_shuffle(random_for(s->seed + (uint64_t)epoch, "data.shuffle"), s->shuffled, s->samples->count);
        s->epoch = epoch;
    }
    return s->shuffled[k % n];
}

bool stream_next(void *context, int64_t step, BatchSample **samples, size_t *count, Arena *a, Error *e)
{
    Stream *s = context;
    int64_t first = s->order == ORDER_SHUFFLE ? (step - 1) * (int64_t)s->batch : 0;
    if (s->order == ORDER_STEP) {
        if (step > s->steps)
            return error_set(e, "%s: %lld steps were asked for, the stream has %lld", s->samples->path, (long long)step,
                             (long long)s->steps);
        first = (int64_t)s->begin[step - 1];
    }
    *count = s->order == ORDER_SHUFFLE ? s->batch : s->begin[step] - (size_t)first;
    *samples = arena_array(a, *count, sizeof **samples);
    for (size_t k = 0; *samples && k < *count; k++) {
        int64_t use = first + (int64_t)k;
        size_t index = s->order == ORDER_SHUFFLE ? shuffled_index(s, use) : (size_t)use;
        if (!reader_sample(s->reader, s->samples, &s->samples->sample[index], NULL, s->seed, use, &(*samples)[k], a, e))
            return false;
    }
    return *samples != NULL;
}
