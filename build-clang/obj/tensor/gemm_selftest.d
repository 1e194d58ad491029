build-clang/obj/tensor/gemm_selftest.o: tensor/gemm_selftest.c \
  tensor/exact.h tensor/float.h tensor/error.h tensor/gemm.h \
  tensor/tape.h tensor/op.h tensor/tensor.h tensor/arena.h

tensor/exact.h:

tensor/float.h:

tensor/error.h:

tensor/gemm.h:

tensor/tape.h:

tensor/op.h:

tensor/tensor.h:

tensor/arena.h:
