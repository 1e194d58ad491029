build-clang/obj/tensor/tensor.o: tensor/tensor.c tensor/tensor.h \
  tensor/arena.h tensor/error.h tensor/float.h

tensor/tensor.h:

tensor/arena.h:

tensor/error.h:

tensor/float.h:
