//! Runs CMake on `cuda/`, once for each flavour that a feature asks for.

#[cfg(any(feature = "cuda", feature = "cuda-host"))]
#[path = "build/flavour.rs"]
mod flavour;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build");
    #[cfg(any(feature = "cuda", feature = "cuda-host"))]
    if let Err(error) = flavour::build() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}
