# The nvcc flavour: kernels for GPUs, NVIDIA's runtime linked statically.

set(WORKER_CUDA_HOST OFF)
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    # Machine code for sm_90, and PTX that later devices compile; `80-real;90` adds sm_80.
    set(CMAKE_CUDA_ARCHITECTURES 90)
endif()
set(CMAKE_CUDA_RUNTIME_LIBRARY None)
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    # `make cuda-toolkit` puts one into target/.
    find_program(CMAKE_CUDA_COMPILER nvcc
        HINTS $ENV{CUDA_HOME}/bin
        PATHS /usr/local/cuda/bin ${CMAKE_CURRENT_SOURCE_DIR}/../target/cuda-toolkit/nvidia/cu13/bin)
    if(NOT CMAKE_CUDA_COMPILER)
        message(FATAL_ERROR "there is no nvcc: run `make cuda-toolkit`, or set CUDACXX or CUDA_HOME")
    endif()
endif()
enable_language(CUDA)
# Older CMakes do not know that nvcc has this dialect.
foreach(form STANDARD EXTENSION)
    if(NOT CMAKE_CUDA20_${form}_COMPILE_OPTION)
        set(CMAKE_CUDA20_${form}_COMPILE_OPTION -std=c++20)
    endif()
endforeach()
set(CMAKE_CUDA_STANDARD 20)

# By hand: CMake's own FindCUDAToolkit wants more than a compiler and a runtime, and older ones fail on CUDA 13.
if(NOT TARGET CUDA::cudart_static)
    find_library(WORKER_CUDART cudart_static REQUIRED NO_DEFAULT_PATH PATHS ${CMAKE_CUDA_IMPLICIT_LINK_DIRECTORIES})
    add_library(CUDA::cudart_static INTERFACE IMPORTED GLOBAL)
    target_include_directories(CUDA::cudart_static SYSTEM INTERFACE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
    target_link_libraries(CUDA::cudart_static INTERFACE ${WORKER_CUDART} Threads::Threads ${CMAKE_DL_LIBS} rt)
endif()

target_compile_options(worker_cuda_options INTERFACE
    $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>
    $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${WORKER_CUDA_WERROR}>>:-Werror=all-warnings>)
