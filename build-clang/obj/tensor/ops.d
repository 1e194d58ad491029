build-clang/obj/tensor/ops.o: tensor/ops.c tensor/ops.h tensor/tape.h \
  tensor/op.h tensor/tensor.h tensor/arena.h tensor/error.h \
  tensor/ops.def

tensor/ops.h:

tensor/tape.h:

tensor/op.h:

tensor/tensor.h:

tensor/arena.h:

tensor/error.h:

tensor/ops.def:
