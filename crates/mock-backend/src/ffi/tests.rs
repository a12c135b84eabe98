//! The boundary itself: NULL rules, codes, buffers, on a model file of its own.

use std::ffi::CString;
use std::ptr::{null, null_mut};

use super::*;
use crate::model::tests::llama;
use crate::quant::TensorType;

/// A model on disk and the handles over it, freed in order.
struct Fixture {
    context: *mut CudaContext,
    model: *mut CudaModel,
    _file: tempfile::NamedTempFile,
}

impl Fixture {
    fn new() -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), llama(TensorType::Q8_0).bytes()).unwrap();
        let path = CString::new(file.path().to_str().unwrap()).unwrap();
        let (mut code, mut used) = (77, 0);
        // SAFETY: every pointer is that of a live local.
        let context = unsafe { cuda_init(0, &mut code) };
        assert_eq!(code, 0);
        code = 77;
        // SAFETY: as before.
        let model = unsafe { cuda_load_model(context, path.as_ptr(), &mut used, &mut code) };
        assert_eq!((code, model.is_null()), (0, false));
        // SAFETY: the model is live.
        assert_eq!(unsafe { (cuda_get_vram_usage(model), cuda_model_get_vram_usage(model)) }, (used, used));
        Self { context, model, _file: file }
    }

    fn start(&self, prompt: &CStr, count: c_int) -> *mut InferenceResult {
        let mut code = 77;
        // SAFETY: the model is live, the prompt ends in NUL.
        let result = unsafe { cuda_inference_start(self.model, prompt.as_ptr(), count, 0.0, 1, &mut code) };
        assert_eq!((code, result.is_null()), (0, false));
        result
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // SAFETY: both are live and not used again.
        unsafe {
            cuda_unload_model(self.model);
            cuda_destroy(self.context);
        }
    }
}

/// (returned, code, index, text) of a call with a buffer of `size` bytes.
fn next(result: *mut InferenceResult, size: usize) -> (bool, c_int, c_int, String) {
    let mut buffer = vec![0x7fu8; size + 8];
    let (mut index, mut code) = (-1, 77);
    // SAFETY: the result is live and the buffer has `size` bytes and more.
    let more = unsafe {
        cuda_inference_next_token(result, buffer.as_mut_ptr().cast(), size as c_int, &mut index, &mut code)
    };
    assert!(buffer[size..].iter().all(|&byte| byte == 0x7f), "written past the buffer");
    let text = buffer[..size].split(|&byte| byte == 0).next().unwrap_or_default();
    (more, code, index, if more { std::str::from_utf8(text).unwrap().into() } else { String::new() })
}

#[test]
fn null_pointers_give_the_failure_value_and_code_5() {
    let fixture = Fixture::new();
    let (mut code, mut used) = (77, 42u64);
    // SAFETY: NULL is allowed everywhere; the others are live.
    unsafe {
        assert!(cuda_load_model(null_mut(), c"x".as_ptr(), &mut used, &mut code).is_null());
        assert_eq!((code, used), (5, 42));
        assert!(cuda_load_model(fixture.context, null(), &mut used, &mut code).is_null());
        assert_eq!(code, 5);
        assert!(cuda_load_model(fixture.context, c"/nonexistent".as_ptr(), null_mut(), &mut code).is_null());
        assert_eq!(code, 5);
        assert!(cuda_inference_start(null_mut(), c"x".as_ptr(), 1, 0.0, 0, &mut code).is_null());
        assert!(cuda_inference_start(fixture.model, null(), 0, 9.0, 0, &mut code).is_null());
        assert_eq!(code, 5);
        assert!(!cuda_inference_next_token(null_mut(), null_mut(), 0, null_mut(), &mut code));
        assert!(!cuda_check_vram_residency(null_mut(), &mut code));
        assert!(!cuda_check_device_health(null_mut(), &mut code));
        assert_eq!(code, 5);
        assert_eq!(cuda_get_vram_usage(null_mut()), 0);
        assert_eq!(cuda_get_process_vram_usage(null_mut()), 0);
        cuda_destroy(null_mut());
        cuda_unload_model(null_mut());
        cuda_inference_free(null_mut());
        assert!(cuda_init(-1, null_mut()).is_null());
        assert!(cuda_load_model(fixture.context, null(), null_mut(), null_mut()).is_null());
    }
}

#[test]
fn a_refused_path_is_code_3_and_leaves_the_figure_alone() {
    let fixture = Fixture::new();
    for path in [c"", c"/", c"/dev/zero", c"/nonexistent/model.gguf", c"\xff\xfe"] {
        let (mut code, mut used) = (77, 42u64);
        // SAFETY: all pointers are live.
        let model = unsafe { cuda_load_model(fixture.context, path.as_ptr(), &mut used, &mut code) };
        assert_eq!((model.is_null(), code, used), (true, 3, 42), "{path:?}");
    }
}

#[test]
fn a_buffer_too_small_loses_nothing() {
    let fixture = Fixture::new();
    let expected: Vec<String> = {
        let result = fixture.start(c"he he", 12);
        let texts =
            std::iter::from_fn(|| Some(next(result, 64)).filter(|out| out.0).map(|out| out.3)).collect();
        // SAFETY: the result is live and not used again.
        unsafe { cuda_inference_free(result) };
        texts
    };
    let result = fixture.start(c"he he", 12);
    for (i, text) in expected.iter().enumerate() {
        for size in 0..=text.len() {
            let (more, code, index, _) = next(result, size);
            assert_eq!((more, code, index), (false, 5, -1));
        }
        assert_eq!(next(result, text.len() + 1), (true, 0, i as c_int, text.clone()));
    }
    assert_eq!(next(result, 64), (false, 0, -1, String::new()));
    // SAFETY: the result is live and not used again.
    unsafe { cuda_inference_free(result) };
}

#[test]
fn a_prompt_that_is_not_utf8_is_code_5() {
    let fixture = Fixture::new();
    let mut code = 77;
    // SAFETY: all pointers are live.
    let result = unsafe { cuda_inference_start(fixture.model, c"\xc3(".as_ptr(), 1, 0.0, 0, &mut code) };
    assert_eq!((result.is_null(), code), (true, 5));
}

#[test]
fn checks_are_true_mid_inference_and_change_nothing() {
    let fixture = Fixture::new();
    let result = fixture.start(c"a", 4);
    let first = next(result, 64);
    let mut code = 77;
    // SAFETY: the handles are live.
    unsafe {
        assert!(cuda_check_vram_residency(fixture.model, &mut code));
        assert_eq!(code, 0);
        code = 77;
        assert!(cuda_check_device_health(fixture.context, &mut code));
        assert_eq!(code, 0);
        assert!(cuda_get_process_vram_usage(fixture.context) >= cuda_get_vram_usage(fixture.model));
    }
    assert_eq!((first.2, next(result, 64).2), (0, 1));
    // SAFETY: the result is live and not used again.
    unsafe { cuda_inference_free(result) };
}

#[test]
fn a_model_outlives_its_handle_while_a_job_is_open() {
    let fixture = Fixture::new();
    let result = fixture.start(c"a", 4);
    // SAFETY: the job shares the model, so that the order of the two frees is free too.
    unsafe { cuda_unload_model(fixture.model) };
    assert!(next(result, 64).0);
    // SAFETY: the result is live and not used again.
    unsafe { cuda_inference_free(result) };
    let fixture = std::mem::ManuallyDrop::new(fixture);
    // SAFETY: the context is live; the model was freed above.
    unsafe { cuda_destroy(fixture.context) };
}

#[test]
fn messages_are_there_for_any_number() {
    for number in [0, 1, 8, 99, -5, c_int::MIN, c_int::MAX] {
        // SAFETY: messages are static strings.
        let text = unsafe { CStr::from_ptr(cuda_error_message(number)) };
        assert!(!text.to_bytes().is_empty());
    }
}
