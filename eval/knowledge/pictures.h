/* SPDX-License-Identifier: MIT */
/* Other pictures: whether a model recognises a person in a picture that it was not trained on. If unlearning works only
 * for the exact pixels of one portrait, the person is not forgotten.
 *
 * A picture is first brought to the size of the model's pictures, and then changed. The arithmetic is integers and
 * binary64 (RN64 rounds to the nearest double), and each value is cut to 0 … 255:
 *     mirrored   left and right change places
 *     shifted    by 3 pixels to the right and 3 down; the pixels of the edges are repeated
 *     dimmed     floor(RN64(RN64(0.7 byte) + 0.5))
 *     noisy      floor(RN64(RN64(byte + RN64(12 n)) + 0.5)), n: random_normal for "picture.noise", seed 0, at 2^24 h + k;
 *                h: the first 8 hex digits of the SHA-256 of the picture's name with a final zero byte, as a number;
 *                k: the index in [height, width, 3]
 * A change is used only if the model before unlearning knew the changed pictures: its accuracy on them must be KNOWN
 * or more. */
#ifndef PULSE_EVAL_KNOWLEDGE_PICTURES_H
#define PULSE_EVAL_KNOWLEDGE_PICTURES_H

#include "model/training/reader.h"

#define KNOWN 0.9

enum { OTHER_PICTURES = 4 };
typedef struct {
    const char   *metric;                // "accuracy_mirrored"
    PictureChange change;
} OtherPicture;
extern const OtherPicture other_pictures[OTHER_PICTURES];

#endif
