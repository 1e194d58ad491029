/* SPDX-License-Identifier: MIT */
#include "tensor/exact/bound_records.h"

const BoundRecord bound_records[] = {
#define BOUND(NAME, OPERATORS, UNIT, VALUE, FILE, WHAT) { #NAME, OPERATORS, BOUND_##UNIT, VALUE, FILE, WHAT },
#define TIE(...)
#include "tensor/exact/bounds.def"
#undef TIE
#undef BOUND
};
const size_t bound_records_count = sizeof bound_records / sizeof *bound_records;

const TieRecord tie_records[] = {
#define BOUND(...)
#define TIE(NAME, OPERATORS, FILE, WHAT) { #NAME, OPERATORS, FILE, WHAT },
#include "tensor/exact/bounds.def"
#undef TIE
#undef BOUND
};
const size_t tie_records_count = sizeof tie_records / sizeof *tie_records;

const char *bound_unit_name(BoundUnit unit)
{
    return unit == BOUND_U ? "u" : unit == BOUND_UU ? "u^2" : "1";
}
