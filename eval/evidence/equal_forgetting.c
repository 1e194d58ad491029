/* SPDX-License-Identifier: MIT */
#include "eval/evidence/equal_forgetting.h"

bool general_at(double *general, const Snapshot *s, size_t count, double level)
{
    double least = count ? s[0].forget : 0;                  // the running minimum of `forget`
    for (size_t k = 0; k < count; k++) {
        if (s[k].forget <= level) {
            double share = k ? (least - level) / (least - s[k].forget) : 1;
            *general = k ? s[k - 1].general + share * (s[k].general - s[k - 1].general) : s[0].general;
            return true;
        }
        least = s[k].forget < least ? s[k].forget : least;
    }
    return false;
}

bool general_over_levels(double *general, const Snapshot *s, size_t count, const double *levels, size_t levels_count)
{
    double sum = 0;
    for (size_t k = 0; k < levels_count; k++) {
        double at;
        if (!general_at(&at, s, count, levels[k]))
            return false;
        sum += at;
    }
    *general = sum / (double)levels_count;
    return levels_count > 0;
}
