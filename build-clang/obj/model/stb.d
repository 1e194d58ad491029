build-clang/obj/model/stb.o: model/stb.c
