//! The CPU reference backend: real GGUF inference behind the worker ABI, on simulated devices.
