//! Seeds that run clean, the same each time; and that a run can fail.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use holdfast_sim::plan::{Deployment, Plan};
use holdfast_sim::{Search, run};
use tokio_util::sync::CancellationToken;

/// `.ci/run` has a thousand in the release build; these are here so that `cargo test` has some.
#[test]
fn the_first_seeds_break_nothing() {
    let search = Search { seeds: 1..=60, steps: 300, threads: 2 };
    let found = search.run(&CancellationToken::new(), &|| {});
    assert!(
        found.failure.is_none(),
        "{:?}",
        found.failure.map(|(plan, violation)| (plan.title(), violation))
    );
    // They are worth something only if much happens in them.
    assert!(found.counts.orders > 3_000, "{:?}", found.counts);
    assert!(
        found.counts.faults.len() >= 14 && found.counts.faults.values().all(|count| *count > 0),
        "{:?}",
        found.counts
    );
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    let mut seen = Vec::new();
    for seed in 1..=24 {
        let plan = Plan::of(seed, 200);
        let (one, two) = (run(&plan, false), run(&plan, true));
        assert_eq!(one.hash, two.hash, "seed {seed}");
        assert_eq!(one.counts, two.counts, "seed {seed}");
        seen.push((plan.deployment, one.hash));
    }
    for deployment in
        [Deployment::Embedded, Deployment::Broker { instances: 1 }, Deployment::Broker { instances: 2 }]
    {
        assert!(seen.iter().any(|(of, _)| *of == deployment), "{deployment:?} is among the seeds");
    }
    seen.sort_by_key(|(_, hash)| *hash);
    seen.dedup_by_key(|(_, hash)| *hash);
    assert_eq!(seen.len(), 24, "seeds differ");
}
