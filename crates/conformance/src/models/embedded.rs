//! The YAML files of the fixtures, inside the program, so that it needs no source tree.

/// Names and texts of files in a folder of `fixtures/`.
macro_rules! files {
    ($folder:literal, $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../fixtures/", $folder, "/", $name, ".yaml")))),*]
    };
}

/// The recipes of good models, in order of name.
pub(super) const MODELS: &[(&str, &str)] = files!(
    "models",
    "tiny-gpt2",
    "tiny-gpt2-q4-k-m",
    "tiny-gpt2-q8-0",
    "tiny-gpt2-tied",
    "tiny-llama",
    "tiny-llama-bf16",
    "tiny-llama-bytes",
    "tiny-llama-eos",
    "tiny-llama-f32",
    "tiny-llama-ill-formed",
    "tiny-llama-long",
    "tiny-llama-q4-0",
    "tiny-llama-q4-1",
    "tiny-llama-q4-k",
    "tiny-llama-q4-k-m",
    "tiny-llama-q5-0",
    "tiny-llama-q5-1",
    "tiny-llama-q5-k",
    "tiny-llama-q6-k",
    "tiny-llama-q8-0",
    "tiny-llama-reseeded",
    "tiny-llama-runs",
    "tiny-llama-spm",
    "tiny-llama-tied",
    "tiny-llama-turned",
    "tiny-phi3",
    "tiny-phi3-q4-0",
    "tiny-qwen2",
    "tiny-qwen2-q8-0",
);

/// Tokens of greedy jobs.
pub(super) const GREEDY: &str = include_str!("../../../../fixtures/golden/greedy.yaml");

/// The malformed models, one item of a requirement a file.
pub(super) const MALFORMED: &[(&str, &str)] = files!(
    "malformed",
    "architecture",
    "array-length",
    "big-endian",
    "dimensions",
    "doubtful",
    "doubtful-refused",
    "duplicates",
    "empty",
    "head-division",
    "hyper-parameter",
    "merges",
    "metadata-count",
    "missing-tensor",
    "nested",
    "overlapping",
    "product-overflow",
    "rarer",
    "short-header",
    "string-length",
    "tensor-count",
    "tensor-offset",
    "tensor-shape",
    "tensor-type",
    "truncated",
    "unaligned",
    "unneeded-tensor",
    "valid",
    "value-type",
    "version",
    "vocabulary-size",
    "wrong-magic",
    "zero-heads",
);

#[cfg(test)]
mod tests {
    use std::path::Path;

    fn on_disk(folder: &str) -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(folder);
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn every_file_on_disk_is_built_in() {
        for (folder, table) in [("models", super::MODELS), ("malformed", super::MALFORMED)] {
            let built_in: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
            assert_eq!(built_in, on_disk(folder), "{folder}");
        }
    }
}
