build-clang/obj/tensor/gemm_round.o: tensor/gemm_round.c \
  tensor/gemm_round.h tensor/gemm.h tensor/tape.h tensor/op.h \
  tensor/tensor.h tensor/arena.h tensor/error.h tensor/gemm_engine.h \
  tensor/exact.h tensor/float.h tensor/simd.h

tensor/gemm_round.h:

tensor/gemm.h:

tensor/tape.h:

tensor/op.h:

tensor/tensor.h:

tensor/arena.h:

tensor/error.h:

tensor/gemm_engine.h:

tensor/exact.h:

tensor/float.h:

tensor/simd.h:
