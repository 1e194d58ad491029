build-clang/obj/tensor/gemm_wide.o: tensor/gemm_wide.c tensor/gemm_wide.h \
  tensor/gemm.h tensor/tape.h tensor/op.h tensor/tensor.h tensor/arena.h \
  tensor/error.h tensor/gemm_engine.h tensor/simd.h

tensor/gemm_wide.h:

tensor/gemm.h:

tensor/tape.h:

tensor/op.h:

tensor/tensor.h:

tensor/arena.h:

tensor/error.h:

tensor/gemm_engine.h:

tensor/simd.h:
