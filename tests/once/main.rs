//! Exactly once for clients, on the real binary: thousands of `Idempotency-Key`s, each sent one to five times at once over
//! connections that are cut anywhere. Whatever was cut, each key has one effect, and everybody who got an answer to it got
//! the same one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "shown when a test fails")]

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod crowd;
mod effects;
mod wire;

use crate::calls::Shop;
use crate::crowd::Crowd;
use crate::support::{Dice, Holdfast, audit};

/// Ten thousand keys over all calls that take one.
#[test]
fn a_key_has_one_effect_and_one_answer_however_often_it_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice::new();
    let system = Holdfast::start(folder.path());
    let shop = Shop::open(&system, 10_000, &mut dice);
    let crowd = Crowd::new(shop.calls(), dice.roll(u64::MAX));
    crowd.finish(&system);
    effects::check(&system, &shop, &crowd.answers());
    system.stop();
    let (exit, said) = audit(folder.path());
    assert!(exit.success(), "{said}");
}

/// The same while the process is killed again and again: what was not answered is sent again to the next life.
#[test]
fn a_key_has_one_effect_and_one_answer_across_kills() {
    const LIVES: usize = 5;
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice::new();
    let mut system = Holdfast::start(folder.path());
    let shop = Shop::open(&system, 2_000, &mut dice);
    let crowd = Crowd::new(shop.calls(), dice.roll(u64::MAX));
    for _ in 0..LIVES {
        // Somewhere in this life's part of the calls, of which each is made at least twice.
        let most = 2 * shop.calls().len() / (LIVES + 1);
        crowd.run_until_killed(system, usize::try_from(dice.roll(most as u64)).unwrap());
        system = Holdfast::start(folder.path());
    }
    crowd.finish(&system);
    effects::check(&system, &shop, &crowd.answers());
    system.stop();
    let (exit, said) = audit(folder.path());
    assert!(exit.success(), "{said}");
}
