build-clang/obj/ref/main.o: ref/main.c ref/command.h tensor/error.h \
  ref/commands.def ref/doctor.h tensor/op.h tensor/tensor.h \
  tensor/arena.h

ref/command.h:

tensor/error.h:

ref/commands.def:

ref/doctor.h:

tensor/op.h:

tensor/tensor.h:

tensor/arena.h:
