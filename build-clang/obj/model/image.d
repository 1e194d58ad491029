build-clang/obj/model/image.o: model/image.c model/image.h tensor/arena.h \
  tensor/error.h tensor/file.h

model/image.h:

tensor/arena.h:

tensor/error.h:

tensor/file.h:
