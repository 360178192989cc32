//! The fuzz targets (`fuzz/`), over mutations of their corpora: what every build can afford of fuzzing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "shown when a test fails")]

mod support;
#[allow(unreachable_pub, reason = "a crate of its own for those who fuzz")]
#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::Path;

use support::Dice;

const INPUTS: usize = 10_000;
/// Longer inputs say nothing new.
const LONGEST: usize = 8_192;
/// What parsers stumble over.
const WORDS: &[&str] = &[
    "null",
    "true",
    "-0",
    "1e999",
    "0.1",
    "29.999",
    "18446744073709551616",
    "1e-3",
    "\"\"",
    "{}",
    "[]",
    "\\u0000",
    "\\ud800",
    ",",
    ":",
    "{\"a\":",
    "[[[[",
    "\u{feff}",
    "quantity",
    "NaN",
    "9007199254740993",
    "..",
    "zzzzzzzzzzzzz",
];

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{target} has a corpus");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn place(dice: &mut Dice, below: usize) -> usize {
    usize::try_from(dice.roll(below.max(1) as u64)).unwrap()
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], dice: &mut Dice) {
    let at = place(dice, input.len());
    match dice.roll(7) {
        0 if !input.is_empty() => input[at] ^= 1 << dice.roll(8),
        1 if !input.is_empty() => input[at] = u8::try_from(dice.roll(256)).unwrap(),
        2 => drop(input.splice(at..at, WORDS[place(dice, WORDS.len())].bytes())),
        3 => {
            let end = at + place(dice, input.len() - at);
            input.drain(at..end);
        }
        4 => {
            let end = at + place(dice, input.len() - at).min(200);
            let copy = input[at..end].to_vec();
            let to = place(dice, input.len());
            input.splice(to..to, copy);
        }
        5 => {
            let other = &corpus[place(dice, corpus.len())];
            input.truncate(at);
            input.extend_from_slice(&other[at.min(other.len())..]);
        }
        _ => {
            // A number becomes another one.
            let digit = input.iter().skip(at).position(u8::is_ascii_digit).map(|n| at + n);
            if let Some(digit) = digit {
                input.splice(digit..=digit, WORDS[2 + place(dice, 6)].bytes());
            }
        }
    }
    input.truncate(LONGEST);
}

fn fuzz(target: &str, run: fn(&[u8])) {
    let corpus = corpus(target);
    corpus.iter().for_each(|input| run(input));
    let mut dice = Dice::seeded(7);
    for n in 0..INPUTS {
        let mut input = corpus[n % corpus.len()].clone();
        for _ in 0..=dice.roll(4) {
            mutate(&mut input, &corpus, &mut dice);
        }
        if let Err(panic) = std::panic::catch_unwind(|| run(&input)) {
            println!("FAILED: input {n} of {target}: {:?}", String::from_utf8_lossy(&input));
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn any_body_is_refused_or_an_order_that_adds_up() {
    fuzz("order", targets::order);
}

#[test]
fn any_message_is_refused_or_read_as_it_is_written() {
    fuzz("event", targets::event);
}

#[test]
fn any_cursor_is_refused_or_a_place() {
    fuzz("cursor", targets::cursor);
}
