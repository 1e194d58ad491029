build-clang/obj/tensor/tape.o: tensor/tape.c tensor/float.h \
  tensor/error.h tensor/ops.h tensor/tape.h tensor/op.h tensor/tensor.h \
  tensor/arena.h

tensor/float.h:

tensor/error.h:

tensor/ops.h:

tensor/tape.h:

tensor/op.h:

tensor/tensor.h:

tensor/arena.h:
