// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Products with matrices in blocks of 32.

#include "linear.hpp"

namespace worker::kernels {

cudaError_t launch_small_rows(const LinearArguments& arguments, const LinearLaunch& how) {
    switch (how.type) {
        case TensorType::Q8_0:
            return launch_rows<Q8Row<true>, Q8Row<false>>(arguments, how);
        case TensorType::Q4_0:
            return how.order == Order::Blocks
                       ? launch_rows<NibbleRow<TensorType::Q4_0, true, true>, NibbleRow<TensorType::Q4_0, true>>(
                             arguments, how)
                       : launch_rows<NibbleRow<TensorType::Q4_0>>(arguments, how);
        case TensorType::Q4_1:
            return launch_rows<NibbleRow<TensorType::Q4_1>>(arguments, how);
        case TensorType::Q5_0:
            return launch_rows<NibbleRow<TensorType::Q5_0>>(arguments, how);
        case TensorType::Q5_1:
            return launch_rows<NibbleRow<TensorType::Q5_1>>(arguments, how);
        default:
            return cudaErrorInvalidValue;
    }
}

}  // namespace worker::kernels
