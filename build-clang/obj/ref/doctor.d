build-clang/obj/ref/doctor.o: ref/doctor.c ref/doctor.h tensor/error.h \
  ref/command.h ref/commands.def ref/options.h tensor/arena.h \
  tensor/float.h tensor/gemm.h tensor/tape.h tensor/op.h tensor/tensor.h

ref/doctor.h:

tensor/error.h:

ref/command.h:

ref/commands.def:

ref/options.h:

tensor/arena.h:

tensor/float.h:

tensor/gemm.h:

tensor/tape.h:

tensor/op.h:

tensor/tensor.h:
