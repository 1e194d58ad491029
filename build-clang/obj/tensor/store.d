build-clang/obj/tensor/store.o: tensor/store.c tensor/store.h \
  tensor/hash.h tensor/tensor.h tensor/arena.h tensor/error.h \
  tensor/bytes.h tensor/json.h tensor/decimal.h

tensor/store.h:

tensor/hash.h:

tensor/tensor.h:

tensor/arena.h:

tensor/error.h:

tensor/bytes.h:

tensor/json.h:

tensor/decimal.h:
