// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Products with F32, F16, BF16 and MXFP4 matrices.

#include "linear.hpp"

namespace worker::kernels {

cudaError_t launch_float_rows(const LinearArguments& arguments, const LinearLaunch& how) {
    const bool prompt = how.order == Order::Prompt;
    switch (how.type) {
        case TensorType::F32:
            return prompt ? launch_rows<FloatRow<TensorType::F32, 16>>(arguments, how)
                          : launch_rows<FloatRow<TensorType::F32, 64>>(arguments, how);
        case TensorType::F16:
            return prompt ? launch_rows<FloatRow<TensorType::F16, 16>>(arguments, how)
                          : launch_rows<FloatRow<TensorType::F16, 64>>(arguments, how);
        case TensorType::BF16:
            return launch_rows<FloatRow<TensorType::BF16, 64>>(arguments, how);
        case TensorType::MXFP4:
            return launch_rows<Mxfp4Row>(arguments, how);
        default:
            return cudaErrorInvalidValue;
    }
}

}  // namespace worker::kernels
