build-clang/obj/tensor/dd.o: tensor/dd.c tensor/dd.h tensor/round.h \
  tensor/float.h tensor/error.h

tensor/dd.h:

tensor/round.h:

tensor/float.h:

tensor/error.h:
