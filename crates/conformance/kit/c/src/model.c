/* A model: its weights in device memory. So far the memory is counted, and nothing is copied into it. */
#include <stdlib.h>

#include "backend.h"

/* TODO LOAD-01: copy the tensors to the device, still quantised (LOAD-07), in pieces, and keep nothing of the file. */
CudaErrorCode model_load(CudaContext* context, const char* path, CudaModel** model) {
    uint64_t bytes = 0;
    CudaErrorCode code = gguf_read(path, &bytes);
    if (code != CUDA_SUCCESS) {
        return code;
    }
    CudaModel* made = calloc(1, sizeof *made);
    if (made == NULL) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    if (!device_take(context->device, bytes)) {
        free(made); /* a failed load gives back what it took (LOAD-08) */
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    made->context = context;
    made->weights = bytes;
    *model = made;
    return CUDA_SUCCESS;
}

void model_unload(CudaModel* model) {
    device_give_back(model->context->device, model->weights);
    free(model);
}

/* TODO FAULT-04: look whether the weights still lie where they were put. */
bool model_is_resident(const CudaModel* model) { return model->weights > 0; }
