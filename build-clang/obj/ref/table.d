build-clang/obj/ref/table.o: ref/table.c ref/table.h tensor/error.h \
  tensor/json.h tensor/arena.h tensor/decimal.h

ref/table.h:

tensor/error.h:

tensor/json.h:

tensor/arena.h:

tensor/decimal.h:
