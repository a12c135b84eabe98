//! Compiles and runs what the guide and the examples show: C, C++ and Rust hosts on one library, with the same text.
//!
//! With `WORKER_LIBRARY` and `WORKER_MODEL` set they run on that backend and model, otherwise on the fake backend.

#[path = "fake/library.rs"]
mod fake;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fake::Fake;

const FAKE_TEXT: &str = "One token at a time, 🦀.\n";
const PROMPT: &str = "The capital of France is";

/// The one block of the guide in this language.
fn block(language: &str) -> String {
    let guide =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("include/README.md")).unwrap();
    let fence = format!("\n```{language}\n");
    let (_, after) = guide.split_once(&fence).unwrap_or_else(|| panic!("the guide has no {language}"));
    assert!(!after.contains(&fence), "the guide has two blocks of {language}");
    format!("{}\n", after.split_once("\n```").expect("a block that ends").0)
}

/// The backend and the model to run on, and the text to expect if it is known.
fn backend(fake: &Fake) -> (PathBuf, PathBuf, Option<&'static str>) {
    match (std::env::var_os("WORKER_LIBRARY"), std::env::var_os("WORKER_MODEL")) {
        (Some(library), Some(model)) => (library.into(), model.into(), None),
        (None, None) => (fake.library(), fake.model(), Some(FAKE_TEXT)),
        _ => panic!("set both WORKER_LIBRARY and WORKER_MODEL, or neither"),
    }
}

/// Compile a block of the guide against a library, as the guide says, warnings being errors.
fn compile(fake: &Fake, library: &Path, compiler: &str, standard: &str, language: &str) -> PathBuf {
    let source = fake.folder().join(format!("guide.{language}"));
    let program = fake.folder().join(format!("guide_{language}"));
    std::fs::write(&source, block(language)).unwrap();
    let library = std::fs::canonicalize(library).unwrap();
    let folder = library.parent().expect("a file lies in a folder");
    let output = Command::new(compiler)
        .arg(format!("-std={standard}"))
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
        .args([&source, &library])
        .arg(format!("-Wl,-rpath,{}", folder.display()))
        .arg("-o")
        .arg(&program)
        .output()
        .unwrap_or_else(|error| panic!("cannot run {compiler} (Debian: apt-get install g++): {error}"));
    assert!(output.status.success(), "{language}:\n{}", String::from_utf8_lossy(&output.stderr));
    program
}

/// Build an example of this crate as it is now and tell where it lies.
fn example(name: &str) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--offline",
            "--message-format=json-render-diagnostics",
            "--example",
            name,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let executable = messages.rsplit("\"executable\":\"").next().and_then(|rest| rest.split('"').next());
    executable.expect("the example's message names its program").into()
}

fn run<A: AsRef<OsStr>>(program: &Path, arguments: &[A]) -> Output {
    Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

fn text_of(output: &Output) -> String {
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    assert!(words.contains("bytes of device memory"), "{words}");
    String::from_utf8(output.stdout.clone()).expect("tokens are UTF-8")
}

#[test]
fn the_hosts_of_the_guide_compile_run_and_agree() {
    let fake = Fake::build();
    let (library, model, expected) = backend(&fake);
    let arguments = [model.as_os_str(), OsStr::new(PROMPT)];
    let c = text_of(&run(&compile(&fake, &library, "cc", "c99", "c"), &arguments));
    let cpp = text_of(&run(&compile(&fake, &library, "c++", "c++17", "cpp"), &arguments));
    let rust = text_of(&run(&example("guide"), &[library.as_os_str(), arguments[0], arguments[1]]));
    assert!(c.len() > 1, "no text came");
    assert_eq!((&cpp, &rust), (&c, &c));
    assert_eq!(c, expected.unwrap_or(&c));
}

#[test]
fn the_hosts_of_the_guide_say_what_failed() {
    let fake = Fake::build();
    let absent = fake.folder().join("absent.gguf");
    let arguments = [absent.as_os_str(), OsStr::new(PROMPT)];
    let library = fake.library();
    let outputs = [
        run(&compile(&fake, &library, "cc", "c99", "c"), &arguments),
        run(&compile(&fake, &library, "c++", "c++17", "cpp"), &arguments),
        run(&example("guide"), &[library.as_os_str(), arguments[0], arguments[1]]),
    ];
    for output in outputs {
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(words.contains("the model cannot be loaded"), "{words}");
    }
}

#[test]
fn the_guide_shows_the_rust_example_that_is_compiled() {
    let example =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/guide.rs")).unwrap();
    assert_eq!(block("rust"), example, "include/README.md and examples/guide.rs differ");
}

#[test]
fn generate_streams_text_and_names_what_is_wrong() {
    let fake = Fake::build();
    let generate = example("generate");
    let run = |changes: &[(&str, &str)]| {
        let (library, model) = (fake.library().display().to_string(), fake.model().display().to_string());
        let mut options = vec![("--library", library.as_str()), ("--model", &model), ("--prompt", PROMPT)];
        options.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        options.extend(changes);
        let output = run(
            &generate,
            &options.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
        );
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), text.replace(&fake.folder().display().to_string(), "FOLDER"))
    };
    assert_eq!(run(&[]), (Some(0), FAKE_TEXT.to_owned()));
    assert_eq!(run(&[("--max-tokens", "2")]), (Some(0), "One token\n".to_owned()));
    let mistakes = [
        run(&[("--library", "FOLDER/absent.so")]),
        run(&[("--device", "3")]),
        run(&[("--model", "FOLDER/absent.gguf")]),
        run(&[("--temperature", "9")]),
        run(&[("--prompt", "failing kernel")]),
    ];
    let lines: Vec<String> = mistakes.iter().map(|(code, text)| format!("{code:?} {text}")).collect();
    insta::assert_snapshot!(lines.join(""), @r"
    Some(1) error: cannot load `FOLDER/absent.so`: FOLDER/absent.so: cannot open shared object file: No such file or directory; give the path of a shared library built for this machine
    Some(1) error: cannot open device 3 of 1: cuda_init failed with CUDA_ERROR_INVALID_DEVICE (1): no such device
    Some(1) error: cannot load the model `FOLDER/absent.gguf`: cuda_load_model failed with CUDA_ERROR_MODEL_LOAD_FAILED (3): the model cannot be loaded
    Some(1) error: cannot start to generate: cuda_inference_start failed with CUDA_ERROR_INVALID_PARAMETER (5): invalid parameter
    Some(1) One token
    error: cannot go on generating: cuda_inference_next_token failed with CUDA_ERROR_INFERENCE_FAILED (4): the generation failed
    ");
}
