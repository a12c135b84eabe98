//! Libraries built on the spot, sound and broken, and what their files alone say of them.

use std::path::Path;
use std::process::Command;

use worker_conformance::binary::{self, Report};
use worker_conformance::oracle::Verdicts;

const SOUND: &str = r#"
#include <stdbool.h>
#include <stdint.h>
typedef struct CudaContext CudaContext;
typedef struct CudaModel CudaModel;
typedef struct InferenceResult InferenceResult;
/* Its type is described where those of functions are not, with -g1. */
__attribute__((visibility("hidden"))) extern const int worker_verbose;
const int worker_verbose = 1;
CudaContext *cuda_init(int gpu_device, int *error_code) { *error_code = gpu_device; return 0; }
void cuda_destroy(CudaContext *ctx) { (void)ctx; }
int cuda_get_device_count(void) { return 0; }
CudaModel *cuda_load_model(CudaContext *ctx, const char *model_path, uint64_t *vram_bytes_used, int *error_code) {
    *vram_bytes_used = *model_path; *error_code = 3; return (CudaModel *)ctx;
}
void cuda_unload_model(CudaModel *model) { (void)model; }
uint64_t cuda_model_get_vram_usage(CudaModel *model) { return model != 0; }
InferenceResult *cuda_inference_start(CudaModel *model, const char *prompt, int max_tokens, float temperature,
                                      uint64_t seed, int *error_code) {
    *error_code = max_tokens + *prompt + (int)temperature + (int)seed; return (InferenceResult *)model;
}
bool cuda_inference_next_token(InferenceResult *result, char *token_out, int token_buffer_size, int *token_index,
                               int *error_code) {
    *token_out = 0; *token_index = token_buffer_size; *error_code = 0; return result != 0;
}
void cuda_inference_free(InferenceResult *result) { (void)result; }
bool cuda_check_vram_residency(CudaModel *model, int *error_code) { *error_code = 0; return model != 0; }
uint64_t cuda_get_vram_usage(CudaModel *model) { return model != 0; }
uint64_t cuda_get_process_vram_usage(CudaContext *ctx) { return ctx != 0; }
bool cuda_check_device_health(CudaContext *ctx, int *error_code) { *error_code = 0; return ctx != 0; }
const char *cuda_error_message(int error_code) { return error_code ? "bad" : "good"; }
"#;

const CXX: &str = r#"
#include <cstdint>
#include <memory>
enum class Code : int { good = 0, bad = 5 };
class CudaContext { public: virtual ~CudaContext() = default; int device; };
struct CudaModel : CudaContext { std::unique_ptr<char[]> weights; };
namespace inner {
struct Job { CudaModel *model; };
bool cuda_check_device_health(double why) { return why > 0; }
extern "C" {
auto cuda_init(std::int32_t gpu_device, Code *error_code) -> CudaContext * { *error_code = Code::bad; return nullptr; }
void cuda_destroy(CudaContext *) noexcept {}
int cuda_get_device_count() { return 0; }
CudaModel *cuda_load_model(CudaContext *, const char *, std::size_t *, Code *) { return nullptr; }
void cuda_unload_model(CudaModel *model) { delete model; }
unsigned long long cuda_model_get_vram_usage(const CudaModel *) { return 0; }
Job *cuda_inference_start(CudaModel *model, const char *, int, const float, std::uint64_t, Code *) { return new Job{model}; }
bool cuda_inference_next_token(Job *job, char *, int, int *, Code *) { return cuda_check_device_health(job ? 1 : 0); }
void cuda_inference_free(Job *job) { delete job; }
bool cuda_check_vram_residency(CudaModel *, Code *) { return false; }
std::uint64_t cuda_get_vram_usage(CudaModel *) { return 0; }
std::uint64_t cuda_get_process_vram_usage(void *) { return 0; }
bool cuda_check_device_health(CudaContext *, Code *) { return false; }
const char *cuda_error_message(Code) { return ""; }
}
}
"#;

const RUST: &str = r#"
#![allow(unused)]
use std::ffi::{c_char, c_int, c_void};
pub struct Context(u32, Box<u64>);
#[repr(transparent)] pub struct Handle(*mut Context);
#[repr(i32)] #[derive(Clone, Copy)] pub enum Code { Good = 0, Bad = 5 }
fn set(code: Option<&mut Code>) { if let Some(code) = code { *code = Code::Bad; } }
#[unsafe(no_mangle)] pub extern "C" fn cuda_init(_: c_int, code: Option<&mut Code>) -> Option<Box<Context>> { set(code); None }
#[unsafe(no_mangle)] pub extern "C" fn cuda_destroy(_: Option<Box<Context>>) {}
#[unsafe(no_mangle)] pub extern "C" fn cuda_get_device_count() -> c_int { 0 }
#[unsafe(no_mangle)] pub extern "C" fn cuda_load_model(ctx: Handle, path: *const c_char, used: *mut u64, code: *mut c_int) -> *mut c_void { ctx.0.cast() }
#[unsafe(no_mangle)] pub extern "C" fn cuda_unload_model(model: *mut c_void) {}
#[unsafe(export_name = "cuda_model_get_vram_usage")] pub extern "C" fn usage(model: *mut c_void) -> usize { model as usize }
#[unsafe(no_mangle)] pub extern "C" fn cuda_inference_start(model: *mut c_void, prompt: *const u8, max_tokens: i32, temperature: f32, seed: u64, code: *mut i32) -> *mut c_void { model }
#[unsafe(no_mangle)] pub extern "C" fn cuda_inference_next_token(result: *mut c_void, out: *mut i8, size: i32, index: *mut c_void, code: *mut i32) -> bool { false }
#[unsafe(no_mangle)] pub extern "C" fn cuda_inference_free(result: *mut c_void) {}
#[unsafe(no_mangle)] pub extern "C" fn cuda_check_vram_residency(_: *mut c_void, _: *mut i32) -> bool { true }
#[unsafe(no_mangle)] pub extern "C" fn cuda_get_vram_usage(model: *mut c_void) -> u64 { 0 }
#[unsafe(no_mangle)] pub extern "C" fn cuda_get_process_vram_usage(ctx: Handle) -> u64 { 0 }
#[unsafe(no_mangle)] pub extern "C" fn cuda_check_device_health(ctx: Handle, code: *mut i32) -> bool { true }
#[unsafe(no_mangle)] pub extern "C" fn cuda_error_message(code: c_int) -> *const c_char { c"".as_ptr() }
"#;

/// Compiles with `compiler`, which ends in the extension of the source, as in `gcc x.c`.
fn build(compiler: &str, source: &str, flags: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (program, name) = compiler.split_once(' ').unwrap();
    std::fs::write(folder.path().join(name), source).unwrap();
    let shared: &[&str] = match program {
        "rustc" => &["--edition", "2024", "--crate-type", "cdylib"],
        _ => &["-shared", "-fPIC", "-w"],
    };
    let output = Command::new(program)
        .current_dir(folder.path())
        .args(shared)
        .args(flags)
        .args([name, "-o", "library.so"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{compiler} {flags:?}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(folder.path().join("library.so")).unwrap()
}

fn judge(library: &[u8]) -> (Report, Verdicts) {
    let mut verdicts = Verdicts::default();
    let report = binary::judge(Path::new("library.so"), library, &mut verdicts).unwrap();
    (report, verdicts)
}

fn checks(verdicts: &Verdicts, requirement: &str) -> u64 {
    verdicts.checks.get(&requirement.parse().unwrap()).copied().unwrap_or(0)
}

/// The findings, one a line.
fn found(verdicts: &Verdicts) -> Vec<String> {
    let line = |finding: &worker_conformance::oracle::Finding| {
        format!("{} {}: {}", finding.requirement, finding.call, finding.observed)
    };
    verdicts.findings.iter().map(line).collect()
}

#[test]
fn a_sound_library_in_c_is_blamed_in_no_build() {
    for (flags, told) in [
        (&["-g"][..], 14),
        (&["-g", "-gdwarf-2"], 14),
        (&["-g", "-gdwarf-3"], 14),
        (&["-g", "-gdwarf-4", "-O2"], 14),
        (&["-g", "-gdwarf-5", "-O2"], 14),
        (&["-g", "-gdwarf-5", "-gdwarf64"], 14),
        (&["-g", "-gz=zlib"], 14),
        (&["-g", "-O2", "-flto"], 14),
        (&["-g", "-fdebug-types-section", "-ffunction-sections", "-Wl,--gc-sections"], 14),
        (&["-g0"], 0),
        (&["-g1"], 0),
        (&["-g", "-s"], 0),
        (&["-g", "-gsplit-dwarf"], 0),
    ] {
        let (report, verdicts) = judge(&build("gcc x.c", SOUND, flags));
        assert_eq!(found(&verdicts), Vec::<String>::new(), "{flags:?}");
        assert_eq!((report.dwarf, checks(&verdicts, "ABI-04")), (told > 0, told), "{flags:?}");
    }
}

#[test]
fn classes_references_and_enumerations_are_sound_too() {
    // Bodies that are the same may become one, and then one name is left.
    for (flags, least) in [(&["-g"][..], 14), (&["-g", "-O2", "-gdwarf-4"], 8), (&["-g", "-O2", "-flto"], 8)]
    {
        let (report, verdicts) =
            judge(&build("g++ x.cpp", CXX, &[flags, &["-fvisibility-inlines-hidden"]].concat()));
        let signatures: Vec<String> =
            found(&verdicts).into_iter().filter(|line| line.contains("ABI-04")).collect();
        assert_eq!(signatures, Vec::<String>::new(), "{flags:?}");
        assert!(report.dwarf && (least..=14).contains(&checks(&verdicts, "ABI-04")), "{flags:?}");
    }
}

#[test]
fn a_sound_library_in_rust_is_blamed_in_no_build() {
    for (flags, least) in [
        (&["-g"][..], 14),
        (&["-g", "-O"], 8),
        (&["-g", "-C", "dwarf-version=5", "-C", "lto"], 14),
        (&["-C", "debuginfo=line-tables-only"], 0),
        (&["-C", "debuginfo=1"], 0),
        (&[], 0),
    ] {
        let (report, verdicts) = judge(&build("rustc x.rs", RUST, flags));
        assert_eq!(found(&verdicts), Vec::<String>::new(), "{flags:?}");
        let told = checks(&verdicts, "ABI-04");
        assert_eq!(report.dwarf, least > 0, "{flags:?}");
        assert_eq!(told > 0, report.dwarf, "{flags:?}");
        assert!((least..=14).contains(&told), "{flags:?}: {told}");
    }
}

#[test]
fn a_signature_that_differs_is_named() {
    let cases = [
        ("uint64_t seed", "int seed"),
        ("float temperature", "double temperature"),
        (
            "cuda_init(int gpu_device, int *error_code) { *error_code",
            "cuda_init(int gpu_device) { gpu_device",
        ),
        (
            "cuda_init(int gpu_device, ",
            "cuda_init(int gpu_device, int *error_code, int flags) { return 0; } int x(int gpu_device, ",
        ),
        ("uint64_t *vram_bytes_used", "int *vram_bytes_used"),
        ("health(CudaContext *ctx, int *error_code)", "health(int *error_code, CudaContext *ctx)"),
        (
            "float temperature,\n                                      uint64_t seed",
            "uint64_t seed, float temperature",
        ),
        ("bool cuda_check_vram_residency", "int cuda_check_vram_residency"),
        ("bool cuda_check_vram_residency", "unsigned char cuda_check_vram_residency"),
        ("char *token_out", "short *token_out"),
        ("void cuda_destroy", "int cuda_destroy"),
        ("int cuda_get_device_count(void) { return 0; }", "void cuda_get_device_count(void) {}"),
        ("int cuda_get_device_count(void)", "long cuda_get_device_count(void)"),
        ("uint64_t cuda_get_process_vram_usage", "double cuda_get_process_vram_usage"),
        (
            "uint64_t cuda_get_process_vram_usage(CudaContext *ctx) { return ctx != 0; }",
            "struct two { long a, b; } cuda_get_process_vram_usage(CudaContext *ctx) { __builtin_trap(); }",
        ),
        (
            "CudaContext *cuda_init(int gpu_device, int *error_code) {",
            "intptr_t cuda_init(int gpu_device, int *error_code) {",
        ),
        (
            "const char *cuda_error_message(int error_code) { return error_code ? \"bad\" : \"good\"; }",
            "struct CudaContext *cuda_error_message(int error_code) { return 0; }",
        ),
    ];
    let mut lines = Vec::new();
    for (sound, broken) in cases {
        assert!(SOUND.contains(sound), "{sound}");
        let source = SOUND.replacen(sound, broken, 1);
        for flags in [&["-g", "-gdwarf-4"], &["-g", "-O2"]] {
            let (_, verdicts) = judge(&build("gcc x.c", &source, flags));
            assert_eq!(verdicts.findings.len(), 1, "{broken}: {:?}", found(&verdicts));
            lines.extend(found(&verdicts));
        }
    }
    lines.dedup();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_callers_cannot_tell_is_noted_and_not_blamed() {
    let source = SOUND
        .replacen("uint64_t *vram_bytes_used", "void *vram_bytes_used", 1)
        .replacen("*vram_bytes_used =", "*(int *)vram_bytes_used =", 1)
        .replacen("cuda_destroy(CudaContext *ctx)", "cuda_destroy(void **ctx)", 1);
    let (_, verdicts) = judge(&build("gcc x.c", &source, &["-g"]));
    assert_eq!(found(&verdicts), Vec::<String>::new());
    let notes: Vec<&str> = verdicts.notes.iter().map(|note| note.text.as_str()).collect();
    insta::assert_snapshot!(notes.join("\n"), @r"
    cuda_load_model: parameter 3 (vram_bytes_used) is a pointer to void, which callers cannot tell
    ");
}

#[test]
fn another_signedness_is_another_type() {
    let source = SOUND
        .replacen("uint64_t cuda_get_vram_usage", "int64_t cuda_get_vram_usage", 1)
        .replacen("int *token_index", "unsigned *token_index", 1)
        .replacen("*token_index =", "*(int *)token_index =", 1);
    let (_, verdicts) = judge(&build("gcc x.c", &source, &["-g"]));
    assert_eq!(verdicts.findings.len(), 2, "{:?}", found(&verdicts));
}

#[test]
fn a_wrong_signature_in_rust_and_in_cxx_is_named() {
    let rust = RUST.replacen("seed: u64", "seed: u32", 1).replacen("bool { false }", "i32 { 0 }", 1);
    let (_, verdicts) = judge(&build("rustc x.rs", &rust, &["-g"]));
    assert_eq!(verdicts.findings.len(), 2, "{:?}", found(&verdicts));
    let cxx = CXX.replacen("std::size_t *", "int *", 1);
    let (_, verdicts) = judge(&build("g++ x.cpp", &cxx, &["-g", "-O2"]));
    let lines = found(&verdicts);
    assert!(lines.iter().any(|line| line.starts_with("ABI-04 cuda_load_model")), "{lines:?}");
}

#[test]
fn symbols_and_flags_are_judged() {
    let renamed = |tail: &str| SOUND.replacen("int cuda_get_device_count(void)", tail, 1);
    let cases = [
        (renamed("int count(void)"), "", "ABI-01 library.so: not exported"),
        (
            renamed("int _Z21cuda_get_device_countv(void)"),
            "",
            "ABI-01 library.so: not exported; there is a mangled",
        ),
        (renamed("__attribute__((visibility(\"hidden\"))) int cuda_get_device_count(void)"), "", "ABI-01"),
        (
            SOUND.replacen(
                "int cuda_get_device_count(void) { return 0; }",
                "int cuda_get_device_count = 1;",
                1,
            ),
            "",
            "ABI-01",
        ),
        (
            format!("{SOUND}int cuda_debug(void) {{ return 0; }}"),
            "",
            "ABI-02 library.so: 1 more, such as cuda_debug",
        ),
        (SOUND.to_owned(), "-Wl,-z,execstack", "ABI-05"),
    ];
    for (source, flag, expected) in cases {
        let flags = if flag.is_empty() { vec!["-g"] } else { vec!["-g", flag] };
        let (_, verdicts) = judge(&build("gcc x.c", &source, &flags));
        let lines = found(&verdicts);
        assert!(lines.iter().any(|line| line.starts_with(expected)), "{expected}: {lines:?}");
        assert!(!lines.iter().any(|line| line.starts_with("ABI-04")), "{lines:?}");
    }
}

/// A typedef of itself, and a function whose origin is itself.
const CIRCLES: &str = r#"
    .globl cuda_init
    .type cuda_init, @function
cuda_init: ret
    .size cuda_init, 1
    .section .debug_abbrev,"",@progbits
    .byte 1, 0x11, 1, 0x13, 5, 0, 0
    .byte 2, 0x16, 0, 0x49, 0x13, 0, 0
    .byte 3, 0x2e, 0, 0x03, 0x08, 0x3f, 0x19, 0x11, 1, 0x49, 0x13, 0, 0
    .byte 4, 0x2e, 0, 0x11, 1, 0x31, 0x13, 0, 0
    .byte 0
    .section .debug_info,"",@progbits
start: .long end - begin
begin: .short 4
    .long 0
    .byte 8, 1
    .short 0x1d
type: .byte 2
    .long type - start
    .byte 3
    .string "cuda_init"
    .quad cuda_init
    .long type - start
self: .byte 4
    .quad cuda_init
    .long self - start
    .byte 0
end:
"#;

#[test]
fn circles_come_to_an_end() {
    let (report, verdicts) = judge(&build("gcc x.s", CIRCLES, &[]));
    assert!(report.dwarf);
    let lines = found(&verdicts);
    // It has no parameter, which can be told; its result cannot.
    assert!(!lines.iter().any(|line| line.contains("the result")), "{lines:?}");
}

/// A thousand attributes of no size in each of four million entries, after a function whose result is a `float`.
const FLOOD: &str = r#"
    .globl cuda_get_device_count
    .type cuda_get_device_count, @function
cuda_get_device_count: ret
    .size cuda_get_device_count, 1
    .section .debug_abbrev,"",@progbits
    .byte 1, 0x11, 1, 0x13, 5, 0, 0
    .byte 2, 0x24, 0, 0x0b, 0x0b, 0x3e, 0x0b, 0, 0
    .byte 3, 0x2e, 0, 0x03, 0x08, 0x11, 1, 0x49, 0x13, 0, 0
    .byte 4, 0x34, 0
    .rept 1000
    .byte 0x3f, 0x19
    .endr
    .byte 0, 0, 0
    .section .debug_info,"",@progbits
start: .long end - begin
begin: .short 4
    .long 0
    .byte 8, 1
    .short 0x1d
type: .byte 2, 4, 4
    .byte 3
    .string "cuda_get_device_count"
    .quad cuda_get_device_count
    .long type - start
    .fill 4000000, 1, 4
    .byte 0
end:
"#;

#[test]
fn a_flood_is_cut_short_and_what_came_before_is_judged() {
    let (_, verdicts) = judge(&build("gcc x.s", FLOOD, &[]));
    let lines = found(&verdicts);
    let wrong = "ABI-04 cuda_get_device_count: the debug information says: the result is a floating-point number of 4 bytes";
    assert!(lines.iter().any(|line| line == wrong), "{lines:?}");
    let notes: Vec<&str> = verdicts.notes.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(notes, ["there is more debug information than was read"]);
}

#[test]
fn damaged_debug_information_does_no_harm() {
    let library = build("gcc x.c", SOUND, &["-g", "-gdwarf-5", "-O2"]);
    let (mut state, mut read) = (1_u64, 0);
    for _ in 0..3000 {
        let mut damaged = library.clone();
        for _ in 0..4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Past the segments, where sections of debug information and their headers lie.
            let at = damaged.len() / 2 + (state >> 33) as usize % (damaged.len() / 2);
            damaged[at] = (state >> 24) as u8;
        }
        let report = binary::judge(Path::new("library.so"), &damaged, &mut Verdicts::default());
        read += usize::from(report.is_ok_and(|report| report.dwarf));
    }
    // Some damage leaves nothing to read at all; that alone would prove little.
    assert!(read > 300, "{read}");
}
