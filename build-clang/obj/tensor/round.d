build-clang/obj/tensor/round.o: tensor/round.c tensor/round.h \
  tensor/float.h tensor/error.h

tensor/round.h:

tensor/float.h:

tensor/error.h:
