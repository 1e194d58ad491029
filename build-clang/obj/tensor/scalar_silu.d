build-clang/obj/tensor/scalar_silu.o: tensor/scalar_silu.c \
  tensor/scalar_tier.h tensor/scalar.h tensor/core.h tensor/simd.h \
  tensor/dd.h tensor/round.h tensor/float.h tensor/error.h

tensor/scalar_tier.h:

tensor/scalar.h:

tensor/core.h:

tensor/simd.h:

tensor/dd.h:

tensor/round.h:

tensor/float.h:

tensor/error.h:
