//! Holds the committed bindings to the headers: regenerates them with bindgen and compares.

use std::path::Path;

const INSTALL: &str = "bindgen needs libclang to read the headers: install it (Debian: apt-get install libclang-dev) \
                       or set LIBCLANG_PATH to the directory that holds libclang.so";

fn generate(include: &Path) -> String {
    // Looking before bindgen does turns its bare panic into a message that says what to do.
    let clang = std::panic::catch_unwind(bindgen::clang_version);
    assert!(clang.is_ok(), "{INSTALL}");
    let oldest_rust = match bindgen::RustTarget::stable(90, 0) {
        Ok(target) => target,
        Err(error) => panic!("bindgen does not know the workspace's rust-version: {error}"),
    };
    let bindings = bindgen::Builder::default()
        .header(include.join("worker_ffi.h").display().to_string())
        .clang_args(["-std=c99", "-I"])
        .clang_arg(include.display().to_string())
        .allowlist_file(".*/worker_(ffi|types|errors)\\.h")
        .dynamic_library_name("WorkerLibrary")
        .dynamic_link_require_all(false)
        .default_enum_style(bindgen::EnumVariation::Consts)
        .rust_target(oldest_rust)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .wrap_unsafe_ops(true)
        .layout_tests(false)
        .generate_comments(false)
        .disable_header_comment()
        .formatter(bindgen::Formatter::Prettyplease)
        .raw_line("//! Bindings to the worker ABI, generated from `include/worker_ffi.h`; `tests/bindings.rs` regenerates them.")
        .raw_line("#![allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]")
        .raw_line("#![allow(clippy::all, clippy::undocumented_unsafe_blocks, rustdoc::all)]")
        .generate();
    match bindings {
        Ok(bindings) => bindings.to_string(),
        Err(error) => panic!("cannot generate the bindings: {error}"),
    }
}

#[test]
fn the_committed_bindings_are_those_of_the_headers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = root.join("src/bindings.rs");
    let fresh = generate(&root.join("include"));
    if std::env::var_os("UPDATE_BINDINGS").is_some() {
        std::fs::write(&committed, &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(&committed).unwrap_or_default();
    assert!(
        kept == fresh,
        "src/bindings.rs is not what the headers say; write it anew with \
         UPDATE_BINDINGS=1 cargo test -p worker-contract --test bindings and look at the difference"
    );
}
