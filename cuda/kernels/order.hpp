// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Which order of sums a product has: the CPU reference has one per type, shape and phase, and the last bits hang on
/// it.
///
/// A sum in another order ends in other bits, a few of these in another rounding of an activation, and then texts part
/// at choices that are no near ties. All orders are fit for a GPU: a few independent sums a row, added up by halves.
#pragma once

#include "kernels.hpp"

namespace worker::kernels {

enum class Order {
    Lanes,   ///< Floats in 64 sums, blocks in eight.
    Prompt,  ///< Floats in 16 sums.
    Blocks,  ///< Each block as one integer, in one sum.
};

constexpr Order order_of(const Matrix& matrix, Phase phase) {
    const bool floats = matrix.type == TensorType::F32 || matrix.type == TensorType::F16;
    if (floats && phase == Phase::Prompt && matrix.tensor_rows % 4 == 0 && matrix.columns % 16 == 0) {
        return Order::Prompt;
    }
    const bool blocks = matrix.type == TensorType::Q4_0 || matrix.type == TensorType::Q4_K;
    return blocks && matrix.tensor_rows % 8 == 0 ? Order::Blocks : Order::Lanes;
}

}  // namespace worker::kernels
