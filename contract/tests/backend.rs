//! Runs the safe wrapper on a fake backend: order of ends, growing buffers, errors, and answers against the contract.

#[path = "fake/library.rs"]
mod fake;

use std::ffi::{CStr, c_char};

use fake::Fake;
use worker_contract::{Backend, Context, Error, ErrorCode, Function, Inference, Model, Sampling, Token};

/// The calls that the fake backend noted so far.
fn calls(fake: &Fake) -> String {
    // The library is loaded already: opening it again gives the same one.
    let library = worker_contract::library::load(&fake.library()).unwrap();
    // SAFETY: the fake backend defines the function with this type, and it returns static text with a NUL.
    let text = unsafe {
        let fake_calls = library.get::<unsafe extern "C" fn() -> *const c_char>("fake_calls").unwrap();
        CStr::from_ptr(fake_calls())
    };
    text.to_str().unwrap().trim_end().to_owned()
}

/// Generate with 16 tokens and collect what comes.
fn generate(fake: &Fake, prompt: &str) -> Vec<Result<Token, Error>> {
    let backend = Backend::load(fake.library()).unwrap();
    let context = backend.context(0).unwrap();
    let model = context.load_model(fake.model()).unwrap();
    match model.infer(prompt, Sampling { max_tokens: 16, ..Sampling::default() }) {
        Ok(inference) => inference.collect(),
        Err(error) => vec![Err(error)],
    }
}

#[test]
fn tokens_come_in_order_until_the_end() {
    let tokens: Vec<Token> = generate(&Fake::build(), "Hello").into_iter().map(Result::unwrap).collect();
    let text: String = tokens.iter().map(|token| token.text.as_str()).collect();
    assert_eq!(text, "One token at a time, 🦀.");
    assert!(tokens.iter().map(|token| token.index).eq(0..8));
}

#[test]
fn max_tokens_ends_the_sequence_and_it_stays_ended() {
    let fake = Fake::build();
    let backend = Backend::load(fake.library()).unwrap();
    let context = backend.context(0).unwrap();
    let model = context.load_model(fake.model()).unwrap();
    let mut inference = model.infer("Hello", Sampling { max_tokens: 3, ..Sampling::default() }).unwrap();
    assert_eq!(inference.by_ref().filter_map(Result::ok).count(), 3);
    assert!(inference.next().is_none());
}

#[test]
fn everything_ends_in_the_right_order() {
    let fake = Fake::build();
    generate(&fake, "Hello");
    assert_eq!(calls(&fake), "init load start free unload destroy");
}

#[test]
fn usage_and_checks_work_while_a_job_is_open() {
    let fake = Fake::build();
    let backend = Backend::load(fake.library()).unwrap();
    assert_eq!(backend.device_count(), 1);
    let context = backend.context(0).unwrap();
    context.check_health().unwrap();
    let model = context.load_model(fake.model()).unwrap();
    assert_eq!((model.vram_bytes_at_load(), model.vram_usage()), (4096, 4096));
    let mut inference = model.infer("Hello", Sampling::default()).unwrap();
    inference.next().unwrap().unwrap();
    assert_eq!((model.vram_usage(), context.process_vram_usage()), (4608, 4608));
    model.check_residency().unwrap();
    context.check_health().unwrap();
    assert_eq!(inference.next().unwrap().unwrap().text, " token");
    drop(inference);
    drop(model);
    assert_eq!(context.process_vram_usage(), 0);
}

#[test]
fn a_forgotten_job_keeps_its_model_and_context_from_ending() {
    let fake = Fake::build();
    let backend = Backend::load(fake.library()).unwrap();
    let context = backend.context(0).unwrap();
    let model = context.load_model(fake.model()).unwrap();
    std::mem::forget(model.infer("Hello", Sampling::default()).unwrap());
    drop(model);
    drop(context);
    assert_eq!(calls(&fake), "init load start");
}

#[test]
fn a_forgotten_model_keeps_its_context_from_ending() {
    let fake = Fake::build();
    let backend = Backend::load(fake.library()).unwrap();
    let context = backend.context(0).unwrap();
    std::mem::forget(context.load_model(fake.model()).unwrap());
    drop(context.load_model(fake.model()).unwrap());
    drop(context);
    assert_eq!(calls(&fake), "init load load unload");
}

#[test]
fn the_buffer_grows_for_a_long_token_and_none_is_lost() {
    let tokens: Vec<Token> = generate(&Fake::build(), "long token").into_iter().map(Result::unwrap).collect();
    assert_eq!(
        tokens.iter().map(|token| (token.index, token.text.len())).collect::<Vec<_>>(),
        [(0, 9000), (1, 9000)]
    );
}

#[test]
fn a_token_that_fits_no_buffer_is_an_error() {
    let tokens = generate(&Fake::build(), "huge token");
    let [Err(error)] = &tokens[..] else { panic!("{tokens:?}") };
    assert_eq!(
        (error.function, error.error_code()),
        (Function::InferenceNextToken, ErrorCode::InvalidParameter)
    );
}

#[test]
fn an_error_midway_is_the_last_item() {
    let tokens = generate(&Fake::build(), "failing kernel");
    let [Ok(_), Ok(_), Err(error)] = &tokens[..] else { panic!("{tokens:?}") };
    insta::assert_snapshot!(error, @"cuda_inference_next_token failed with CUDA_ERROR_INFERENCE_FAILED (4): the generation failed");
}

#[test]
fn errors_carry_code_name_function_and_the_librarys_message() {
    let fake = Fake::build();
    let backend = Backend::load(fake.library()).unwrap();
    let error = backend.context(7).unwrap_err();
    assert_eq!((error.function, error.code, error.name), (Function::Init, 1, "CUDA_ERROR_INVALID_DEVICE"));
    assert_eq!(error.message, "no such device");
    let context = backend.context(0).unwrap();
    let error = context.load_model(fake.folder().join("absent.gguf")).unwrap_err();
    insta::assert_snapshot!(error, @"cuda_load_model failed with CUDA_ERROR_MODEL_LOAD_FAILED (3): the model cannot be loaded");
    let error = context.load_model("a\0b").unwrap_err();
    insta::assert_snapshot!(error, @"cuda_load_model failed with CUDA_ERROR_INVALID_PARAMETER (5): the path holds a NUL byte at offset 1, where a C string would end");
    let model = context.load_model(fake.model()).unwrap();
    assert_eq!(
        model.infer("a\0b", Sampling::default()).unwrap_err().error_code(),
        ErrorCode::InvalidParameter
    );
    let hot = Sampling { temperature: f32::NAN, ..Sampling::default() };
    assert_eq!(model.infer("Hello", hot).unwrap_err().error_code(), ErrorCode::InvalidParameter);
    assert_eq!(backend.message(-5), "unknown error");
}

#[test]
fn answers_against_the_contract_are_errors_that_say_so() {
    let fake = Fake::build();
    let prompts = [
        "defect: NULL with code 0",
        "defect: code left unwritten",
        "defect: undefined code",
        "defect: loses tokens",
        "defect: bad UTF-8",
        "defect: writes no text",
        "defect: never ends",
    ];
    let lines: Vec<String> = prompts
        .iter()
        .map(|prompt| match generate(&fake, prompt).pop() {
            Some(Err(error)) => format!("{prompt}: {}", error.message),
            other => panic!("{prompt}: {other:?}"),
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    defect: NULL with code 0: the library broke its contract: it failed with code 0 [ERR-02]
    defect: code left unwritten: the library broke its contract: error_code was left unwritten [ERR-01]
    defect: undefined code: unknown error
    defect: loses tokens: the library broke its contract: a token was lost to too small a buffer [INF-10]
    defect: bad UTF-8: the library broke its contract: the text is not UTF-8 with a NUL [UTF8-01]
    defect: writes no text: the library broke its contract: the text is not UTF-8 with a NUL [UTF8-01]
    defect: never ends: the library broke its contract: more tokens came than max_tokens [INF-07]
    ");
}

/// Does not compile if the type has the mark: two implementations would then fit.
macro_rules! assert_lacks {
    ($type:ty: $mark:ident) => {{
        trait Ambiguous<Which> {
            fn check() {}
        }
        impl<T> Ambiguous<()> for T {}
        impl<T: $mark> Ambiguous<u8> for T {}
        <$type as Ambiguous<_>>::check();
    }};
}

#[test]
fn only_the_backend_and_errors_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    crosses::<Backend>();
    crosses::<Error>();
    assert_lacks!(Context<'static>: Send);
    assert_lacks!(Context<'static>: Sync);
    assert_lacks!(Model<'static>: Send);
    assert_lacks!(Model<'static>: Sync);
    assert_lacks!(Inference<'static>: Send);
    assert_lacks!(Inference<'static>: Sync);
}
