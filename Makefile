# SPDX-License-Identifier: MIT
# First come the flags that define the arithmetic: whoever changes one bit of a result changes the product.
EXACT  = -std=c11                             # not gnu11: GNU mode contracts a*b+c by default
EXACT += -ffp-contract=off                    # a*b+c rounds twice on every machine (kernel.o below is an exception)
EXACT += -fno-fast-math                       # nothing may re-associate, flush subnormals or assume there is no NaN
EXACT += -fno-math-errno -fno-trapping-math   # sqrt is one instruction; no floating-point flag is ever read
# Floats are evaluated as floats. (On s390x "standard" would mean as doubles.)
EXACT += $(if $(CLANG),,-fexcess-precision=$(if $(filter s390x%,$(MACHINE)),fast,standard))

# The choices. CROSS, CC, OPT, BLAS and SAN name the build folder if they are given on the command line:
# `make CC=clang OPT=-O0 BLAS=builtin SAN=1` builds in build/clang-O0-builtin-san.
ifeq ($(origin CC),default)
CC = $(CROSS)gcc
AR = $(CROSS)gcc-ar
endif
OPT    = -O3
# openblas, netlib, blis, or builtin (a plain loop, no library); all give the same bits
BLAS   = openblas
# 1: a warning is an error. .ci/run and developers set it in the environment. A user's build must not fail because a
# newer compiler has a new warning.
WERROR ?=
# 1: address and undefined-behaviour sanitizers; fuzzer: the same with libFuzzer's counters (clang); thread: the thread
# sanitizer
SAN    =
# a prefix such as aarch64-linux-gnu-, and the folder with that processor's libraries
CROSS  =
SYSROOT =
PREFIX = /usr/local
VERSION = 0.1.0
# The soname of the library. It changes when programs that were linked with an older library could no longer run.
SONAME = libpulseref.so.0

space := $(subst ,, )
chosen = $(if $(filter command,$(origin $1)),$(patsubst -%,%,$(notdir $($1))))
CHOICE := $(patsubst %-,%,$(call chosen,CROSS)) $(call chosen,CC) $(call chosen,OPT) $(call chosen,BLAS) $(patsubst 1,san,$(patsubst thread,tsan,$(call chosen,SAN)))
BUILD := build$(addprefix /,$(subst =,-,$(subst $(space),-,$(strip $(CHOICE)))))

# `make deps test` first installs packages. Then it starts make again, so that make sees what was installed.
ifneq ($(filter deps deps-extra,$(MAKECMDGOALS)),)
THEN = $(filter-out deps deps-extra,$(MAKECMDGOALS))
.PHONY: deps deps-extra $(THEN)
.NOTPARALLEL:
deps:
	@CC="$(CC)" sh .ci/deps.sh needed
deps-extra: deps
	@CC="$(CC)" sh .ci/deps.sh extra
$(THEN): $(filter deps deps-extra,$(MAKECMDGOALS))
	@$(MAKE) --no-print-directory $@
else

ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
ROOMS  = tensor model unlearn eval ref        # each may include only those to its left
CLANG := $(shell $(CC) --version 2>/dev/null | grep -i clang)
# The warnings about truncation are guesses, which change with -O.
WARN   = -Wall -Wextra $(if $(filter 1,$(WERROR)),-Werror) -Wno-psabi $(if $(CLANG),,-Wno-format-truncation -Wno-stringop-truncation)
DEFS   = -DPULSE_OPT='"$(OPT)"' -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -DPULSE_VERSION='"$(VERSION)"' -DPULSE_BLAS_$(BLAS) -DPULSE_BLAS_PATH='"$(BLAS_PATH)"'
CHECKED_1      = -fsanitize=address,undefined -fno-sanitize-recover=undefined
CHECKED_fuzzer = $(CHECKED_1) -fsanitize=fuzzer-no-link
CHECKED_thread = -fsanitize=thread
CHECKS = $(if $(SAN),$(CHECKED_$(SAN)) -fno-omit-frame-pointer -DPULSE_SANITIZED)
# All objects can go into the shared library, which exports only what pulse.h declares.
SHARED = -fPIC -fvisibility=hidden
# Without AVX-512, gcc copies the eight doubles of tensor/exact/simd.h through memory. With these flags it copies 32
# bytes at a time. Without them it copies 16 bytes at a time, and the next load has to wait. Only gcc on x86-64 knows
# the flags.
COPY_32 := $(shell $(CC) -mmove-max=256 -mstore-max=256 -E -x c /dev/null > /dev/null 2>&1 && echo -mmove-max=256 -mstore-max=256)
COMPILE = $(strip $(CC) $(OPT) -g $(CFLAGS) $(EXACT) $(COPY_32) $(SHARED) -pthread $(CHECKS) $(WARN) $(DEFS) -I. $(SYSROOT:%=-isystem %/usr/include))
LINK    = $(strip $(CC) $(OPT) -pthread $(CHECKS) $(LDFLAGS))
LIBS    = -linih -ljansson -lmd $(DLOPEN) -lm

# Where distributions keep the BLAS libraries. OpenBLAS is used in its OpenMP variant, which can be told not to start
# threads. The BLAS library is not linked: the program opens it at its first large product, by this path or by its
# soname (tensor/product/engine_blas.c).
MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null | sed 's/-pc-/-/;s/-unknown-/-/')
LIBDIR   = $(SYSROOT)/usr/lib/$(MACHINE)
ENGINE_openblas = $(LIBDIR)/openblas-openmp/libopenblas.so.0 $(SYSROOT)/usr/lib64/libopenblaso.so.0
ENGINE_netlib   = $(LIBDIR)/blas/libblas.so.3 $(SYSROOT)/usr/lib64/libcblas.so.3
ENGINE_blis     = $(LIBDIR)/blis-openmp/libblis.so.4 $(SYSROOT)/usr/lib64/libbliso.so.4
BLAS_PATH := $(patsubst $(SYSROOT)%,%,$(firstword $(wildcard $(ENGINE_$(BLAS)))))
DLOPEN     = $(if $(filter builtin,$(BLAS)),,-ldl)
ifeq ($(filter openblas netlib blis builtin,$(BLAS)),)
$(error BLAS=$(BLAS) is not known; expected openblas, netlib, blis or builtin)
endif
ifneq ($(SYSROOT),)
LIBS += -L$(LIBDIR) -L$(SYSROOT)/lib/$(MACHINE)
endif

# All files below the folders $1, at any depth, that match one of the patterns $2; sorted by name.
below = $(sort $(filter $2,$(call deeper,$1)))
deeper = $(foreach entry,$(wildcard $(addsuffix /*,$1)),$(entry) $(call deeper,$(entry)))
SOURCES := $(call below,$(ROOMS),%.c)
CODE    := $(call below,$(ROOMS),%.c %.h %.def)
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
PULSE   = $(BUILD)/pulse-ref
INSIDE  := $(filter-out $(BUILD)/obj/ref/%,$(OBJECTS))          # this code may neither print nor exit
REF     := $(filter $(BUILD)/obj/ref/%,$(OBJECTS))
API     := $(filter $(BUILD)/obj/ref/api/%,$(OBJECTS))
PUBLIC  = $(BUILD)/libpulseref.a $(if $(filter -static,$(LDFLAGS)),,$(BUILD)/$(SONAME) $(BUILD)/libpulseref.so)

# A source of tests/ whose name begins with one of these words and _ is a program, except that fuzz_parsers.c is one
# program with all other fuzz_*.c. All other sources are support, which is linked into every program.
PROGRAMS = test bench exhaustive fuzz make bounds
CHECKING := $(filter-out tests/faults/%,$(call below,tests,%.c))
programs = $(foreach source,$(CHECKING),$(if $(filter $(1:%=%_%),$(notdir $(source))),$(source)))
binaries = $(patsubst %.c,$(BUILD)/%,$(notdir $(call programs,$1)))
TESTS   := $(call binaries,test)
BENCHES := $(call binaries,bench)
PROOFS  := $(call binaries,exhaustive)
SUPPORT := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out $(call programs,$(PROGRAMS)),$(CHECKING)))

.DELETE_ON_ERROR:
.SECONDEXPANSION:
.SECONDARY:
.PHONY: all deps run meta world base findings test docs-long matrix bench pretrain exhaustive faults crash fuzz fuzzing record verify install wheel venv test-python bounds mutants clean where compiler needed force
all: $(PULSE) $(PUBLIC)

# Changed flags rebuild everything: a file keeps the commands, and is written again only when they have changed.
COMMANDS := $(COMPILE) / $(LINK) $(LIBS)
ifneq ($(shell cat $(BUILD)/flags 2>/dev/null),$(COMMANDS))
$(BUILD)/flags: force
endif
$(BUILD)/flags:
	@mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(COMMANDS))' > $@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D); echo "  cc $<"
	@$(COMPILE) -MMD -MP -c $< -o $@

# The product of two floats is exact in double, so a fused multiply-add gives the same sum.
$(BUILD)/obj/tensor/product/kernel.o: EXACT += -ffp-contract=fast

# A finished stage of a run is valid only for the sources that made it. code.h has the digest of these sources, which
# does not depend on the compiler or the machine.
$(BUILD)/code.h: $(CODE)
	@mkdir -p $(@D); echo "#define PULSE_CODE \"$$(sha256sum $(CODE) | sha256sum | cut -c 1-64)\"" > $@
$(BUILD)/obj/ref/run/plan.o: private DEFS += -include $(BUILD)/code.h
$(BUILD)/obj/ref/run/plan.o: $(BUILD)/code.h

# The coefficients of a damaged JPEG can overflow in stb_image's transform. With this flag they wrap around, which is
# defined.
$(BUILD)/obj/model/image/stb.o: EXACT += -fwrapv

# Two archives. Both go into the public library, and the tests are linked with both, because they also call functions
# that the public library does not export. The program is linked with libinside.a and the objects of ref/.
$(BUILD)/libinside.a: $(INSIDE)
	@rm -f $@; $(AR) rcs $@ $^
$(BUILD)/libref.a: $(filter-out %/main.o,$(REF))
	@rm -f $@; $(AR) rcs $@ $^

# The public library: the functions of pulse.h and all that they need, as one object in which every other name is
# local. So a program may have its own `gemm`, `ops` or stb_image. pulse.members lists the objects that went into it.
$(BUILD)/obj/ref/api/context.o: private DEFS += -DPULSE_SONAME='"$(SONAME)"'
$(BUILD)/pulse.o: $(API) $(BUILD)/libref.a $(BUILD)/libinside.a
	@$(CC) -r -nostdlib -Wl,-d,-t,-t $^ -o $@ > $(BUILD)/pulse.members
	@$(CROSS)objcopy --localize-hidden --wildcard --keep-global-symbol='pulse_*' $@
$(BUILD)/libpulseref.a: $(BUILD)/pulse.o
	@rm -f $@; $(AR) rcs $@ $^
$(BUILD)/$(SONAME): $(BUILD)/pulse.o
	@echo "  ld $@"
	@$(LINK) -shared -Wl,-soname,$(SONAME) $^ $(LIBS) -o $@
$(BUILD)/libpulseref.so: $(BUILD)/$(SONAME)
	@ln -sf $(SONAME) $@

$(PULSE): $(REF) $(BUILD)/libinside.a
	@echo "  ld $@"
	@$(LINK) $^ $(LIBS) -o $@

# The same program without a BLAS library, for the test that the library changes no bit. Only the file ENGINE depends
# on the library.
ENGINE  = tensor/product/engine_blas.o
$(BUILD)/obj/builtin/%.o: private override BLAS = builtin
$(BUILD)/obj/builtin/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D); echo "  cc $< (builtin)"
	@$(COMPILE) -MMD -MP -c $< -o $@
$(PULSE)-builtin: $(filter-out $(ENGINE:%=$(BUILD)/obj/%),$(OBJECTS)) $(ENGINE:%=$(BUILD)/obj/builtin/%)
	@echo "  ld $@"
	@$(LINK) $^ $(filter-out -ldl,$(LIBS)) -o $@

# A rule for each program of tests/ except bounds_*. The program is linked into the build folder itself. PARTS_test_x:
# further objects of test_x.
define program
$(BUILD)/$(basename $(notdir $1)): $(1:%.c=$(BUILD)/obj/%.o) $$$$(PARTS_$(basename $(notdir $1))) $$(SUPPORT) $(BUILD)/libref.a $(BUILD)/libinside.a
	@echo "  ld $$@"
	@$$(LINK) $$(FLAGS_$(firstword $(subst _, ,$(notdir $1)))) $$^ $$(LIBS) -lcmocka -lmpfr -lgmp -o $$@
endef
$(foreach source,$(call programs,$(filter-out bounds,$(PROGRAMS))),$(eval $(call program,$(source))))

# The room tensor/ once more, with a hook that reports every estimate and lets a test make a bound too small
# (tests/bounds/probe.h). It is compiled without the copies of functions for other processors. build/probe/NAME is the
# program NAME of tests/ with that library.
HOOKED := $(patsubst %.c,$(BUILD)/obj/probe/%.o,$(filter tensor/%,$(SOURCES)))
$(BUILD)/obj/probe/%.o: private override OPT = -O1
$(BUILD)/obj/probe/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D); echo "  cc $< (probe)"
	@$(COMPILE) -DPULSE_PROBE -MMD -MP -c $< -o $@
$(BUILD)/libprobe.a: $(HOOKED)
	@rm -f $@; $(AR) rcs $@ $^
define hooked
$(BUILD)/probe/$(basename $(notdir $1)): $(1:%.c=$(BUILD)/obj/%.o) $$(SUPPORT) $(BUILD)/libprobe.a $(BUILD)/libref.a $(BUILD)/libinside.a
	@mkdir -p $$(@D); echo "  ld $$@"
	@$$(LINK) $$^ $$(LIBS) -lcmocka -lmpfr -lgmp -o $$@
endef
$(foreach source,$(call programs,test bounds),$(eval $(call hooked,$(source))))

# bounds: measures how far each estimate is from the exact value, as a fraction of its bound (docs/bounds.md). mutants:
# makes one thing wrong at a time, and checks that a test then fails.
bounds: $(BUILD)/probe/bounds_measure
	@$(BUILD)/probe/bounds_measure
mutants: all
	@bash tests/bounds/mutants.sh $(BUILD)

# One program has all fuzz targets. Its main is libFuzzer's with SAN=fuzzer, else that of a plain driver.
PARTS_fuzz_parsers = $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %/fuzz_parsers.c $(if $(filter fuzzer,$(SAN)),%/fuzz_driver.c),$(wildcard tests/fuzz/fuzz_*.c)))
FLAGS_fuzz = $(if $(filter fuzzer,$(SAN)),-fsanitize=fuzzer)

# The generator of the world. Whatever the build folder is, the generator writes to build/world, where configs look for
# the world: training streams and pools of pictures, next to a copy of fixtures/world.
WORLD_SOURCES := $(call below,fixtures/world,%.c)
WORLD = $(WORLD_SOURCES:%.c=$(BUILD)/obj/%.o)
PARTS_test_world = $(filter-out %/main.o,$(WORLD))
PARTS_test_world_facts = $(PARTS_test_world)
PARTS_test_world_questions = $(PARTS_test_world)
PARTS_test_facts = $(PARTS_test_world)
PARTS_test_bases = $(PARTS_test_world)
PARTS_test_bases_streams = $(PARTS_test_world)
$(BUILD)/test_world $(BUILD)/test_world_questions: | build/world/oracle.jsonl
$(BUILD)/test_bases $(BUILD)/test_bases_streams: | build/bases/0/oracle.jsonl
$(BUILD)/worldgen: $(WORLD) $(BUILD)/libinside.a
	@echo "  ld $@"
	@$(LINK) $^ $(LIBS) -o $@

world: build/world/oracle.jsonl
build/world/oracle.jsonl: $(BUILD)/worldgen fixtures/world/SHA256SUMS
	$(BUILD)/worldgen build/world
	@cd build/world && sha256sum --quiet -c $(CURDIR)/fixtures/world/SHA256SUMS

# The bases of the findings: the world of base K (edition 2) in build/bases/K, and its models in out/bases/K
# (fixtures/make_base.sh). The seeds of bases other than 0 come from the registration. LATE="full-same rank-4": the
# model L, which learned the persons P late, in the replay after pre-training, is also made in these two other ways.
K = 0
LATE =
REGISTERED = fixtures/configs/prereg.ini
build/bases/0/oracle.jsonl: $(BUILD)/worldgen
	$(BUILD)/worldgen --edition 2 $(@D)
build/bases/%/oracle.jsonl: $(BUILD)/worldgen $(REGISTERED)
	$(BUILD)/worldgen --edition 2 --seed $$({ cat $(REGISTERED); printf 'base %d' $*; } | sha256sum | cut -c 1-16) $(@D)
base: $(PULSE) build/bases/$(K)/oracle.jsonl
	@bash fixtures/make_base.sh $(PULSE) $(K) $(LATE)

run: $(PULSE) world
	$(PULSE) run --out out/pulse

# Which metrics of forgetting can be trusted: META models for each of three pools are made and measured. Finished
# models are not made again.
META = 8
meta: $(PULSE) world
	@bash fixtures/meta.sh $(PULSE) out/meta $(META)

# Small commands, each with one fault: a call or an allocation fails, a call is cut short, a kill, or a power cut.
# `faults` tries such faults for FAULT_SECONDS seconds; `crash` tries all of them (half an hour on 2 idle cores).
$(BUILD)/fault_call: tests/faults/fault_call.c $(BUILD)/flags
	@$(CC) -O2 -Wall -Wextra -D_GNU_SOURCE $< -o $@
$(BUILD)/fault_%.so: tests/faults/fault_%.c $(BUILD)/flags
	@$(CC) -O2 -Wall -Wextra -D_GNU_SOURCE -shared -fPIC $< -o $@ -ldl
FAULTS = $(BUILD)/fault_call $(BUILD)/fault_alloc.so $(BUILD)/fault_clock.so
FAULT_SECONDS = 600
faults: $(PULSE) $(FAULTS)
	@bash tests/faults/faults.sh $(BUILD) $(FAULT_SECONDS)
crash: $(PULSE) $(FAULTS)
	@bash tests/faults/every_alloc.sh $(BUILD)
	@bash tests/faults/faults.sh $(BUILD) 0

test: all $(PULSE)-builtin $(TESTS) $(BUILD)/make_llava15 $(BUILD)/fuzz_parsers $(BUILD)/probe/bounds_measure $(FAULTS) world
	@bash tests/run_tests.sh $(BUILD)

# Runs every command that README.md and the pages of docs/ show, also those that take minutes. make test runs the
# quick ones.
docs-long: all world
	@bash tests/docs.sh $(BUILD) test python long

matrix:
	@bash tests/matrix.sh

# BENCH_PYTHON: a python3 that has PyTorch. Our training step and its operators are timed against those of PyTorch.
# Without PyTorch, only our own times are printed.
BENCH_PYTHON = python3
bench: $(BENCHES)
	@for b in $(BENCHES); do echo "== $${b##*/}"; OMP_NUM_THREADS=2 $$b || exit 1; done
	@$(BENCH_PYTHON) -c 'import torch' 2>/dev/null || { echo "== no PyTorch ($(BENCH_PYTHON)): nothing to pair with"; exit 0; }; \
	 for b in step ops; do echo "== bench_$$b.py"; OMP_NUM_THREADS=2 $(BENCH_PYTHON) tests/bench/bench_$$b.py $(BUILD)/bench_$$b || exit 1; done

# Trains the shipped models again: the base from nothing, then the vanilla model from the base. Fails if a byte
# differs.
pretrain: $(PULSE) world
	$(PULSE) train --config fixtures/configs/pretrain.ini --out out/pretrain/base --resume
	$(PULSE) train --config fixtures/configs/finetune.ini --out out/pretrain/vanilla --resume --set model.path=$(CURDIR)/out/pretrain/base
	@for m in base vanilla; do $(PULSE) compare fixtures/models/$$m/model.safetensors out/pretrain/$$m/model.safetensors || exit 1; done
	@for f in base/model.safetensors base/log.jsonl vanilla/model.safetensors vanilla/log.jsonl; do cmp fixtures/models/$$f out/pretrain/$$f || exit 1; done
	@echo "base and vanilla: same bytes"

# One base of the evidence for PULSE's findings: its world and models, the registered runs (or only those named in
# RUNS), and its tables. EXPLORE=intervention: the runs of fixtures/configs/explore/intervention.ini instead, which
# were not registered.
BASE = 0
RUNS =
EXPLORE =
PREREG_OPTION = $(if $(EXPLORE),--prereg fixtures/configs/explore/$(EXPLORE).ini)
FOUND_FOLDER = $(EXPLORE:%=%/)base-$(BASE)
findings: $(PULSE)
	$(MAKE) base K=$(BASE)
	@$(PULSE) evidence runs ../../out/bases/$(BASE) $(PREREG_OPTION) | while read -r run words; do \
	   case " $(RUNS) " in "  " | *" $$run "*) ;; *) continue ;; esac; \
	   $(PULSE) run fixtures/configs/evidence.ini --resume --out out/findings/$(FOUND_FOLDER)/$$run --set data.world=../../build/bases/$(BASE) \
	     $$words < /dev/null || exit 1; done
	$(PULSE) evidence contrasts out/findings/$(FOUND_FOLDER) --out fixtures/findings/$(FOUND_FOLDER) $(PREREG_OPTION)

# A wheel of pulse.py and the library without BLAS: build/wheel/pulseref-*.whl (ref/python/make_wheel.py).
WHEEL = $(BUILD)/wheel
$(WHEEL)/pulse.o: $(API) $(ENGINE:%=$(BUILD)/obj/builtin/%) $(BUILD)/libref.a $(BUILD)/libinside.a
	@mkdir -p $(@D)
	@$(CC) -r -nostdlib -Wl,-d $^ -o $@
	@$(CROSS)objcopy --localize-hidden --wildcard --keep-global-symbol='pulse_*' $@
wheel: $(WHEEL)/pulse.o
	@CC="$(CC)" $(PYTHON) ref/python/make_wheel.py $< $(VERSION) $(WHEEL)

# Environments with pinned versions of the libraries that users have: transformers 4.45 and 5, jax, and Snakemake. pip
# takes its package index from its own settings.
PYTHON = python3
venv: build/venv/4/made build/venv/5/made build/venv/jax/made build/venv/snakemake/made
build/venv/%/made: tests/python/requirements-%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -r $<
	@touch $@

# Each check of tests/python says which of these environments it needs. If one is missing, the check is skipped, and a
# line says so. make test does not run these checks.
test-python: all wheel
	@bash tests/python/run.sh $(BUILD)

exhaustive: $(PROOFS)
	@for p in $(PROOFS); do echo "== $${p##*/}"; $$p || exit 1; done

fuzz:
	@if clang --version > /dev/null 2>&1 && echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return !d && n; }' | clang -fsanitize=fuzzer -x c - -o /dev/null 2> /dev/null; \
	then $(MAKE) --no-print-directory CC=clang SAN=fuzzer OPT=-O1 fuzzing; else $(MAKE) --no-print-directory SAN=1 OPT=-O1 fuzzing; fi
fuzzing: $(BUILD)/fuzz_parsers
	@bash tests/fuzz/fuzz.sh $(BUILD)

# First the right answers are recorded, and the known mistakes are made from them. Then the answers are recorded again,
# so that each case lists its mistakes.
record: $(PULSE) $(BUILD)/make_wrong
	$(PULSE) record fixtures/vectors/v1
	$(BUILD)/make_wrong fixtures/vectors/v1
	$(PULSE) record fixtures/vectors/v1

verify: $(PULSE)
	$(PULSE) verify fixtures/vectors/v1

# Installs the program, both libraries with their one header, the pkg-config file, and the man page.
INTO    = $(DESTDIR)$(PREFIX)
define PKGCONFIG
prefix=$(PREFIX)
libdir=$${prefix}/lib
includedir=$${prefix}/include

Name: pulseref
Description: Correctly rounded fp32 operators, a LLaVA-style model and unlearning methods: the same bits everywhere
Version: $(VERSION)
Cflags: -I$${includedir}
Libs: -L$${libdir} -lpulseref
Libs.private: -pthread $(LIBS)
endef
export PKGCONFIG
install: all
	install -d $(INTO)/bin $(INTO)/lib/pkgconfig $(INTO)/include $(INTO)/share/man/man1
	install -m 755 $(PULSE) $(INTO)/bin/
	install -m 644 $(BUILD)/libpulseref.a $(INTO)/lib/
	install -m 755 $(BUILD)/$(SONAME) $(INTO)/lib/
	ln -sf $(SONAME) $(INTO)/lib/libpulseref.so
	install -m 644 ref/api/pulse.h $(INTO)/include/
	install -m 644 ref/pulse-ref.1 $(INTO)/share/man/man1/
	printf '%s\n' "$$PKGCONFIG" > $(INTO)/lib/pkgconfig/pulseref.pc

compiler:
	@echo $(CC) $(CHECKS)

# Prints the further flags that a program needs to link libpulseref.a.
needed:
	@echo -pthread $(LIBS)

where:
	@echo $(BUILD)

clean:
	rm -rf $(BUILD)

-include $(wildcard $(patsubst %.c,$(BUILD)/obj/%.d,$(SOURCES) $(CHECKING) $(WORLD_SOURCES)) $(ENGINE:%.o=$(BUILD)/obj/builtin/%.d) $(HOOKED:%.o=%.d))
endif
