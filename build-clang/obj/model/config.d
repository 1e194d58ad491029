build-clang/obj/model/config.o: model/config.c model/config.h \
  tensor/arena.h tensor/error.h tensor/file.h tensor/json.h \
  tensor/decimal.h model/config.def

model/config.h:

tensor/arena.h:

tensor/error.h:

tensor/file.h:

tensor/json.h:

tensor/decimal.h:

model/config.def:
