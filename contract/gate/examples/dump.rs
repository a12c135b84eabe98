//! Prints the differences between two folders of headers.
use std::collections::BTreeMap;
use worker_gate::{diff, interface::Interface};
fn read(folder: &str) -> Interface {
    let mut sources = BTreeMap::new();
    for e in std::fs::read_dir(folder).unwrap() {
        let p = e.unwrap().path();
        if p.extension().is_some_and(|e| e == "h") {
            sources.insert(p.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&p).unwrap());
        }
    }
    Interface::read(&sources).unwrap()
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    for d in diff::compare(&read(&a[1]), &read(&a[2])) { println!("{d:?}"); }
}
