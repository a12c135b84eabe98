/* Reads a GGUF file, version 3. So far its first bytes only: the rest of the header is yours to read and to check. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend.h"

enum { MAGIC_BYTES = 4, HEADER_BYTES = 24, VERSION = 3 };

static bool read_exactly(int file, unsigned char* into, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(file, into + done, size - done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        done += (size_t)got;
    }
    return true;
}

static bool is_model(int file, uint64_t* size) {
    struct stat status;
    unsigned char header[HEADER_BYTES];
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || !read_exactly(file, header, sizeof header)) {
        return false;
    }
    uint32_t version =
        (uint32_t)header[4] | (uint32_t)header[5] << 8 | (uint32_t)header[6] << 16 | (uint32_t)header[7] << 24;
    *size = (uint64_t)status.st_size;
    return memcmp(header, "GGUF", MAGIC_BYTES) == 0 && version == VERSION;
}

/*
 * TODO LOAD-03: read metadata and tensor table, and refuse what does not fit: every count, length and offset is a
 * stranger's number, so check it against what is left of the file before you multiply, allocate or jump by it.
 */
CudaErrorCode gguf_read(const char* path, uint64_t* tensor_bytes) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return CUDA_ERROR_MODEL_LOAD_FAILED;
    }
    bool good = is_model(file, tensor_bytes);
    close(file); /* on every way out (LOAD-11, PROC-03) */
    return good ? CUDA_SUCCESS : CUDA_ERROR_MODEL_LOAD_FAILED;
}
