build-clang/obj/tensor/gemm_kernel.o: tensor/gemm_kernel.c \
  tensor/gemm_engine.h tensor/gemm_micro.h

tensor/gemm_engine.h:

tensor/gemm_micro.h:
