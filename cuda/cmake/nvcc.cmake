# The nvcc flavour: kernels for GPUs, NVIDIA's runtime linked statically.

set(WORKER_CUDA_HOST OFF)
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    # Machine code for sm_90, and PTX that later devices compile; `80-real;90` adds sm_80.
    set(CMAKE_CUDA_ARCHITECTURES 90)
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)

target_compile_options(worker_cuda_options INTERFACE
    $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>
    $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${WORKER_CUDA_WERROR}>>:-Werror=all-warnings>)
