// SPDX-License-Identifier: Apache-2.0 OR MIT
/// How the three families of rows are launched; each family is compiled by itself.
#pragma once

#include "linear.cuh"
#include "order.hpp"

namespace worker::kernels {

/// What is launched, and how.
struct LinearLaunch {
    TensorType type;
    Order order;
    bool gate_and_up;
    bool one_token;
    int multiprocessors;
    cudaStream_t stream;
};

/// `Single` has the rows of a single token, `Several` those of a prompt: the same numbers, shared by other threads.
template <class Single, class Several = Single>
cudaError_t launch_rows(const LinearArguments& arguments, const LinearLaunch& how) {
    return launch_rows<Single, Several>(arguments, how.gate_and_up, how.one_token, how.multiprocessors, how.stream);
}

/// Whether a prompt's product has tiles, and how they want its activations.
bool tile_format(Format& format, TensorType type, Order order, int columns);
cudaError_t launch_tiles(const LinearArguments& arguments, const LinearLaunch& how);

cudaError_t launch_float_rows(const LinearArguments& arguments, const LinearLaunch& how);
cudaError_t launch_small_rows(const LinearArguments& arguments, const LinearLaunch& how);
cudaError_t launch_super_rows(const LinearArguments& arguments, const LinearLaunch& how);

}  // namespace worker::kernels
