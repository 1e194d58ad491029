/* SPDX-License-Identifier: MIT */
/* Angles: the tables of RoPE and the cosine of schedules, without libm.
 *
 * RoPE's tables hold the nearest floats to the cosine and sine of the real angle pos base^(-2i/d) (Su et al.,
 * RoFormer, 2021) for position pos and pair i of the d channels of a head, both counted from 0; base is a float.
 * Binary64 with a rounding test decides most entries, and double-double the others; the entries of pos = 0 are exact.
 * If double-double does not decide an entry, the function fails with a sentence that names the entry; this has
 * never been seen. */
#ifndef PULSE_TENSOR_EXACT_ANGLE_H
#define PULSE_TENSOR_EXACT_ANGLE_H

#include <stddef.h>
#include <stdint.h>
#include "tensor/exact/dd.h"
#include "tensor/base/error.h"

enum { ANGLE_POSITIONS = 1 << 20 };

/* d is the number of channels of a head, head_dim. cosines, sines: [positions, d/2], row-major; d even, base finite and
 * >= 1, at most ANGLE_POSITIONS positions. */
bool angle_rope_tables(float *cosines, float *sines, size_t positions, size_t d, float base, Error *e);
/* cos(pi num / den) for 0 <= num <= den < 2^31, den > 0; absolute error below 2^-95. */
dd   angle_cos_pi(int64_t num, int64_t den);

#endif
