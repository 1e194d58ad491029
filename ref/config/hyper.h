/* SPDX-License-Identifier: MIT */
/* Hyper: the hyperparameters of a method and the settings of its optimiser, as the object "hyper" of a case.json
 * (ref/vectors/suite.h). Every fp32 value is written there in decimal and exactly: {"beta": 0.1, "beta.hex":
 * "0x1.99999ap-4", "npo_ratio": "sequence_sum"}. */
#ifndef PULSE_REF_CONFIG_HYPER_H
#define PULSE_REF_CONFIG_HYPER_H

#include "ref/config/settings.h"
#include "tensor/base/json.h"
#include "unlearn/hyperparameters.h"

/* Every key of hyperparameters.def for which hyperparameter_stated is true, with its recorded name
 * (hyperparameter_recorded) and the value in force. */
json_t *hyper_parameters(const Hyperparameters *v);
/* The keys of one section: "optimiser", "lora". A key that is marked UNLESS_DEFAULT is there only where it is given,
 * because recorded cases are older than such a key. */
json_t *hyper_settings(const Settings *s, const char *section);

#endif
