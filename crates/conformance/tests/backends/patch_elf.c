/* Changes a built library in place: patch_elf no-sections|no-machine|cut|text FILE. */
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    FILE *file = fopen(argv[2], "r+b");
    Elf64_Ehdr header;
    if (file == NULL || fread(&header, sizeof header, 1, file) != 1) return 1;
    if (strcmp(argv[1], "no-sections") == 0) {
        /* The loader reads segments alone; a reader of sections finds nothing. */
        header.e_shoff = 0;
        header.e_shnum = 0;
        header.e_shstrndx = 0;
    } else if (strcmp(argv[1], "no-machine") == 0) {
        header.e_machine = EM_MIPS;
    } else if (strcmp(argv[1], "cut") == 0) {
        return ftruncate(fileno(file), 3000) != 0;
    } else if (strcmp(argv[1], "text") == 0) {
        static const char text[] = "This is no library, whatever its name says.\n";
        rewind(file);
        if (fwrite(text, sizeof text - 1, 1, file) != 1) return 1;
        fflush(file);
        return ftruncate(fileno(file), (off_t)(sizeof text - 1)) != 0;
    } else return 2;
    rewind(file);
    return fwrite(&header, sizeof header, 1, file) != 1 || fclose(file) != 0;
}
