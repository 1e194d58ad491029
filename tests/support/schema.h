/* SPDX-License-Identifier: MIT */
/* Schema: JSON Schema (draft 2020-12), restricted to the keywords that fixtures/vectors/v1/schema uses: type,
 * properties, required, additionalProperties, items, minItems, enum, const, pattern (POSIX extended), minLength,
 * minimum, and $ref into $defs of the same file or of another file in its folder. Any other keyword is a failure. */
#ifndef PULSE_TESTS_SUPPORT_SCHEMA_H
#define PULSE_TESTS_SUPPORT_SCHEMA_H

#include "tensor/base/json.h"

/* Whether `value` obeys the schema FOLDER/name. False: the error names the place in the value, such as
 * "/tensors/y/shape: …". */
bool schema_check(const char *folder, const char *name, const json_t *value, Error *e);
/* The same for a schema that has been read already. */
bool schema_check_with(const char *folder, const json_t *schema, const json_t *value, Error *e);

#endif
