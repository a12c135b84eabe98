//! A failing program as YAML: what `worker-conformance replay` runs again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::text;
use crate::generate::{KEEPER, Menu};
use crate::program::{Buffer, Call, Device, Guard, Handle, Op, Out, Program, Slot, Text};

/// The form of these files.
const VERSION: u32 = 1;
/// A text or a path that is no pointer at all.
const NULL_TEXT: &str = "{NULL}";
const NULL: &str = "NULL";

/// A file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// It cannot be read.
    #[error("cannot read the program `{}`: {source}; give a program.yaml that `fuzz` has kept", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no program.
    #[error("the program `{}` is wrong: {source}; give a program.yaml that `fuzz` has kept", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_yaml::Error,
    },
    /// A value in it cannot be used.
    #[error("the program `{}` is wrong: {what}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// What, and what to do.
        what: String,
    },
}

/// A kept program, and what it was kept for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Kept {
    /// The form of the file.
    pub version: u32,
    /// The requirement that the program breaks.
    pub requirement: String,
    /// Where it showed.
    pub call: String,
    /// What the contract asks for.
    pub expected: String,
    /// What happened.
    pub observed: String,
    /// How surely.
    pub fails: String,
    /// The generator's seed.
    pub seed: u64,
    /// The case that it was made small from.
    pub case: u64,
    /// The steps.
    #[serde(with = "serde_yaml::with::singleton_map_recursive")]
    program: Vec<Step>,
}

/// One step. Parameters have the names of the C functions; `error_code`, `token_index`, `token_out` and
/// `vram_bytes_used` stand there only if they are NULL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
enum Step {
    #[serde(rename = "cuda_init")]
    Init {
        bind: String,
        gpu_device: i32,
        #[serde(default, skip_serializing_if = "Pass::is_given")]
        error_code: Pass,
    },
    #[serde(rename = "cuda_destroy")]
    Destroy { ctx: String },
    #[serde(rename = "cuda_get_device_count")]
    DeviceCount {},
    #[serde(rename = "cuda_load_model")]
    LoadModel {
        bind: String,
        ctx: String,
        model_path: String,
        #[serde(default, skip_serializing_if = "Pass::is_given")]
        vram_bytes_used: Pass,
        #[serde(default, skip_serializing_if = "Pass::is_given")]
        error_code: Pass,
    },
    #[serde(rename = "cuda_unload_model")]
    UnloadModel { model: String },
    #[serde(rename = "cuda_model_get_vram_usage")]
    ModelVramUsage { model: String },
    #[serde(rename = "cuda_inference_start")]
    Start {
        bind: String,
        model: String,
        prompt: String,
        max_tokens: i32,
        temperature: f32,
        seed: u64,
        #[serde(default, skip_serializing_if = "Pass::is_given")]
        error_code: Pass,
    },
    #[serde(rename = "cuda_inference_next_token")]
    NextToken {
        result: String,
        token_buffer_size: i32,
        #[serde(default, skip_serializing_if = "Pass::is_given")]
        token_out: Pass,
        /// The inaccessible page lies before the buffer, not behind it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        guard_before: bool,
        #[serde(default, skip_serializing_if = "Pass::is_given")]
        token_index: Pass,
        #[serde(default, skip_serializing_if = "Pass::is_given")]
        error_code: Pass,
    },
    #[serde(rename = "cuda_inference_free")]
    Free { result: String },
    #[serde(rename = "cuda_check_vram_residency")]
    CheckResidency {
        model: String,
        #[serde(default, skip_serializing_if = "Pass::is_given")]
        error_code: Pass,
    },
    #[serde(rename = "cuda_get_vram_usage")]
    VramUsage { model: String },
    #[serde(rename = "cuda_get_process_vram_usage")]
    ProcessVramUsage { ctx: String },
    #[serde(rename = "cuda_check_device_health")]
    CheckHealth {
        ctx: String,
        #[serde(default, skip_serializing_if = "Pass::is_given")]
        error_code: Pass,
    },
    #[serde(rename = "cuda_error_message")]
    ErrorMessage { error_code: i32 },
    /// Calls for tokens until one gives none.
    #[serde(rename = "tokens")]
    Tokens {
        result: String,
        limit: u32,
        token_buffer_size: i32,
        #[serde(default, skip_serializing_if = "Pass::is_given")]
        token_index: Pass,
        #[serde(default)]
        pause_us: u32,
    },
    /// Each list on a thread of its own.
    #[serde(rename = "threads")]
    Threads(Vec<Vec<Step>>),
    /// The steps again and again.
    #[serde(rename = "repeat")]
    Repeat { times: u32, steps: Vec<Step> },
    /// A look at the process.
    #[serde(rename = "measure")]
    Measure {},
}

/// Whether a pointer is passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Pass {
    #[default]
    #[serde(rename = "out")]
    Given,
    #[serde(rename = "NULL")]
    Null,
}

impl Pass {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    fn is_given(&self) -> bool {
        *self == Pass::Given
    }
}

impl From<Out> for Pass {
    fn from(out: Out) -> Self {
        if out == Out::Given { Pass::Given } else { Pass::Null }
    }
}

impl From<Pass> for Out {
    fn from(pass: Pass) -> Self {
        if pass == Pass::Given { Out::Given } else { Out::Null }
    }
}

/// What a file tells besides the program.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The requirement.
    pub requirement: String,
    /// Where it showed.
    pub call: String,
    /// What the contract asks for.
    pub expected: String,
    /// What happened.
    pub observed: String,
    /// How surely.
    pub fails: String,
    /// The generator's seed.
    pub seed: u64,
    /// The case.
    pub case: u64,
}

/// The file of a program.
pub fn write(program: &Program, about: &About, menu: &Menu) -> String {
    let About { requirement, call, expected, observed, fails, seed, case } = about.clone();
    let kept = Kept {
        version: VERSION,
        requirement,
        call,
        expected,
        observed,
        fails,
        seed,
        case,
        program: program.iter().map(|op| step(op, menu)).collect(),
    };
    serde_yaml::to_string(&kept).unwrap_or_else(|error| format!("# cannot be written: {error}\n"))
}

/// The steps alone, as YAML: what tells two programs apart.
pub fn steps(program: &Program, menu: &Menu) -> String {
    write(program, &About::default(), menu)
}

/// Reads the file of a program.
///
/// # Errors
/// When it is no such file.
pub fn read(path: &Path, menu: &Menu) -> Result<(Kept, Program), KeptError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| KeptError::Read { path: path.to_owned(), source })?;
    let kept: Kept =
        serde_yaml::from_str(&text).map_err(|source| KeptError::Parse { path: path.to_owned(), source })?;
    let value = |what| KeptError::Value { path: path.to_owned(), what };
    if kept.version != VERSION {
        return Err(value(format!("its version is {}, this program reads {VERSION}", kept.version)));
    }
    let program =
        kept.program.iter().map(|step| op(step, menu)).collect::<Result<Program, String>>().map_err(value)?;
    Ok((kept, program))
}

fn step(op: &Op, menu: &Menu) -> Step {
    match op {
        Op::Call(call) => call_step(call, menu),
        Op::Drain { result, buffer, index, limit, pause_us } => Step::Tokens {
            result: handle("job", *result),
            limit: *limit,
            token_buffer_size: *buffer,
            token_index: (*index).into(),
            pause_us: *pause_us,
        },
        Op::Threads(bodies) => {
            Step::Threads(bodies.iter().map(|body| body.iter().map(|op| step(op, menu)).collect()).collect())
        }
        Op::Repeat(times, body) => {
            Step::Repeat { times: *times, steps: body.iter().map(|op| step(op, menu)).collect() }
        }
        // The generator makes no other steps.
        _ => Step::Measure {},
    }
}

fn call_step(call: &Call, menu: &Menu) -> Step {
    match call {
        Call::Init { bind, device, code } => Step::Init {
            bind: slot("ctx", *bind),
            gpu_device: match device {
                Device::Id(id) => *id,
                Device::Count(by) => menu.devices.saturating_add(*by),
            },
            error_code: (*code).into(),
        },
        Call::Destroy { ctx } => Step::Destroy { ctx: handle("ctx", *ctx) },
        Call::DeviceCount => Step::DeviceCount {},
        Call::LoadModel { bind, ctx, path, vram, code } => Step::LoadModel {
            bind: slot("model", *bind),
            ctx: handle("ctx", *ctx),
            model_path: match path {
                Text::Null => NULL_TEXT.to_owned(),
                Text::Bytes(path) => menu.name(path).map_or_else(|| text::write(path), str::to_owned),
            },
            vram_bytes_used: (*vram).into(),
            error_code: (*code).into(),
        },
        Call::UnloadModel { model } => Step::UnloadModel { model: handle("model", *model) },
        Call::ModelVramUsage { model } => Step::ModelVramUsage { model: handle("model", *model) },
        Call::Start { bind, model, prompt, max_tokens, temperature, seed, code } => Step::Start {
            bind: slot("job", *bind),
            model: handle("model", *model),
            prompt: match prompt {
                Text::Null => NULL_TEXT.to_owned(),
                Text::Bytes(bytes) => text::write(bytes),
            },
            max_tokens: *max_tokens,
            temperature: *temperature,
            seed: *seed,
            error_code: (*code).into(),
        },
        Call::NextToken { result, buffer, index, code } => Step::NextToken {
            result: handle("job", *result),
            token_buffer_size: buffer.size,
            token_out: buffer.pointer.into(),
            guard_before: buffer.guard == Guard::Before,
            token_index: (*index).into(),
            error_code: (*code).into(),
        },
        Call::Free { result } => Step::Free { result: handle("job", *result) },
        Call::CheckResidency { model, code } => {
            Step::CheckResidency { model: handle("model", *model), error_code: (*code).into() }
        }
        Call::VramUsage { model } => Step::VramUsage { model: handle("model", *model) },
        Call::ProcessVramUsage { ctx } => Step::ProcessVramUsage { ctx: handle("ctx", *ctx) },
        Call::CheckHealth { ctx, code } => {
            Step::CheckHealth { ctx: handle("ctx", *ctx), error_code: (*code).into() }
        }
        Call::ErrorMessage { code } => Step::ErrorMessage { error_code: *code },
    }
}

fn slot(kind: &str, slot: Slot) -> String {
    if slot == KEEPER { "keeper".to_owned() } else { format!("{kind}{}", slot.0) }
}

fn handle(kind: &str, handle: Handle) -> String {
    match handle {
        Handle::Null => NULL.to_owned(),
        Handle::Slot(given) => slot(kind, given),
    }
}

fn read_slot(name: &str) -> Result<Slot, String> {
    if name == "keeper" {
        return Ok(KEEPER);
    }
    let digits = name.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let number = digits.parse().ok().filter(|number| *number < KEEPER.0);
    number
        .map(Slot)
        .ok_or_else(|| format!("`{name}` is no handle: write a word and a number, as in `model1`"))
}

fn read_handle(name: &str) -> Result<Handle, String> {
    if name == NULL { Ok(Handle::Null) } else { read_slot(name).map(Handle::Slot) }
}

fn read_text(written: &str) -> Result<Text, String> {
    if written == NULL_TEXT { Ok(Text::Null) } else { text::read(written).map(Text::Bytes) }
}

fn read_path(written: &str, menu: &Menu) -> Result<Text, String> {
    if let Some(path) = menu.path(written) {
        return Ok(Text::new(path));
    }
    if ["fixture:", "malformed:"].iter().any(|kind| written.starts_with(kind)) {
        return Err(format!("the library does not run `{written}`, or there is no such file"));
    }
    read_text(written)
}

fn op(step: &Step, menu: &Menu) -> Result<Op, String> {
    let list = |steps: &[Step]| steps.iter().map(|step| op(step, menu)).collect::<Result<Program, String>>();
    Ok(match step {
        Step::Tokens { result, limit, token_buffer_size, token_index, pause_us } => Op::Drain {
            result: read_handle(result)?,
            buffer: *token_buffer_size,
            index: (*token_index).into(),
            limit: *limit,
            pause_us: *pause_us,
        },
        Step::Threads(bodies) => Op::Threads(bodies.iter().map(|body| list(body)).collect::<Result<_, _>>()?),
        Step::Repeat { times, steps } => Op::Repeat(*times, list(steps)?),
        Step::Measure {} => Op::Measure,
        other => Op::Call(read_call(other, menu)?),
    })
}

fn read_call(step: &Step, menu: &Menu) -> Result<Call, String> {
    Ok(match step {
        Step::Init { bind, gpu_device, error_code } => {
            Call::Init { bind: read_slot(bind)?, device: Device::Id(*gpu_device), code: (*error_code).into() }
        }
        Step::Destroy { ctx } => Call::Destroy { ctx: read_handle(ctx)? },
        Step::LoadModel { bind, ctx, model_path, vram_bytes_used, error_code } => Call::LoadModel {
            bind: read_slot(bind)?,
            ctx: read_handle(ctx)?,
            path: read_path(model_path, menu)?,
            vram: (*vram_bytes_used).into(),
            code: (*error_code).into(),
        },
        Step::UnloadModel { model } => Call::UnloadModel { model: read_handle(model)? },
        Step::ModelVramUsage { model } => Call::ModelVramUsage { model: read_handle(model)? },
        Step::Start { bind, model, prompt, max_tokens, temperature, seed, error_code } => Call::Start {
            bind: read_slot(bind)?,
            model: read_handle(model)?,
            prompt: read_text(prompt)?,
            max_tokens: *max_tokens,
            temperature: *temperature,
            seed: *seed,
            code: (*error_code).into(),
        },
        Step::NextToken { result, token_buffer_size, token_out, guard_before, token_index, error_code } => {
            let guard = if *guard_before { Guard::Before } else { Guard::After };
            Call::NextToken {
                result: read_handle(result)?,
                buffer: Buffer { pointer: (*token_out).into(), size: *token_buffer_size, guard },
                index: (*token_index).into(),
                code: (*error_code).into(),
            }
        }
        Step::Free { result } => Call::Free { result: read_handle(result)? },
        Step::CheckResidency { model, error_code } => {
            Call::CheckResidency { model: read_handle(model)?, code: (*error_code).into() }
        }
        Step::VramUsage { model } => Call::VramUsage { model: read_handle(model)? },
        Step::ProcessVramUsage { ctx } => Call::ProcessVramUsage { ctx: read_handle(ctx)? },
        Step::CheckHealth { ctx, error_code } => {
            Call::CheckHealth { ctx: read_handle(ctx)?, code: (*error_code).into() }
        }
        Step::ErrorMessage { error_code } => Call::ErrorMessage { code: *error_code },
        // The others are no calls, and are read by `op`.
        Step::DeviceCount {}
        | Step::Tokens { .. }
        | Step::Threads(_)
        | Step::Repeat { .. }
        | Step::Measure {} => Call::DeviceCount,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;

    #[test]
    fn every_generated_program_reads_back_as_it_was_written() {
        let menu = Menu::for_tests();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program.yaml");
        for number in 0..150 {
            let program = generate::program(11, number, &menu);
            std::fs::write(&path, steps(&program, &menu)).unwrap();
            let (_, read) = read(&path, &menu).unwrap();
            // NaN is no equal of itself.
            assert_eq!(format!("{read:?}"), format!("{program:?}"), "case {number}");
        }
    }

    #[test]
    fn what_is_wrong_in_a_file_is_told() {
        let menu = Menu::for_tests();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program.yaml");
        let good = write(&generate::program(11, 1, &menu), &About::default(), &menu);
        for (bad, sign) in [
            (good.replace("version: 1", "version: 7"), "version is 7"),
            (good.replace("version: 1", "version: 1\nverson: 1"), "verson"),
            (good.replace("ctx: ctx0", "ctx: zero"), "`zero` is no handle"),
            (good.replace("fixture:tiny-llama", "fixture:huge-llama"), "does not run `fixture:huge-llama`"),
        ] {
            std::fs::write(&path, &bad).unwrap();
            let error = read(&path, &menu).unwrap_err().to_string();
            assert!(error.contains(sign), "{error}\n{bad}");
        }
        let missing = read(&folder.path().join("none.yaml"), &menu).unwrap_err().to_string();
        assert!(missing.contains("cannot read the program"), "{missing}");
    }
}
