//! temporary
use holdfast_sim::{plan::Plan, run};
fn main() {
    let args: Vec<u64> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let (from, to, steps) = (args[0], args[1], args[2]);
    let keep = from == to;
    let t = std::time::Instant::now();
    let mut ev = 0; let mut bad = 0; let mut ms = 0;
    for seed in from..=to {
        let plan = Plan::of(seed, steps);
        let o = run(&plan, keep);
        if keep { for l in &o.lines { println!("{l}"); } println!("{} hash {:x} {:?}", plan.title(), o.hash, o.counts); }
        ev += o.counts.events; ms += o.counts.millis;
        if let Some(v) = o.violation { bad += 1; println!("{}: {v}", plan.title()); }
    }
    println!("{} seeds, {bad} bad, {ev} events, {} s virtual, {:?}", to-from+1, ms/1000, t.elapsed());
}
