build-clang/obj/model/name.o: model/name.c model/name.h tensor/arena.h \
  tensor/error.h

model/name.h:

tensor/arena.h:

tensor/error.h:
