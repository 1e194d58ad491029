build-clang/obj/tensor/json.o: tensor/json.c tensor/json.h tensor/arena.h \
  tensor/error.h tensor/decimal.h tensor/file.h

tensor/json.h:

tensor/arena.h:

tensor/error.h:

tensor/decimal.h:

tensor/file.h:
