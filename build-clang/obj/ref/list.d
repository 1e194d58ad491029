build-clang/obj/ref/list.o: ref/list.c ref/command.h tensor/error.h \
  ref/commands.def ref/options.h ref/table.h tensor/op.h tensor/tensor.h \
  tensor/arena.h

ref/command.h:

tensor/error.h:

ref/commands.def:

ref/options.h:

ref/table.h:

tensor/op.h:

tensor/tensor.h:

tensor/arena.h:
