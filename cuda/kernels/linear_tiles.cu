// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Products of prompts that have tiles.

#include "linear.hpp"
#include "tiles_float.cuh"
#include "tiles_small.cuh"

namespace worker::kernels {

bool tile_format(Format& format, TensorType type, Order order, int columns) {
    switch (type) {
        case TensorType::Q8_0:
        case TensorType::Q4_0:
        case TensorType::Q4_1:
        case TensorType::Q5_0:
        case TensorType::Q5_1:
            format = Format::BytesTile;
            return true;
        case TensorType::F32:
        case TensorType::F16:
            format = type == TensorType::F16 ? Format::HalfTile : Format::FloatTile;
            return order == Order::Prompt && columns % tile_run(format) == 0;
        case TensorType::BF16:
            format = Format::BfloatTile;
            return columns % tile_run(format) == 0;
        default:
            return false;
    }
}

cudaError_t launch_tiles(const LinearArguments& arguments, const LinearLaunch& how) {
    const cudaStream_t stream = how.stream;
    switch (how.type) {
        case TensorType::Q8_0:
            return launch_small_tiles<TensorType::Q8_0>(arguments, stream);
        case TensorType::Q4_0:
            return how.order == Order::Blocks ? launch_small_tiles<TensorType::Q4_0, true>(arguments, stream)
                                              : launch_small_tiles<TensorType::Q4_0>(arguments, stream);
        case TensorType::Q4_1:
            return launch_small_tiles<TensorType::Q4_1>(arguments, stream);
        case TensorType::Q5_0:
            return launch_small_tiles<TensorType::Q5_0>(arguments, stream);
        case TensorType::Q5_1:
            return launch_small_tiles<TensorType::Q5_1>(arguments, stream);
        case TensorType::F32:
            return launch_float_tiles<TensorType::F32, 16>(arguments, stream);
        case TensorType::F16:
            return launch_float_tiles<TensorType::F16, 16>(arguments, stream);
        case TensorType::BF16:
            return launch_float_tiles<TensorType::BF16, 64>(arguments, stream);
        default:
            return cudaErrorInvalidValue;
    }
}

}  // namespace worker::kernels
