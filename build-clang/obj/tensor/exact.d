build-clang/obj/tensor/exact.o: tensor/exact.c tensor/exact.h \
  tensor/float.h tensor/error.h

tensor/exact.h:

tensor/float.h:

tensor/error.h:
