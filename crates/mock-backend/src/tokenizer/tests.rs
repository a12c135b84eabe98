//! Prompts to ids and ids to bytes on hand-made vocabularies.

use super::*;
use crate::gguf::read_header;
use crate::gguf::tests::{Writer, array};

fn tokenizer(writer: &Writer) -> Tokenizer {
    Tokenizer::new(&read_header(&writer.bytes().as_slice()).unwrap().metadata).unwrap()
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.into()).collect()
}

fn byte_level(pre: &str) -> Writer {
    let tokens = ["<|im_end|>", "a", "b", "c", "Ġ", "ab", "Ġab", "abc", "<think>", "1", "2", "12"];
    Writer::new()
        .string("tokenizer.ggml.model", "gpt2")
        .string("tokenizer.ggml.pre", pre)
        .strings("tokenizer.ggml.tokens", &owned(&tokens))
        .i32s("tokenizer.ggml.token_type", &[3, 1, 1, 1, 1, 1, 1, 1, 4, 1, 1, 1])
        .strings("tokenizer.ggml.merges", &owned(&["a b", "Ġ ab", "1 2"]))
}

fn sentence_piece() -> Writer {
    let tokens = ["<unk>", "<s>", "</s>", "<0xC3>", "<0xA9>", "▁", "a", "b", "▁a", "ab", "▁ab", "日"];
    Writer::new()
        .string("tokenizer.ggml.model", "llama")
        .strings("tokenizer.ggml.tokens", &owned(&tokens))
        .f32s("tokenizer.ggml.scores", &[0.0, 0.0, 0.0, 0.0, 0.0, -9.0, -8.0, -7.0, -2.0, -1.0, -3.0, -4.0])
        .i32s("tokenizer.ggml.token_type", &[2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1, 1])
}

fn bool_value(value: u8) -> Vec<u8> {
    [&7u32.to_le_bytes()[..], &[value]].concat()
}

#[test]
fn merges_apply_in_their_order_within_pieces() {
    let tokenizer = tokenizer(&byte_level("gpt-2"));
    assert_eq!(tokenizer.encode("ab abc").unwrap(), [5, 6, 3]);
    assert_eq!(tokenizer.encode("12").unwrap(), [11]);
}

#[test]
fn smollm_digits_never_merge() {
    assert_eq!(tokenizer(&byte_level("smollm")).encode("12").unwrap(), [9, 10]);
}

#[test]
fn llama3_takes_a_piece_that_is_a_token_without_merging() {
    assert_eq!(tokenizer(&byte_level("llama-bpe")).encode("abc").unwrap(), [7]);
    assert_eq!(tokenizer(&byte_level("gpt-2")).encode("abc").unwrap(), [5, 3]);
}

#[test]
fn special_tokens_are_cut_out_of_the_prompt_first() {
    let tokenizer = tokenizer(&byte_level("gpt-2"));
    assert_eq!(tokenizer.encode("a<|im_end|>ab<think><|im_end|>").unwrap(), [1, 0, 5, 8, 0]);
}

#[test]
fn control_tokens_have_no_text_and_user_defined_ones_their_own() {
    let tokenizer = tokenizer(&byte_level("gpt-2"));
    let text = |id| String::from_utf8(tokenizer.bytes(id)).unwrap();
    assert_eq!([0, 6, 8, 99].map(text), ["", " ab", "<think>", ""]);
}

#[test]
fn names_that_end_a_text_end_it_without_being_named_in_the_metadata() {
    let tokenizer = tokenizer(&byte_level("gpt-2"));
    assert!(tokenizer.vocabulary().ends(0));
    assert!(!tokenizer.vocabulary().ends(1) && !tokenizer.vocabulary().ends(u32::MAX));
}

#[test]
fn a_prompt_without_tokens_needs_a_token_that_begins_a_text() {
    let bare = tokenizer(&byte_level("gpt-2"));
    for prompt in ["", "日"] {
        assert_eq!(bare.encode(prompt), Err(EncodeError::NoToken));
    }
    let with_bos = tokenizer(&byte_level("gpt-2").u32("tokenizer.ggml.bos_token_id", 4));
    assert_eq!(with_bos.encode("").unwrap(), [4]);
    assert_eq!(with_bos.encode("a").unwrap(), [1]);
}

#[test]
fn bos_and_eos_are_added_where_the_file_asks_for_them() {
    let writer = byte_level("gpt-2")
        .u32("tokenizer.ggml.bos_token_id", 3)
        .u32("tokenizer.ggml.eos_token_id", 0)
        .raw("tokenizer.ggml.add_bos_token", bool_value(1))
        .raw("tokenizer.ggml.add_eos_token", bool_value(1));
    assert_eq!(tokenizer(&writer).encode("a").unwrap(), [3, 1, 0]);
}

#[test]
fn sentence_pieces_merge_by_score_after_a_leading_space() {
    let tokenizer = tokenizer(&sentence_piece());
    // `ab` has the best score of all, so that `▁a` never forms.
    assert_eq!(tokenizer.encode("ab").unwrap(), [1, 10]);
    assert_eq!(tokenizer.encode("a b").unwrap(), [1, 8, 5, 7]);
    assert_eq!(tokenizer.encode("</s>a").unwrap(), [1, 2, 8]);
}

#[test]
fn sentence_pieces_fall_back_to_bytes_and_then_to_unknown() {
    let writer = sentence_piece().raw("tokenizer.ggml.add_space_prefix", bool_value(0));
    let tokenizer = tokenizer(&writer);
    assert_eq!(tokenizer.encode("é日").unwrap(), [1, 3, 4, 11]);
    assert_eq!(tokenizer.encode("x").unwrap(), [1, 0]);
    assert_eq!([3, 4].map(|id| tokenizer.bytes(id)).concat(), "é".as_bytes());
    assert_eq!(tokenizer.bytes(10), b" ab");
}

#[test]
fn scores_that_are_no_numbers_do_not_stop_the_merging() {
    let nan: Vec<u8> = [f32::NAN; 12].iter().flat_map(|x| x.to_le_bytes()).collect();
    let writer = sentence_piece().raw("tokenizer.ggml.scores", array(6, 12, &nan));
    assert!(!tokenizer(&writer).encode("ab ab ab").unwrap().is_empty());
}
