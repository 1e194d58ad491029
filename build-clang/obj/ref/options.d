build-clang/obj/ref/options.o: ref/options.c ref/options.h ref/command.h \
  tensor/error.h ref/commands.def tensor/json.h tensor/arena.h \
  tensor/decimal.h

ref/options.h:

ref/command.h:

tensor/error.h:

ref/commands.def:

tensor/json.h:

tensor/arena.h:

tensor/decimal.h:
