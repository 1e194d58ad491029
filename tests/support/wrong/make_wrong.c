/* SPDX-License-Identifier: MIT */
/* make_wrong DIR writes DIR/wrong.safetensors: the answers that known mistakes would give to the suite in DIR. */
#include <stdio.h>
#include "tests/support/wrong/wrong.h"

int main(int argc, char **argv)
{
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    Entry *list;
    size_t count;
    if (argc != 2)
        error_set(&e, "usage: make_wrong DIR");
    bool good = argc == 2 && wrong_make(argv[1], &list, &count, &a, &e)
        && store_write(arena_format(&a, "%s/wrong.safetensors", argv[1]), list, count, &e);
    if (good)
        printf("%zu tensors of known mistakes\n", count);
    else
        fprintf(stderr, "%s\n", e.text);
    arena_free(&a);
    return good ? 0 : 2;
}
