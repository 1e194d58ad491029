build-clang/obj/tensor/gemm_engine.o: tensor/gemm_engine.c \
  tensor/gemm_engine.h

tensor/gemm_engine.h:
