build-clang/obj/tensor/gemm.o: tensor/gemm.c tensor/gemm.h tensor/tape.h \
  tensor/op.h tensor/tensor.h tensor/arena.h tensor/error.h \
  tensor/float.h tensor/gemm_round.h tensor/gemm_engine.h \
  tensor/gemm_wide.h

tensor/gemm.h:

tensor/tape.h:

tensor/op.h:

tensor/tensor.h:

tensor/arena.h:

tensor/error.h:

tensor/float.h:

tensor/gemm_round.h:

tensor/gemm_engine.h:

tensor/gemm_wide.h:
