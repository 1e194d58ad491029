/* SPDX-License-Identifier: MIT */
#include "eval/evidence/verdict.h"

static const char *const names[EVIDENCE_KINDS] = { "yes", "no", "reversed", "undecided", "underpowered", "not tested" };

const char *evidence_name(EvidenceKind k)
{
    return names[k];
}

static EvidenceKind kind_of(Interval i, EvidenceRule rule)
{
    double low = i.mean - i.half, high = i.mean + i.half;
    if (low > rule.delta)
        return EVIDENCE_YES;
    if (high < -rule.delta)
        return EVIDENCE_REVERSED;
    if (high < rule.delta)
        return EVIDENCE_NO;
    return i.half > rule.widest ? EVIDENCE_UNDERPOWERED : EVIDENCE_UNDECIDED;
}

bool evidence_decide(Evidence *out, const BaseDifference *base, size_t finished, EvidenceRule rule, Error *e)
{
    double d[SIGN_FLIP_MAX];
    size_t reached = 0;
    if (rule.bases > SIGN_FLIP_MAX || finished > rule.bases)
        return error_set(e, "verdict: %zu bases of %zu registered ones, expected no more than registered, and at most %d", finished,
                         rule.bases, SIGN_FLIP_MAX);
    *out = (Evidence){ .kind = EVIDENCE_UNDECIDED, .p = 1, .finished = finished };
    for (size_t k = 0; k < finished; k++) {
        out->base[k] = base[k];
        if (base[k].reached)
            d[reached++] = base[k].difference;
    }
    out->reached = reached;
    if (reached < 2)
        return true;
    if (!interval_of(&out->interval, d, reached, e) || !sign_flip_p(&out->p, d, reached, e))
        return false;
    if (finished == rule.bases && reached + 1 >= finished)
        out->kind = kind_of(out->interval, rule);
    return true;
}

void evidence_in_order(Evidence *findings, size_t count)
{
    for (size_t k = 1; k < count; k++)
        if (findings[k - 1].kind != EVIDENCE_YES)
            findings[k].kind = EVIDENCE_NOT_TESTED;
}
