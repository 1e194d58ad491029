# SPDX-License-Identifier: MIT
# The flags that define the arithmetic stand first; a changed bit is a changed product.
EXACT  = -std=c11                      # not gnu11: GNU mode contracts a*b+c by default
EXACT += -ffp-contract=off             # a*b+c rounds twice, everywhere
EXACT += -fno-fast-math                # and nothing may re-associate
EXACT += -fno-math-errno -fno-trapping-math   # sqrt is one instruction; no flag is ever read
ifneq ($(shell $(CC) --version 2>/dev/null | grep -ci clang),0)
CLANG = yes
else
EXACT += -fexcess-precision=standard   # (clang has no excess precision on what we support)
endif

# What may be chosen: make BLAS=builtin CC=clang OPT=-O0 SAN=1 …; each choice builds in its own folder.
CC    ?= cc
OPT   ?= -O3
BLAS  ?= openblas
SAN   ?=
BUILD ?= build
PREFIX ?= /usr/local
VERSION = 0.1.0

ROOMS = tensor model unlearn eval ref  # each may include only those to its left
WARN  = -Wall -Wextra -Werror -Wno-psabi
DEFS  = -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -DPULSE_VERSION='"$(VERSION)"' -DPULSE_BLAS_$(BLAS) -DPULSE_BLAS='"$(BLAS)"'
CFLAGS = $(EXACT) $(OPT) -g -fopenmp $(WARN) $(DEFS) -I. -MMD -MP
LDLIBS = -linih -ljansson -lmd -lm

ifeq ($(BLAS),openblas)
LDLIBS += -l:libopenblas.so
LDFLAGS += $(addprefix -L,$(wildcard /usr/lib/$(shell $(CC) -dumpmachine | sed 's/-pc-/-/;s/-unknown-/-/')/openblas-openmp /usr/lib64/openblas-openmp))
else ifeq ($(BLAS),netlib)
LDLIBS += -l:libblas.so.3
LDFLAGS += $(addprefix -L,$(wildcard /usr/lib/$(shell $(CC) -dumpmachine | sed 's/-pc-/-/;s/-unknown-/-/')/blas))
else ifeq ($(BLAS),blis)
LDLIBS += -lblis
endif
ifneq ($(SAN),)
CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif

SOURCES = $(foreach room,$(ROOMS),$(wildcard $(room)/*.c))
OBJECTS = $(SOURCES:%.c=$(BUILD)/obj/%.o)
LIBRARY = $(filter-out $(BUILD)/obj/ref/%,$(OBJECTS))
TESTS   = $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/test_*.c))
SUPPORT = $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out tests/test_%.c tests/bench_%.c tests/exhaustive_%.c,$(wildcard tests/*.c)))

.SECONDEXPANSION:
.SECONDARY:
all: $(BUILD)/pulse-ref $(BUILD)/libpulseref.a

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c $< -o $@

$(BUILD)/libpulseref.a: $(LIBRARY)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/pulse-ref: $(filter $(BUILD)/obj/ref/%,$(OBJECTS)) $(BUILD)/libpulseref.a
	$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(BUILD)/test_% $(BUILD)/bench_% $(BUILD)/exhaustive_%: $(BUILD)/obj/tests/$$(@F).o $(SUPPORT) $(BUILD)/libpulseref.a
	$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -lcmocka -lmpfr -lgmp -o $@

.PHONY: all test clean
clean:
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d)
