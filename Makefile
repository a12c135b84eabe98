# The commands of the project; CI calls the same ones. Everything they make lies under target/.

export CARGO_TARGET_DIR := $(CURDIR)/target
export WORKER_CONFORMANCE_MODELS ?= $(CURDIR)/target/models

# `make conformance MODEL=smollm2` takes the real model, `ARGS="--level strict"` goes to the program.
MODEL :=
ARGS :=
ifneq ($(filter-out smollm2,$(MODEL)),)
$(error MODEL=$(MODEL) is unknown; give MODEL=smollm2, or nothing for the tiny models)
endif
profile := fixtures/profiles/$(or $(MODEL),mock).yaml
report := target/conformance/report$(MODEL:%=-%).json

# `make ctest PRESET=host-asan`; the presets are in cuda/CMakePresets.json.
PRESET := host
cuda_sources := $(shell git ls-files 'cuda/*.cpp' 'cuda/*.hpp' 'cuda/*.cu' 'cuda/*.cuh' 'cuda/*.h' 2> /dev/null)

.PHONY: conformance release fetch-smollm2 test self-test self-test-quick steady sweep fuzz-defects fuzz-sound setup bench \
	fmt lint format-check clippy docs clean contract-check abidiff-table \
	cuda-toolkit test-cuda test-cuda-host ctest cuda-fmt cuda-format-check cuda-tidy cuda-registers cuda-sanitized \
	conformance-cuda-host

# Exit code 3, incomplete, is success here; README.md says so.
conformance: release $(MODEL:%=fetch-%)
	target/release/worker-conformance run --library target/release/libworker_mock.so \
		--profile $(profile) --json $(report) $(ARGS) || test $$? -eq 3

release:
	tools/setup conformance
	cargo build --release -p worker-mock -p worker-conformance

fetch-smollm2:
	tools/fetch-smollm2

test:
	tools/setup test
	cargo test --workspace

# Every defect of the CPU reference against the whole suite: a quarter of an hour on two cores.
self-test:
	tools/setup test
	cargo test --release -p worker-conformance --test defects -- --ignored --nocapture every_defect

# Every defect against the scenarios of the requirement that it breaks: three minutes.
self-test-quick:
	tools/setup test
	cargo test --release -p worker-conformance --test defects -- --ignored --nocapture no_defect

# Whole runs, twenty in a row, on the sound reference and on ten defects: half an hour on two cores.
steady:
	tools/setup test
	cargo test --release -p worker-conformance --test defects -- --ignored --nocapture whole_runs

# Every test library in C and C++ against the suite: most of an hour on two cores.
sweep:
	tools/setup test
	cargo test --release -p worker-conformance --test sweep -- --ignored --nocapture

# What generated programs find alone, a minute a defect: an hour on two cores, most of it for what they cannot see.
fuzz-defects:
	tools/setup test
	cargo test --release -p worker-conformance --test generated -- --ignored --nocapture defects

# Generated programs and mutated models on every sound library of tests/backends: none may be blamed.
fuzz-sound:
	tools/setup test
	cargo test --release -p worker-conformance --test generated -- --ignored --nocapture no_sound

# NVIDIA's compiler for kernels, from PyPI; the build finds it by itself.
cuda-toolkit:
	tools/setup cuda
	tools/cuda-toolkit

# The CUDA backend through the suite: on the CPU, and for GPUs as far as this machine has one.
test-cuda-host:
	tools/setup cuda
	cargo test -p worker-cuda --features cuda-host

test-cuda: cuda-toolkit
	cargo test -p worker-cuda --features cuda

# The whole suite on the host build under sanitizers, once `make ctest PRESET=host-asan` has made it.
cuda-sanitized: release
	target/release/worker-conformance run --library target/cuda/host-asan/libworker_cuda_host.so --sanitizer asan \
		--profile fixtures/profiles/cuda-host.yaml --level strict

# The same on the plain host build, once `make ctest` has made it; `make test-cuda-host` builds its own and takes longer.
conformance-cuda-host: release
	target/release/worker-conformance run --library target/cuda/host/libworker_cuda_host.so \
		--profile fixtures/profiles/cuda-host.yaml --level strict

ctest:
	tools/setup cuda
	cd cuda && cmake --preset $(PRESET) && cmake --build --preset $(PRESET) && ctest --preset $(PRESET)

cuda-fmt:
	clang-format -i $(cuda_sources)

cuda-format-check:
	tools/setup cuda
	clang-format --dry-run --Werror $(cuda_sources)

cuda-tidy:
	tools/setup cuda
	cd cuda && cmake --preset host > /dev/null
	clang-tidy --quiet -p target/cuda/host $(filter cuda/src/%.cpp,$(cuda_sources))

# Registers, spills and sizes of the kernels, as the assembler reports them.
cuda-registers: cuda-toolkit
	tools/cuda-registers

# The headers against the lock and with real compilers, and the reference backend against the contract.
contract-check: release
	tools/setup test
	target/release/worker-conformance contract check
	target/release/worker-conformance contract verify-headers --library target/release/libworker_mock.so
	target/release/worker-conformance contract check-library target/release/libworker_mock.so

# What abidiff finds in the corpus of mutations: contract/gate/ABIDIFF.md.
abidiff-table:
	tools/setup abidiff
	cargo run --release -p worker-gate --example abidiff-table

setup:
	tools/setup all

# What the figures in benches/README.md come from: a quarter of an hour on a machine that does nothing else.
bench: release
	cargo bench -p worker-conformance

fmt:
	cargo fmt --all

lint: format-check clippy docs

format-check:
	tools/setup lint
	cargo fmt --all --check

clippy:
	tools/setup lint
	cargo clippy --workspace --all-targets -- -D warnings

docs:
	tools/setup conformance
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

clean:
	cargo clean
