//! Prints the token ids of prompts: `tokenize MODEL`, prompts on standard input, each ended by a NUL byte.

use std::io::Read;
use std::path::Path;

use worker_mock::gguf::{FileSource, read_header};
use worker_mock::tokenizer::Tokenizer;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: tokenize MODEL < prompts")?;
    let header = read_header(&FileSource::open(Path::new(&path))?)?;
    let tokenizer = Tokenizer::new(&header.metadata)?;
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    for prompt in input.split_terminator('\0') {
        let ids: Vec<String> = tokenizer.encode(prompt)?.iter().map(u32::to_string).collect();
        println!("{}", ids.join(" "));
    }
    Ok(())
}
