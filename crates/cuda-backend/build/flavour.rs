//! The flavours: what CMake is told, what has to be there, and where the result lies.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds what the features ask for, or says what is missing.
pub fn build() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().map_err(|error| format!("{}: {error}", root.display()))?;
    for part in ["CMakeLists.txt", "cmake", "src", "kernels", "host", "tests/tokenize.cpp"] {
        println!("cargo:rerun-if-changed={}", root.join("cuda").join(part).display());
    }
    println!("cargo:rerun-if-changed={}", root.join("contract/include").display());
    println!("cargo:rerun-if-env-changed=PATH");
    runs("cmake", "install CMake 3.25 or later (Debian: apt-get install cmake)")?;
    if cfg!(feature = "cuda-host") {
        let folder = configured(&root, "host").build();
        announce("WORKER_CUDA_HOST_LIBRARY", &folder.join("lib/libworker_cuda_host.so"))?;
        announce("WORKER_CUDA_TOKENIZE", &folder.join("bin/worker_cuda_tokenize"))?;
    }
    if cfg!(feature = "cuda") {
        let nvcc = nvcc(&root)?;
        let mut configuration = configured(&root, "nvcc");
        configuration.define("CMAKE_CUDA_COMPILER", nvcc);
        println!("cargo:rerun-if-env-changed=WORKER_CUDA_ARCHITECTURES");
        if let Ok(architectures) = std::env::var("WORKER_CUDA_ARCHITECTURES") {
            configuration.define("CMAKE_CUDA_ARCHITECTURES", architectures);
        }
        announce("WORKER_CUDA_LIBRARY", &configuration.build().join("lib/libworker_cuda.so"))?;
    }
    Ok(())
}

fn configured(root: &Path, flavour: &str) -> cmake::Config {
    let mut configuration = cmake::Config::new(root.join("cuda"));
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join(flavour);
    // Kernels on the CPU are slow enough optimised; debug information is wanted in every profile (ABI-04).
    configuration.profile("RelWithDebInfo").out_dir(folder).define("WORKER_CUDA_FLAVOUR", flavour);
    configuration.define("CMAKE_INSTALL_LIBDIR", "lib");
    configuration
}

fn announce(variable: &str, file: &Path) -> Result<(), String> {
    if !file.exists() {
        return Err(format!("CMake reported success, but {} is not there", file.display()));
    }
    println!("cargo:rustc-env={variable}={}", file.display());
    Ok(())
}

fn runs(program: impl AsRef<Path>, otherwise: &str) -> Result<(), String> {
    let program = program.as_ref();
    match Command::new(program).arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            Err(format!("`{} --version` failed with {}; {otherwise}", program.display(), output.status))
        }
        Err(error) => Err(format!("`{}` does not start: {error}; {otherwise}", program.display())),
    }
}

/// The compiler of kernels: `CUDACXX`, `CUDA_HOME`, `PATH`, or the toolkit that `make cuda-toolkit` fetched.
fn nvcc(root: &Path) -> Result<PathBuf, String> {
    for variable in ["CUDACXX", "CUDA_HOME"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let advice = "run `make cuda-toolkit`, or set CUDA_HOME to a CUDA toolkit, 12.4 or later";
    // What was named and does not work is an error: another compiler in its place would surprise.
    if let Some(named) = std::env::var_os("CUDACXX").filter(|value| !value.is_empty()) {
        let named = PathBuf::from(named);
        runs(&named, "CUDACXX names it").map(|()| named.clone())?;
        return Ok(named);
    }
    if let Some(home) = std::env::var_os("CUDA_HOME").filter(|value| !value.is_empty()) {
        let named = PathBuf::from(home).join("bin/nvcc");
        runs(&named, "CUDA_HOME names it")?;
        return Ok(named);
    }
    let fetched = root.join("target/cuda-toolkit/nvidia/cu13/bin/nvcc");
    println!("cargo:rerun-if-changed={}", fetched.display());
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> =
        std::env::split_paths(&on_path).map(|folder| folder.join("nvcc")).collect();
    places.extend([PathBuf::from("/usr/local/cuda/bin/nvcc"), fetched.clone()]);
    places.into_iter().find(|place| runs(place, "").is_ok()).ok_or_else(|| {
        format!(
            "the feature `cuda` needs nvcc, and there is none: CUDACXX and CUDA_HOME are not set, neither PATH nor \
             /usr/local/cuda has it, and {} is not there; {advice}",
            fetched.display()
        )
    })
}
