//! What was tested, with what, and on which machine.

use std::path::Path;

use object::{Object, ObjectSection};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use worker_contract::RequirementId;

use super::Shard;

/// The version of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Contract {
    /// As in the lock.
    pub version: String,
}

/// The suite that tested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Suite {
    /// Version of the program.
    pub version: String,
    /// SHA-256 over the feature files and the catalogue: two suites with the same one ask the same.
    pub sha256: String,
}

impl Suite {
    /// This program.
    pub fn current() -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), sha256: crate::features::digest() }
    }
}

/// The file that was tested.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TestedLibrary {
    /// Where it lies.
    pub path: String,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    /// Name of its file.
    #[serde(default)]
    pub file: String,
    /// Size in bytes.
    #[serde(default)]
    pub bytes: u64,
    /// The linker's build ID, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// The SONAME.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soname: Option<String>,
    /// What the section `.comment` says: compilers and linkers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compilers: Vec<String>,
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 in hexadecimal.
pub fn sha256(data: &[u8]) -> String {
    hex(&Sha256::digest(data))
}

/// Entries of `.comment` that are told; a library put together from many objects may have hundreds.
const COMMENTS: usize = 8;

impl TestedLibrary {
    /// Looks at a file; what it does not say stays empty.
    pub fn look(path: &Path, data: &[u8]) -> Self {
        let file = object::File::parse(data).ok();
        let comment = file.as_ref().and_then(|file| file.section_by_name(".comment"));
        let comment = comment.and_then(|section| section.uncompressed_data().ok()).unwrap_or_default();
        let mut compilers: Vec<String> = Vec::new();
        for entry in comment.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            let entry = String::from_utf8_lossy(&entry[..entry.len().min(200)]).into_owned();
            if !compilers.contains(&entry) && compilers.len() < COMMENTS {
                compilers.push(entry);
            }
        }
        Self {
            path: path.display().to_string(),
            sha256: sha256(data),
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: data.len() as u64,
            build_id: file.and_then(|file| file.build_id().ok().flatten().map(hex)),
            soname: crate::binary::soname(data),
            compilers,
        }
    }
}

/// What the suite was told about the backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProfileFacts {
    /// Name of the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The file, as it was given; a program that runs the suite may do without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The requirements that it can bring failures about for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub faults: Vec<RequirementId>,
}

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Selection {
    /// The library, as it was given.
    pub library: String,
    /// Only these requirements; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub only: Vec<RequirementId>,
    /// Only scenarios whose place or name contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// Only the scenarios of this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<String>,
    /// The tool that the library ran under, as options of the program.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instrument: String,
    /// Generated programs asked for, over all shards.
    pub programs: u64,
    /// The part that this run is of a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

impl Selection {
    /// Whether this is less than the whole suite.
    pub fn is_partial(&self) -> bool {
        self.is_narrowed() || self.shard.is_some()
    }

    /// Whether somebody chose scenarios; a shard is not that.
    pub fn is_narrowed(&self) -> bool {
        !self.only.is_empty() || self.scenario.is_some() || self.feature.is_some()
    }
}

/// The machine that the library ran on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Machine {
    /// Operating system and kernel.
    pub system: String,
    /// Processor architecture.
    pub architecture: String,
    /// Name of the processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
    /// Processors that may be used.
    pub cores: usize,
    /// Names of the GPUs that the driver lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Version of the GPU driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// What `cuda_get_device_count` returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_count: Option<i32>,
}

impl Machine {
    /// This machine. The driver is asked by the files that it provides: nothing is started.
    pub fn look() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo").lines().find_map(|line| {
            line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name.to_owned())
        });
        let kernel = read("/proc/sys/kernel/osrelease");
        let mut devices: Vec<_> = std::fs::read_dir("/proc/driver/nvidia/gpus")
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| (entry.file_name(), std::fs::read_to_string(entry.path().join("information"))))
            .collect();
        devices.sort_by(|a, b| a.0.cmp(&b.0));
        Self {
            system: format!("{} {}", std::env::consts::OS, kernel.trim()).trim().to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            processor,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            devices: devices.iter().filter_map(|(_, text)| gpu_model(text.as_ref().ok()?)).collect(),
            driver: driver(&read("/proc/driver/nvidia/version")),
            device_count: None,
        }
    }
}

/// The name of a GPU in the driver's description of it.
fn gpu_model(information: &str) -> Option<String> {
    information.lines().find_map(|line| Some(line.strip_prefix("Model:")?.trim().to_owned()))
}

/// The version in the driver's first line.
fn driver(version: &str) -> Option<String> {
    let line = version.lines().next()?.strip_prefix("NVRM version:")?;
    let is_version =
        |word: &&str| word.contains('.') && word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    line.split_whitespace().find(is_version).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_tells_its_version_and_the_names_of_gpus() {
        let line =
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC";
        assert_eq!(driver(line).as_deref(), Some("550.54.15"));
        assert_eq!(driver(""), None);
        assert_eq!(driver("GCC version: 12"), None);
        assert_eq!(gpu_model("Model: \t\t NVIDIA H100\nIRQ: 7\n").as_deref(), Some("NVIDIA H100"));
    }

    #[test]
    fn a_file_that_is_no_library_has_a_hash_and_nothing_else() {
        let found = TestedLibrary::look(Path::new("/tmp/x.so"), b"no library");
        assert_eq!((found.file.as_str(), found.bytes, found.build_id), ("x.so", 10, None));
        assert_eq!(found.sha256.len(), 64);
    }
}
