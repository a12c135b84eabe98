# The host flavour: a runtime of the project's own takes the place of NVIDIA's, and kernels are compiled as C++.

file(GLOB runtime_sources CONFIGURE_DEPENDS host/*.cpp)
set_source_files_properties(${device_sources} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-x;c++")

add_library(worker_cuda_runtime INTERFACE)
target_include_directories(worker_cuda_runtime BEFORE INTERFACE host/include host)
target_compile_definitions(worker_cuda_runtime INTERFACE WORKER_CUDA_HOST)
