build-clang/obj/tensor/op_columns.o: tensor/op_columns.c tensor/exact.h \
  tensor/float.h tensor/error.h tensor/ops.h tensor/tape.h tensor/op.h \
  tensor/tensor.h tensor/arena.h tensor/round.h tensor/simd.h

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
