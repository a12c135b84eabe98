//! Jobs on small models: same bits however they are run, memory given back, ends that stay ends.

use super::*;
use crate::ledger::Ledger;
use crate::model::tests::{gpt2, llama, load, relative};
use crate::quant::TensorType;

fn model(threads: usize) -> Arc<Model> {
    let bytes = llama(TensorType::Q8_0).bytes();
    let mut model = Model::load_from(&bytes.as_slice(), &Ledger::new(1 << 30), 1).unwrap();
    // Too small to get threads of its own.
    model.pool = crate::pool::Pool::new(threads);
    Arc::new(model)
}

/// Texts, and the bits of all logits.
fn run(model: &Arc<Model>, prompt: &str, count: i32, temperature: f32, seed: u64) -> (Vec<String>, Vec<u32>) {
    let mut job = Job::start(model, prompt, count, temperature, seed).unwrap();
    let (mut texts, mut bits) = (Vec::new(), Vec::new());
    while let Some(produced) = job.peek().unwrap() {
        assert_eq!(produced.index as usize, texts.len());
        texts.push(produced.text.clone());
        bits.extend(job.logits().iter().map(|x| x.to_bits()));
        job.take();
    }
    (texts, bits)
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let expected = run(&model(1), "the heart of it, and more", 24, 0.8, 7);
    for threads in [2, 4, 16] {
        assert!(
            run(&model(threads), "the heart of it, and more", 24, 0.8, 7) == expected,
            "{threads} threads"
        );
    }
}

#[test]
fn a_model_written_as_qwen2_or_phi3_means_the_same_as_its_llama_file() {
    let logits = |writer| {
        let model = Arc::new(load(&writer, &Ledger::new(1 << 30)).unwrap());
        let (_, bits) = run(&model, "the heart of it", 4, 0.0, 0);
        bits.into_iter().map(f32::from_bits).collect::<Vec<_>>()
    };
    for kind in [TensorType::F32, TensorType::Q8_0] {
        let [qwen2, phi3] = ["qwen2", "phi3"].map(|name| logits(relative(name, llama(kind))));
        // The rows of a fused matrix are the rows of its parts, bit for bit.
        assert_eq!(qwen2, phi3);
        // Heads are summed in another order than in the llama file.
        let llama = logits(llama(kind));
        let worst = llama.iter().zip(&qwen2).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-3 && llama.len() == qwen2.len(), "{kind:?}: {worst}");
    }
}

#[test]
fn biases_of_qwen2_take_part() {
    let plain = relative("qwen2", llama(TensorType::F32));
    let ones: Vec<u8> = [1f32; 64].iter().flat_map(|x| x.to_le_bytes()).collect();
    for (part, rows) in [("attn_q", 64), ("attn_k", 32), ("attn_v", 32)] {
        let name = format!("blk.0.{part}.bias");
        let writer = plain.clone().tensor(&name, &[rows], 0, ones[..4 * rows as usize].to_vec());
        let [plain, biased] = [&plain, &writer].map(|writer| {
            let model = Arc::new(load(writer, &Ledger::new(1 << 30)).unwrap());
            run(&model, "the heart", 2, 0.0, 0).1
        });
        assert_ne!(plain, biased, "{name}");
    }
}

#[test]
fn a_prompt_run_at_once_gives_the_bits_of_one_run_token_by_token() {
    let loaded = |writer| Arc::new(load(&writer, &Ledger::new(1 << 30)).unwrap());
    let phi3 = relative("phi3", llama(TensorType::Q8_0));
    for model in [model(1), loaded(gpt2()), loaded(phi3)] {
        let ids = model.tokenizer().encode("some words that are split into tokens").unwrap();
        let logits = |size: usize| {
            let parameters = &model.parameters;
            let mut cache = KvCache::new(parameters.layers, ids.len(), parameters.kv_width()).unwrap();
            let mut scratch = Scratch::default();
            for (i, tokens) in ids.chunks(size).enumerate() {
                let batch = Batch { tokens, start: i * size, phase: Phase::Prompt, logits: true };
                model.network.step(batch, &mut cache, &mut scratch, 1);
            }
            scratch.logits.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        let expected = logits(1);
        for size in [2, 5, ids.len()] {
            assert!(logits(size) == expected, "batches of {size}");
        }
    }
}

#[test]
fn the_text_depends_on_the_prompt_and_on_the_seed_but_greedy_text_not_on_the_seed() {
    let model = model(1);
    let greedy = run(&model, "one", 16, 0.0, 1);
    assert!(greedy == run(&model, "one", 16, -0.0, 99));
    assert!(greedy.0 != run(&model, "two", 16, 0.0, 1).0);
    let texts: std::collections::HashSet<_> =
        (0..16).map(|seed| run(&model, "one", 24, 1.5, seed).0).collect();
    assert!(texts.len() > 1);
}

#[test]
fn fewer_tokens_are_a_prefix_of_more() {
    let model = model(1);
    let long = run(&model, "x", 30, 1.0, 5).0;
    for count in [1, 7, 29] {
        assert_eq!(run(&model, "x", count, 1.0, 5).0[..], long[..long.len().min(count as usize)]);
    }
}

#[test]
fn jobs_beside_each_other_do_not_meet() {
    let model = model(2);
    let alone = run(&model, "alone", 12, 0.7, 3);
    let mut other = Job::start(&model, "other", 40, 1.0, 1).unwrap();
    other.peek().unwrap();
    other.take();
    assert!(run(&model, "alone", 12, 0.7, 3) == alone);
    assert!(other.peek().is_ok());
}

#[test]
fn a_freed_job_gives_its_memory_back() {
    let model = model(1);
    let rest = (model.usage(), model.ledger.used());
    let mut job = Job::start(&model, "abc", 10, 0.0, 0).unwrap();
    let open = (model.usage(), model.ledger.used());
    assert!(open.0 > rest.0);
    assert_eq!(open.0 - rest.0, open.1 - rest.1);
    job.peek().unwrap();
    assert_eq!((model.usage(), model.ledger.used()), open);
    drop(job);
    assert_eq!((model.usage(), model.ledger.used()), rest);
}

#[test]
fn a_job_without_room_is_out_of_memory_and_takes_nothing() {
    let writer = llama(TensorType::F32);
    let size: u64 = writer.tensors.iter().map(|(.., data)| data.len() as u64).sum();
    let ledger = Ledger::new(size + 1000);
    let model = Arc::new(load(&writer, &ledger).unwrap());
    assert_eq!(Job::start(&model, "a", 1, 0.0, 0).err().unwrap().code(), ErrorCode::OutOfMemory);
    assert_eq!(ledger.used(), size);
}

#[test]
fn numbers_out_of_range_are_invalid_parameters() {
    let model = model(1);
    let code = |count, temperature| Job::start(&model, "a", count, temperature, 0).err().map(|e| e.code());
    for count in [i32::MIN, -1, 0, 2049, i32::MAX] {
        assert_eq!(code(count, 0.0), Some(ErrorCode::InvalidParameter));
    }
    for temperature in [-0.001, 2.001, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(code(1, temperature), Some(ErrorCode::InvalidParameter));
    }
    for (count, temperature) in [(1, 0.0), (2048, -0.0), (1, 2.0)] {
        assert_eq!(code(count, temperature), None);
    }
}

#[test]
fn a_prompt_that_fills_the_context_is_refused_and_one_that_nearly_does_ends_with_it() {
    let model = model(1);
    let context = model.parameters.context;
    let prompt = "q".repeat(context);
    assert_eq!(Job::start(&model, &prompt, 1, 0.0, 0).err().unwrap().code(), ErrorCode::InferenceFailed);
    assert!(run(&model, &prompt[..context - 3], 2048, 0.0, 0).0.len() <= 3);
    assert!(!run(&model, "q", 8, 0.0, 0).0.is_empty());
}

#[test]
fn an_empty_prompt_starts_from_the_token_that_begins_a_text() {
    assert_eq!(run(&model(1), "", 4, 0.0, 0), run(&model(1), "<|endoftext|>", 4, 0.0, 0));
}

#[test]
fn the_end_is_for_good() {
    let model = model(1);
    let mut job = Job::start(&model, "a", 1, 0.0, 0).unwrap();
    job.peek().unwrap();
    job.take();
    for _ in 0..3 {
        assert_eq!(job.peek(), Ok(None));
    }
}

#[test]
fn weights_that_are_no_numbers_end_in_an_error_and_not_in_a_token() {
    let nan = vec![f32::NAN.to_le_bytes(); 64].concat();
    let writer = llama(TensorType::F32).tensor("output_norm.weight", &[64], 0, nan);
    let model = Arc::new(load(&writer, &Ledger::new(1 << 30)).unwrap());
    let mut job = Job::start(&model, "a", 4, 0.0, 0).unwrap();
    assert_eq!(job.peek().unwrap_err(), ErrorCode::InferenceFailed);
    assert_eq!(job.peek(), Ok(None));
}
