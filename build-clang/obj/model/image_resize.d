build-clang/obj/model/image_resize.o: model/image_resize.c model/image.h \
  tensor/arena.h tensor/error.h

model/image.h:

tensor/arena.h:

tensor/error.h:
