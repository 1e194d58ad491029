build-clang/obj/tensor/store_write.o: tensor/store_write.c tensor/store.h \
  tensor/hash.h tensor/tensor.h tensor/arena.h tensor/error.h \
  tensor/bytes.h tensor/file.h tensor/json.h tensor/decimal.h

tensor/store.h:

tensor/hash.h:

tensor/tensor.h:

tensor/arena.h:

tensor/error.h:

tensor/bytes.h:

tensor/file.h:

tensor/json.h:

tensor/decimal.h:
