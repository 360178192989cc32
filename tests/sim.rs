//! `holdfast sim`, as a user runs it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn sim(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdfast")).arg("sim").args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn seeds_are_run_and_counted() {
    let output = sim(&["--seeds", "1..6", "--steps", "80"]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("Simulated seeds 1..6 with 80 steps each"), "{said}");
    assert!(said.contains("Nothing broke."), "{said}");
}

#[test]
fn a_seed_is_the_same_again_and_tells_everything() {
    let hash = |output: &Output| {
        let said = said(output);
        said.lines().find(|line| line.contains("trace hash")).map(str::to_owned).unwrap()
    };
    let quiet = sim(&["--seed", "7", "--steps", "80"]);
    let told = sim(&["--seed", "7", "--steps", "80", "--trace"]);
    assert_eq!(hash(&quiet), hash(&told));
    let told = said(&told);
    assert!(told.contains("step 80:") && told.contains("the end: nothing goes wrong any more"), "{told}");
    assert!(told.contains("orders commit:") && told.contains("products commit:"), "{told}");
}

#[test]
fn what_cannot_be_run_is_refused() {
    for (args, why) in [
        (&["--seeds", "9..3"][..], "9 is after 3"),
        (&["--seeds", "9"], "must be two numbers"),
        (&["--seed", "1", "--seeds", "1..2"], "cannot be used with"),
        (&["--trace"], "--seed"),
        (&["--steps", "0"], "--steps"),
    ] {
        let output = sim(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why), "{said}");
    }
}
