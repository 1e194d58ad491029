build-clang/obj/tensor/op_move.o: tensor/op_move.c tensor/exact.h \
  tensor/float.h tensor/error.h tensor/ops.h tensor/tape.h tensor/op.h \
  tensor/tensor.h tensor/arena.h tensor/round.h

tensor/exact.h:

tensor/float.h:

tensor/error.h:

tensor/ops.h:

tensor/tape.h:

tensor/op.h:

tensor/tensor.h:

tensor/arena.h:

tensor/round.h:
