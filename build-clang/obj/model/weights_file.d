build-clang/obj/model/weights_file.o: model/weights_file.c \
  model/weights_plan.h model/weights.h model/config.h tensor/arena.h \
  tensor/error.h model/name.h tensor/store.h tensor/hash.h \
  tensor/tensor.h tensor/file.h tensor/json.h tensor/decimal.h

model/weights_plan.h:

model/weights.h:

model/config.h:

tensor/arena.h:

tensor/error.h:

model/name.h:

tensor/store.h:

tensor/hash.h:

tensor/tensor.h:

tensor/file.h:

tensor/json.h:

tensor/decimal.h:
