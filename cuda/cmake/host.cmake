# The host flavour: a runtime of the project's own takes the place of NVIDIA's, and kernels are compiled as C++.

set(WORKER_CUDA_HOST ON)
set(WORKER_CUDA_HOST_ARCHITECTURE x86-64-v3 CACHE STRING "What the host flavour is compiled for; the bits do not hang on it")

add_subdirectory(host)
target_link_libraries(worker_cuda_host_runtime PUBLIC worker_cuda_options)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64)
    target_compile_options(worker_cuda_options INTERFACE -march=${WORKER_CUDA_HOST_ARCHITECTURE})
endif()
