// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Chooses the kernels of a product, and normalises alone where nothing is multiplied.

#include <array>
#include <atomic>

#include "linear.hpp"
#include "tiles.cuh"

namespace worker::kernels {

namespace {

/// Multiprocessors of the current device, asked once a device.
int multiprocessors() {
    static std::array<std::atomic<int>, 64> known{};
    int device = 0;
    int count = 1;
    if (cudaGetDevice(&device) != cudaSuccess) return count;
    const bool remembered = device >= 0 && static_cast<std::size_t>(device) < known.size();
    if (remembered && known[static_cast<std::size_t>(device)] != 0) return known[static_cast<std::size_t>(device)];
    if (cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device) != cudaSuccess) return 1;
    if (remembered) known[static_cast<std::size_t>(device)] = count;
    return count;
}

template <Format format>
cudaError_t store_in(const Input& input, cudaStream_t stream) {
    return launch(store_columns_kernel<format>, dim3(static_cast<unsigned>(input.tokens)), dim3(128),
                  most_warps * sizeof(double), stream, static_cast<char*>(input.workspace), input.values, input.columns,
                  input.norm);
}

cudaError_t store_columns(Format format, const Input& input, cudaStream_t stream) {
    switch (format) {
        case Format::Half:
            return store_in<Format::Half>(input, stream);
        case Format::Bfloat:
            return store_in<Format::Bfloat>(input, stream);
        case Format::Bytes:
            return store_in<Format::Bytes>(input, stream);
        case Format::Super:
            return store_in<Format::Super>(input, stream);
        case Format::BytesTile:
            return store_in<Format::BytesTile>(input, stream);
        case Format::HalfTile:
            return store_in<Format::HalfTile>(input, stream);
        case Format::BfloatTile:
            return store_in<Format::BfloatTile>(input, stream);
        case Format::FloatTile:
            return store_in<Format::FloatTile>(input, stream);
        default:
            return store_in<Format::Float>(input, stream);
    }
}

RowSet row_set(const Product& product) {
    const Matrix& matrix = product.matrix;
    return {static_cast<const char*>(matrix.data),
            matrix.bias,
            product.out,
            product.residual,
            matrix.rows,
            product.activation};
}

cudaError_t launch_products(const Input& input, const Product* products, int count, bool gate_and_up,
                            cudaStream_t stream) {
    const Matrix& first = products[0].matrix;
    if (first.columns != input.columns || block_elements(first.type) == 0 ||
        input.columns % block_elements(first.type) != 0 || input.tokens < 1) {
        return cudaErrorInvalidValue;
    }
    LinearArguments arguments = {};
    for (int i = 0; i < count; ++i) arguments.sets[i] = row_set(products[i]);
    arguments.count = count;
    arguments.row_bytes = packed_row_bytes(first.type, input.columns);
    arguments.x = input.values;
    arguments.columns_stored = static_cast<const char*>(input.workspace);
    arguments.columns = input.columns;
    arguments.tokens = input.tokens;
    arguments.norm = input.norm;

    Format format = format_of(first.type);
    const Order order = order_of(first, input.phase);
    const bool one_token =
        input.tokens == 1 && input.phase == Phase::Single &&
        column_bytes(format, input.columns) + most_warps * sizeof(double) + most_ring_bytes <= most_shared_bytes;
    Format of_tiles = format;
    const bool tiles = input.tokens > few_tokens && tile_format(of_tiles, first.type, order, input.columns);
    if (tiles) format = of_tiles;
    if (!one_token) {
        const cudaError_t status = store_columns(format, input, stream);
        if (status != cudaSuccess) return status;
    }
    const LinearLaunch how = {first.type, order, gate_and_up, one_token, multiprocessors(), stream};
    // Gate and up are products like others there: what up is multiplied with is gate's output, where it goes itself.
    if (tiles) return launch_tiles(arguments, how);
    if (format == Format::Bytes) return launch_small_rows(arguments, how);
    if (format == Format::Super) return launch_super_rows(arguments, how);
    return launch_float_rows(arguments, how);
}

bool alike(const Matrix& one, const Matrix& other, Phase phase) {
    return one.type == other.type && one.columns == other.columns && order_of(one, phase) == order_of(other, phase);
}

/// One block a token, one thread an element after the other.
__global__ void __launch_bounds__(256) normalise_kernel(float* out, const float* x, int columns, const Norm norm) {
    const std::size_t at = blockIdx.x * static_cast<std::size_t>(columns);
    wait_for_previous();
    const Normaliser by = normaliser(x + at, columns, norm, reinterpret_cast<double*>(shared_memory()));
    for (int i = static_cast<int>(threadIdx.x); i < columns; i += static_cast<int>(blockDim.x)) {
        out[at + static_cast<std::size_t>(i)] = by(x[at + static_cast<std::size_t>(i)], i);
    }
}

}  // namespace

std::size_t workspace_bytes(int tokens, int columns) {
    std::size_t most = 0;
    for (const Format format : {Format::Float, Format::Bytes, Format::BytesTile, Format::Super}) {
        const std::size_t bytes = column_bytes(format, columns);
        most = bytes > most ? bytes : most;
    }
    return static_cast<std::size_t>(tokens) * most;
}

cudaError_t linear(const Input& input, const Product* products, int count, cudaStream_t stream) {
    if (count < 1 || count > most_products) return cudaErrorInvalidValue;
    for (int i = 0; i < count; ++i) {
        if (products[i].activation == Activation::Gate && products[i].residual == nullptr) return cudaErrorInvalidValue;
    }
    for (int done = 0; done < count;) {
        // Matrices of one kind go together; a file that mixes types costs another launch.
        int next = done + 1;
        while (next < count && alike(products[done].matrix, products[next].matrix, input.phase)) ++next;
        const cudaError_t status = launch_products(input, products + done, next - done, false, stream);
        if (status != cudaSuccess) return status;
        done = next;
    }
    return cudaSuccess;
}

cudaError_t gated(const Input& input, const Matrix& gate, const Matrix& up, float* out, cudaStream_t stream) {
    if (gate.columns != up.columns || gate.rows != up.rows) return cudaErrorInvalidValue;
    const Product both[] = {{gate, out}, {up, out, out, Activation::Gate}};
    if (!alike(gate, up, input.phase)) {
        const cudaError_t status = launch_products(input, both, 1, false, stream);
        return status != cudaSuccess ? status : launch_products(input, both + 1, 1, false, stream);
    }
    return launch_products(input, both, 2, true, stream);
}

cudaError_t normalise(float* out, const float* x, int tokens, int columns, const Norm& norm, cudaStream_t stream) {
    if (tokens < 1 || columns < 1) return cudaErrorInvalidValue;
    return launch(normalise_kernel, dim3(static_cast<unsigned>(tokens)), dim3(128), most_warps * sizeof(double), stream,
                  out, x, columns, norm);
}

}  // namespace worker::kernels
