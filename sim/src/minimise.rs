//! Makes a failing plan as short as it can be.

use tokio_util::sync::CancellationToken;

use crate::oracle::Violation;
use crate::plan::{Plan, Step};
use crate::search::attempt;

/// Leaves out steps for as long as the same invariant stays broken, and gives what is left, with what was found in it then.
/// Runs at most `budget` plans, and none after `stop`; `progress` is told how many steps are left after each.
///
/// This is the delta debugging of Zeller and Hildebrandt (2002), over the steps of the plan. A step that is left out leaves
/// its time behind, and every step keeps its number and with it its chances.
pub fn minimise(
    plan: &Plan,
    violation: &Violation,
    budget: usize,
    stop: &CancellationToken,
    mut progress: impl FnMut(usize),
) -> (Plan, Violation) {
    let mut best = (plan.clone(), violation.clone());
    let mut runs = 0;
    let mut chunk = plan.steps.len().div_ceil(2);
    while chunk > 0 {
        let mut from = 0;
        let mut shorter = false;
        while from < best.0.steps.len() {
            if runs == budget || stop.is_cancelled() {
                return best;
            }
            runs += 1;
            let steps = without(&best.0.steps, from, chunk);
            let candidate = Plan { steps, ..best.0.clone() };
            match attempt(&candidate, false).violation {
                Some(found) if found.invariant == violation.invariant => {
                    best = (candidate, found);
                    shorter = true;
                }
                _ => from += chunk,
            }
            progress(best.0.steps.len());
        }
        // At the smallest size once more for as long as it helps: what stood in the way may be gone.
        chunk = if chunk == 1 { usize::from(shorter) } else { chunk.div_ceil(2) };
    }
    best
}

fn without(steps: &[Step], from: usize, count: usize) -> Vec<Step> {
    let to = (from + count).min(steps.len());
    let waited: u64 = steps[from..to].iter().map(|step| step.after).sum();
    let mut rest = steps[..from].to_vec();
    rest.extend_from_slice(&steps[to..]);
    if let Some(next) = rest.get_mut(from) {
        next.after += waited;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_is_left_out_leaves_its_time_behind() {
        let plan = Plan::of(3, 10);
        let shorter = without(&plan.steps, 2, 3);
        assert_eq!(shorter.len(), 7);
        let time = |steps: &[Step]| steps.iter().map(|step| step.after).sum::<u64>();
        assert_eq!(time(&plan.steps), time(&shorter));
    }
}
