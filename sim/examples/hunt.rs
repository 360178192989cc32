//! Runs seeds until one breaks something, and says which in one line: for planted bugs, where a whole program would take
//! longer to build. `hunt FROM TO STEPS [trace]`; ends with 1 if something broke.

use std::process::ExitCode;

use holdfast_sim::plan::Plan;
use holdfast_sim::{Search, run};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map_while(|text| text.parse::<u64>().ok());
    let (Some(from), Some(to), Some(steps)) = (numbers.next(), numbers.next(), numbers.next()) else {
        return ExitCode::from(2);
    };
    let search = Search { seeds: from..=to, steps, threads: 2 };
    let found = search.run(&CancellationToken::new(), &|| {});
    let mut out = String::new();
    if std::env::args().any(|text| text == "trace") {
        out = run(&Plan::of(from, steps), true).lines.join("\n");
    }
    let code = match found.failure {
        None => {
            out.push_str(&format!("nothing in {} seeds\n", found.runs));
            ExitCode::SUCCESS
        }
        Some((plan, violation)) => {
            out.push_str(&format!("seed {} after {} seeds: {violation}\n", plan.seed, found.runs));
            ExitCode::FAILURE
        }
    };
    let _ = std::io::Write::write_all(&mut std::io::stdout(), out.as_bytes());
    code
}
