// A model: its weights in device memory. So far the memory is counted, and nothing is copied into it.
#include "backend.hpp"

// TODO LOAD-01: copy the tensors to the device, still quantised (LOAD-07), in pieces, and keep nothing of the file.
CudaModel::CudaModel(CudaContext& context, const char* path) : weights(context.device, my_backend::read_gguf(path)) {}

// TODO FAULT-04: look whether the weights still lie where they were put.
bool CudaModel::is_resident() const noexcept { return weights.bytes() > 0; }
