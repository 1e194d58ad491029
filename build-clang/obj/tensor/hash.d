build-clang/obj/tensor/hash.o: tensor/hash.c tensor/hash.h \
  tensor/tensor.h tensor/arena.h tensor/error.h tensor/bytes.h

tensor/hash.h:

tensor/tensor.h:

tensor/arena.h:

tensor/error.h:

tensor/bytes.h:
