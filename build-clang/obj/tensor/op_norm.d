build-clang/obj/tensor/op_norm.o: tensor/op_norm.c tensor/big.h \
  tensor/exact.h tensor/float.h tensor/error.h tensor/ops.h \
  tensor/tape.h tensor/op.h tensor/tensor.h tensor/arena.h \
  tensor/round.h tensor/simd.h

tensor/big.h:

tensor/exact.h:

tensor/float.h:

tensor/error.h:

tensor/ops.h:

tensor/tape.h:

tensor/op.h:

tensor/tensor.h:

tensor/arena.h:

tensor/round.h:

tensor/simd.h:
