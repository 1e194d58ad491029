/* SPDX-License-Identifier: MIT */
/* Schema: JSON Schema (draft 2020-12), exactly the keywords that fixtures/vectors/v1/schema uses; any other fails.
 * type, properties, required, additionalProperties, items, minItems, enum, const, pattern (POSIX extended), minLength, minimum,
 * $ref into $defs of the same file or of one beside it. */
#ifndef PULSE_TESTS_SUPPORT_SCHEMA_H
#define PULSE_TESTS_SUPPORT_SCHEMA_H

#include "tensor/base/json.h"

/* Whether `value` is as FOLDER/name says; when not, the sentence names the place: "/tensors/y/shape: …". */
bool schema_check(const char *folder, const char *name, const json_t *value, Error *e);
/* The same with a schema at hand. */
bool schema_check_with(const char *folder, const json_t *schema, const json_t *value, Error *e);

#endif
