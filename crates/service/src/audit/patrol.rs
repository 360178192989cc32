//! When the audit works and when it rests.

use std::time::Duration;

use async_trait::async_trait;
use holdfast_bus::BusError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use crate::backend::Duty;
use crate::telemetry::chain;

/// For each moment that it works, it rests so many: one part in a hundred of one core is the most that it takes, however
/// much there is to prove. It falls behind rather than slow the service down, and says how far it has come.
const RESTS: u32 = 99;
/// The longest rest between two steps of work: one step is small, and what makes it take long is others' work.
const LONGEST_REST: Duration = Duration::from_secs(2);
/// How often it looks whether there is something to do.
const IDLE: Duration = Duration::from_secs(1);
/// How often it is asked whose duty this is.
const DUTY_EVERY: Duration = Duration::from_secs(15);

/// What a step has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do.
    More,
    /// There is nothing to do for now.
    Idle,
}

/// A reconciler: each step looks at the state, from where the last one has left off, and takes no other input.
#[async_trait]
pub trait Patrol: Send {
    /// Does a bounded piece of work.
    ///
    /// # Errors
    /// If the store or the bus is away: the next step goes on from the same place.
    async fn step(&mut self) -> Result<Progress, BusError>;

    /// Forgets where it is: another instance goes on.
    fn stand_down(&mut self);
}

/// Patrols until `stop`, while that is this instance's `duty`. Never in the middle of a step: it ends after one at most.
pub async fn run(
    mut patrol: impl Patrol,
    board: Board,
    duty: std::sync::Arc<dyn Duty>,
    stop: CancellationToken,
) {
    let mut asked: Option<Instant> = None;
    let mut mine = false;
    let mut failing = false;
    while !stop.is_cancelled() {
        let started = Instant::now();
        let step = async {
            if asked.is_none_or(|at| at.elapsed() >= DUTY_EVERY) {
                let now_mine = duty.is_mine().await?;
                asked = Some(started);
                if mine && !now_mine {
                    patrol.stand_down();
                }
                mine = now_mine;
                board.standby(!mine);
            }
            if mine { patrol.step().await } else { Ok(Progress::Idle) }
        };
        let rest = match step.await {
            Ok(progress) => {
                failing = false;
                match progress {
                    Progress::More => (started.elapsed() * RESTS).min(LONGEST_REST),
                    Progress::Idle => IDLE,
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!("the audit has to wait: {}", chain(&error));
                }
                LONGEST_REST
            }
        };
        stop.run_until_cancelled(tokio::time::sleep(rest)).await;
    }
}
