//! `kill -9` of the real binary, at random moments, under load.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "shown when a test fails")]

mod support;

use support::{Client, Dice, Holdfast, Said, Told, audit, balance, product, settled};

const KILLS: u64 = 50;
const CLIENTS: u64 = 8;

/// One life: clients place and cancel orders until the process is killed after a random number of answers.
fn life(data: &std::path::Path, products: &[String], told: &Told, dice: &mut Dice) {
    let system = Holdfast::start(data);
    let addr = system.orders;
    let answers_before = told.so_far().answers;
    // Now and then so early that it dies while it is still catching up with the last life.
    let answers = if dice.roll(5) == 0 { 0 } else { usize::try_from(dice.roll(400)).unwrap() };
    let seeds: Vec<u64> = (0..CLIENTS).map(|_| dice.roll(u64::MAX)).collect();
    std::thread::scope(|scope| {
        for seed in seeds {
            scope.spawn(move || client(addr, products, told, seed));
        }
        told.wait_until("enough answers", |sofar| sofar.answers >= answers_before + answers);
        system.kill();
    });
}

/// Places orders, and cancels some, until the connection breaks.
fn client(addr: std::net::SocketAddr, products: &[String], told: &Told, seed: u64) {
    let mut dice = Dice::seeded(seed);
    let Ok(mut client) = Client::connect(addr) else { return };
    loop {
        let (key, body) = told.next(products, &mut dice);
        let mut said = told.place(&mut client, key, body);
        if let Said::Yes(id) = said {
            if dice.roll(4) != 0 {
                continue;
            }
            said = told.cancel(&mut client, id);
        }
        match said {
            Said::Yes(_) => {}
            Said::Later => panic!("nothing is away"),
            Said::Nothing => return,
        }
    }
}

/// Invariants 1, 3, 4, 5, 6, 7 and 9 on the real binary: whatever a client was told is there after any number of crashes,
/// what was sent again with its key is there once, every order is decided, and stock is what the movements say.
#[test]
fn invariant_3_nothing_accepted_is_lost_in_fifty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut dice = Dice::new();
    let system = Holdfast::start(data);
    let mut client = Client::connect(system.products).unwrap();
    // Scarce, so that some orders are rejected, and plenty.
    let products: Vec<String> =
        [40, 400, 100_000, 1_000_000].map(|n| product(&mut client, "Test Product", n)).into();
    system.stop();

    let told = Told::default();
    for _ in 0..KILLS {
        life(data, &products, &told, &mut dice);
    }

    let system = Holdfast::start(data);
    let mut client = Client::connect(system.orders).unwrap();
    let unsure = std::mem::take(&mut told.so_far().unsure);
    for (key, body) in unsure {
        assert!(matches!(told.place(&mut client, key, body), Said::Yes(_)));
    }
    let orders = settled(&mut client);
    let told = told.so_far();
    println!("{} orders accepted over {KILLS} kills, {} there", told.accepted.len(), orders.len());
    balance(&orders, &told, &mut Client::connect(system.products).unwrap(), &products);
    system.stop();
    let (exit, said) = audit(data);
    assert!(exit.success(), "{said}");
}
