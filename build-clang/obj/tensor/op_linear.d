build-clang/obj/tensor/op_linear.o: tensor/op_linear.c tensor/gemm.h \
  tensor/tape.h tensor/op.h tensor/tensor.h tensor/arena.h \
  tensor/error.h tensor/ops.h

tensor/gemm.h:

tensor/tape.h:

tensor/op.h:

tensor/tensor.h:

tensor/arena.h:

tensor/error.h:

tensor/ops.h:
