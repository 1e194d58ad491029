build-clang/obj/tensor/file.o: tensor/file.c tensor/file.h tensor/arena.h \
  tensor/error.h

tensor/file.h:

tensor/arena.h:

tensor/error.h:
