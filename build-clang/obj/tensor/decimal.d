build-clang/obj/tensor/decimal.o: tensor/decimal.c tensor/decimal.h \
  tensor/float.h tensor/error.h

tensor/decimal.h:

tensor/float.h:

tensor/error.h:
