build-clang/obj/tensor/random.o: tensor/random.c tensor/random.h \
  tensor/hash.h tensor/tensor.h tensor/arena.h tensor/error.h

tensor/random.h:

tensor/hash.h:

tensor/tensor.h:

tensor/arena.h:

tensor/error.h:
