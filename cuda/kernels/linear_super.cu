// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Products with matrices in blocks of 256.

#include "linear.hpp"

namespace worker::kernels {

cudaError_t launch_super_rows(const LinearArguments& arguments, const LinearLaunch& how) {
    switch (how.type) {
        case TensorType::Q4_K:
            return how.order == Order::Blocks ? launch_rows<SuperRow<TensorType::Q4_K, true>>(arguments, how)
                                              : launch_rows<SuperRow<TensorType::Q4_K, false>>(arguments, how);
        case TensorType::Q5_K:
            return launch_rows<SuperRow<TensorType::Q5_K, false>>(arguments, how);
        case TensorType::Q6_K:
            return launch_rows<Q6Row>(arguments, how);
        default:
            return cudaErrorInvalidValue;
    }
}

}  // namespace worker::kernels
