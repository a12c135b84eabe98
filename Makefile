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

.PHONY: conformance release fetch-smollm2 test self-test contract-check abidiff-table setup bench fmt lint format-check clippy docs clean

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
	cargo test --release -p worker-conformance --test defects -- --ignored --nocapture

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

bench:
	$(if $(wildcard benches/*.rs),cargo bench --workspace --bench '*',@echo "there is no benchmark in benches/ yet")

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
