//! The table of the 14 functions: names, groups, signatures and error sets; all else reads it or is compared with it.

#![forbid(unsafe_code)]

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error_code::ErrorCode;

/// What a function is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Devices and contexts.
    Context,
    /// Loading and unloading.
    Model,
    /// Generation.
    Inference,
    /// Residency, usage and device checks.
    Health,
    /// Messages.
    Errors,
}

/// A C type that occurs in the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CType {
    /// `void`, as a return type only.
    Void,
    /// `int`.
    Int,
    /// `uint64_t`.
    Uint64,
    /// `float`.
    Float,
    /// `bool`.
    Bool,
    /// `CudaContext*`.
    Context,
    /// `CudaModel*`.
    Model,
    /// `InferenceResult*`.
    Inference,
    /// `const char*`: NUL-terminated text that is read only.
    Text,
    /// `char*`: a buffer that the call fills.
    Buffer,
    /// `int*`: an out-parameter of 4 bytes.
    OutInt,
    /// `uint64_t*`: an out-parameter of 8 bytes.
    OutUint64,
}

impl CType {
    /// The type as the headers spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Void => "void",
            Self::Int => "int",
            Self::Uint64 => "uint64_t",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Context => "CudaContext*",
            Self::Model => "CudaModel*",
            Self::Inference => "InferenceResult*",
            Self::Text => "const char*",
            Self::Buffer => "char*",
            Self::OutInt => "int*",
            Self::OutUint64 => "uint64_t*",
        }
    }

    /// Whether values of the type can be NULL.
    #[must_use]
    pub const fn is_pointer(self) -> bool {
        !matches!(self, Self::Void | Self::Int | Self::Uint64 | Self::Float | Self::Bool)
    }

    /// Whether the type is one of the three opaque handles.
    #[must_use]
    pub const fn is_handle(self) -> bool {
        matches!(self, Self::Context | Self::Model | Self::Inference)
    }
}

/// What a function makes of NULL in a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnNull {
    /// The parameter is no pointer.
    NotAPointer,
    /// The call does its work without it.
    Accepted,
    /// The call does nothing but return its failure value, with `CUDA_ERROR_INVALID_PARAMETER` if it reports codes.
    Refused,
}

/// One parameter of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name in the header.
    pub name: &'static str,
    /// Type in the header.
    pub kind: CType,
    /// What NULL means here. Requirements: NULL-01 to NULL-08, ERR-09.
    pub on_null: OnNull,
}

/// One function of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionSpec {
    /// Which of the 14.
    pub function: Function,
    /// Exported symbol.
    pub name: &'static str,
    /// What it is about.
    pub group: Group,
    /// Return type.
    pub returns: CType,
    /// Parameters in order.
    pub parameters: &'static [Parameter],
    /// Codes that it may report besides 0, in numerical order; empty if it reports none. Requirement: ERR-04.
    pub codes: &'static [ErrorCode],
}

impl FunctionSpec {
    /// The C declaration on one line, as in `int cuda_get_device_count(void)`.
    #[must_use]
    pub fn signature(&self) -> String {
        let parameters = match self.parameters {
            [] => "void".to_owned(),
            list => {
                list.iter().map(|p| format!("{} {}", p.kind.name(), p.name)).collect::<Vec<_>>().join(", ")
            }
        };
        format!("{} {}({parameters})", self.returns.name(), self.name)
    }

    /// The header that declares it.
    #[must_use]
    pub const fn header(&self) -> &'static str {
        match self.group {
            Group::Errors => "worker_errors.h",
            Group::Context | Group::Model | Group::Inference | Group::Health => "worker_ffi.h",
        }
    }

    /// Whether the function has an `error_code` out-parameter.
    #[must_use]
    pub const fn reports_codes(&self) -> bool {
        !self.codes.is_empty()
    }

    /// Whether the function may report this code, 0 included. Requirement: ERR-04.
    #[must_use]
    pub fn may_report(&self, code: ErrorCode) -> bool {
        self.reports_codes() && (code == ErrorCode::Success || self.codes.contains(&code))
    }

    /// The parameters that are pointers, in order.
    pub fn pointers(&self) -> impl Iterator<Item = &'static Parameter> + use<> {
        self.parameters.iter().filter(|parameter| parameter.kind.is_pointer())
    }
}

const fn value(name: &'static str, kind: CType) -> Parameter {
    Parameter { name, kind, on_null: OnNull::NotAPointer }
}

const fn needed(name: &'static str, kind: CType) -> Parameter {
    Parameter { name, kind, on_null: OnNull::Refused }
}

const fn optional(name: &'static str, kind: CType) -> Parameter {
    Parameter { name, kind, on_null: OnNull::Accepted }
}

macro_rules! functions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $group:ident, $returns:ident, [$($parameter:expr),*], [$($code:ident),*];)*) => {
        /// One of the 14 functions. Serialised under its C name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Function {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        /// All 14 functions, in the order of the headers.
        pub const FUNCTIONS: [FunctionSpec; 14] = [$(FunctionSpec {
            function: Function::$variant,
            name: $name,
            group: Group::$group,
            returns: CType::$returns,
            parameters: &[$($parameter),*],
            codes: &[$(ErrorCode::$code),*],
        },)*];

        impl Function {
            /// All 14, in the order of the headers.
            pub const ALL: [Self; 14] = [$(Self::$variant),*];
        }
    };
}

functions! {
    /// `cuda_init`: open a context.
    Init = "cuda_init", Context, Context,
        [value("gpu_device", CType::Int), optional("error_code", CType::OutInt)],
        [InvalidDevice, InvalidParameter, DeviceNotFound, Unknown];
    /// `cuda_destroy`: end a context.
    Destroy = "cuda_destroy", Context, Void, [needed("ctx", CType::Context)], [];
    /// `cuda_get_device_count`: count the devices.
    GetDeviceCount = "cuda_get_device_count", Context, Int, [], [];
    /// `cuda_load_model`: load a GGUF file.
    LoadModel = "cuda_load_model", Model, Model,
        [needed("ctx", CType::Context), needed("model_path", CType::Text),
         needed("vram_bytes_used", CType::OutUint64), optional("error_code", CType::OutInt)],
        [OutOfMemory, ModelLoadFailed, InvalidParameter, Unknown];
    /// `cuda_unload_model`: end a model.
    UnloadModel = "cuda_unload_model", Model, Void, [needed("model", CType::Model)], [];
    /// `cuda_model_get_vram_usage`: bytes that a model takes.
    ModelGetVramUsage = "cuda_model_get_vram_usage", Model, Uint64, [needed("model", CType::Model)], [];
    /// `cuda_inference_start`: begin a job.
    InferenceStart = "cuda_inference_start", Inference, Inference,
        [needed("model", CType::Model), needed("prompt", CType::Text), value("max_tokens", CType::Int),
         value("temperature", CType::Float), value("seed", CType::Uint64), optional("error_code", CType::OutInt)],
        [OutOfMemory, InferenceFailed, InvalidParameter, Unknown];
    /// `cuda_inference_next_token`: the next token as text.
    InferenceNextToken = "cuda_inference_next_token", Inference, Bool,
        [needed("result", CType::Inference), needed("token_out", CType::Buffer),
         value("token_buffer_size", CType::Int), optional("token_index", CType::OutInt),
         optional("error_code", CType::OutInt)],
        [OutOfMemory, InferenceFailed, InvalidParameter, KernelLaunchFailed, Unknown];
    /// `cuda_inference_free`: end a job.
    InferenceFree = "cuda_inference_free", Inference, Void, [needed("result", CType::Inference)], [];
    /// `cuda_check_vram_residency`: whether weights are resident.
    CheckVramResidency = "cuda_check_vram_residency", Health, Bool,
        [needed("model", CType::Model), optional("error_code", CType::OutInt)],
        [InvalidParameter, VramResidencyFailed, Unknown];
    /// `cuda_get_vram_usage`: bytes that a model takes, by its other name.
    GetVramUsage = "cuda_get_vram_usage", Health, Uint64, [needed("model", CType::Model)], [];
    /// `cuda_get_process_vram_usage`: bytes that the process takes.
    GetProcessVramUsage = "cuda_get_process_vram_usage", Health, Uint64, [needed("ctx", CType::Context)], [];
    /// `cuda_check_device_health`: whether the device works.
    CheckDeviceHealth = "cuda_check_device_health", Health, Bool,
        [needed("ctx", CType::Context), optional("error_code", CType::OutInt)],
        [InvalidDevice, InvalidParameter, Unknown];
    /// `cuda_error_message`: a code in words.
    ErrorMessage = "cuda_error_message", Errors, Text, [value("error_code", CType::Int)], [];
}

impl Function {
    /// The entry of the table.
    #[must_use]
    pub const fn spec(self) -> &'static FunctionSpec {
        const TABLE: &[FunctionSpec; 14] = &FUNCTIONS;
        &TABLE[self as usize]
    }

    /// The exported symbol.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// The function with this symbol, or `None` if it is none of the 14.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name() == name)
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_finds_its_own_entry() {
        for function in Function::ALL {
            assert_eq!(function.spec().function, function);
            assert_eq!(Function::from_name(function.name()), Some(function));
        }
        assert_eq!(Function::from_name("cuda_launch"), None);
    }

    #[test]
    fn serialised_names_are_the_symbols() {
        for function in Function::ALL {
            let yaml = serde_yaml::to_string(&function).unwrap();
            assert_eq!(yaml.trim(), function.name());
            assert_eq!(serde_yaml::from_str::<Function>(&yaml).unwrap(), function);
        }
    }

    #[test]
    fn codes_go_with_an_error_code_parameter_and_unknown_is_in_every_set() {
        for spec in FUNCTIONS {
            let last = spec.parameters.last();
            let has_parameter = last.is_some_and(|p| p.name == "error_code" && p.kind == CType::OutInt);
            assert_eq!(has_parameter, spec.reports_codes(), "{}", spec.name);
            assert_eq!(spec.may_report(ErrorCode::Unknown), spec.reports_codes(), "{}", spec.name);
            assert!(spec.codes.is_sorted(), "{}", spec.name);
            assert!(!spec.codes.contains(&ErrorCode::Success), "{}", spec.name);
        }
    }

    #[test]
    fn a_rule_for_null_goes_with_every_pointer() {
        for spec in FUNCTIONS {
            for parameter in spec.parameters {
                let has_rule = parameter.on_null != OnNull::NotAPointer;
                assert_eq!(has_rule, parameter.kind.is_pointer(), "{} {}", spec.name, parameter.name);
            }
        }
    }

    #[test]
    fn the_table_reads_as_the_contract() {
        let lines: Vec<String> = FUNCTIONS
            .iter()
            .map(|spec| {
                let codes: Vec<String> = spec.codes.iter().map(|code| code.raw().to_string()).collect();
                format!("{:?}: {} [{}]", spec.group, spec.signature(), codes.join(" "))
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        Context: CudaContext* cuda_init(int gpu_device, int* error_code) [1 5 8 99]
        Context: void cuda_destroy(CudaContext* ctx) []
        Context: int cuda_get_device_count(void) []
        Model: CudaModel* cuda_load_model(CudaContext* ctx, const char* model_path, uint64_t* vram_bytes_used, int* error_code) [2 3 5 99]
        Model: void cuda_unload_model(CudaModel* model) []
        Model: uint64_t cuda_model_get_vram_usage(CudaModel* model) []
        Inference: InferenceResult* cuda_inference_start(CudaModel* model, const char* prompt, int max_tokens, float temperature, uint64_t seed, int* error_code) [2 4 5 99]
        Inference: bool cuda_inference_next_token(InferenceResult* result, char* token_out, int token_buffer_size, int* token_index, int* error_code) [2 4 5 6 99]
        Inference: void cuda_inference_free(InferenceResult* result) []
        Health: bool cuda_check_vram_residency(CudaModel* model, int* error_code) [5 7 99]
        Health: uint64_t cuda_get_vram_usage(CudaModel* model) []
        Health: uint64_t cuda_get_process_vram_usage(CudaContext* ctx) []
        Health: bool cuda_check_device_health(CudaContext* ctx, int* error_code) [1 5 99]
        Errors: const char* cuda_error_message(int error_code) []
        ");
    }
}
