build-clang/obj/model/weights.o: model/weights.c model/weights_plan.h \
  model/weights.h model/config.h tensor/arena.h tensor/error.h \
  model/name.h tensor/store.h tensor/hash.h tensor/tensor.h \
  tensor/random.h model/weights.def

model/weights_plan.h:

model/weights.h:

model/config.h:

tensor/arena.h:

tensor/error.h:

model/name.h:

tensor/store.h:

tensor/hash.h:

tensor/tensor.h:

tensor/random.h:

model/weights.def:
