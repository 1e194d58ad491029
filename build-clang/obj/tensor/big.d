build-clang/obj/tensor/big.o: tensor/big.c tensor/big.h tensor/exact.h \
  tensor/float.h tensor/error.h tensor/round.h

tensor/big.h:

tensor/exact.h:

tensor/float.h:

tensor/error.h:

tensor/round.h:
