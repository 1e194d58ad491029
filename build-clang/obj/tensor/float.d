build-clang/obj/tensor/float.o: tensor/float.c tensor/float.h \
  tensor/error.h

tensor/float.h:

tensor/error.h:
