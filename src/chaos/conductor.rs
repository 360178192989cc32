//! Lets the scheduled faults happen, one after the other, until it is enough.

use std::time::Duration;

use indicatif::ProgressBar;
use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::args::Until;
use super::schedule::{Fault, Schedule, Target};
use super::system::{System, send};
use super::told::Told;

/// How often each fault has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) kills: u64,
    pub(crate) restarts: u64,
    pub(crate) stops: u64,
    pub(crate) server_stops: u64,
    /// Moments at which all connections of a proxy were cut.
    pub(crate) cuts: u64,
    /// Stretches in which all connections of a proxy were slow.
    pub(crate) slow: u64,
    /// Stretches in which nothing passed a proxy.
    pub(crate) hung: u64,
}

/// Who makes them happen.
pub(crate) struct Conductor<'a> {
    pub(crate) system: &'a mut System,
    pub(crate) told: &'a Told,
    /// Servers that may be stopped.
    pub(crate) servers: &'a [u32],
    pub(crate) until: Until,
    pub(crate) stop: &'a CancellationToken,
    pub(crate) bar: &'a ProgressBar,
    pub(crate) faults: Faults,
    /// What ends slow and hung stretches.
    pub(crate) weather: JoinSet<()>,
}

/// Somebody else's process that stands still, and goes on whatever happens to this one's plans.
struct Stopped(u32);

impl Stopped {
    fn new(pid: u32) -> Self {
        send(pid, Signal::STOP);
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        send(self.0, Signal::CONT);
    }
}

impl Conductor<'_> {
    /// Makes faults happen until there were enough, or `stop`. Afterwards all processes run.
    ///
    /// # Errors
    /// If a process does not start again.
    pub(crate) async fn conduct(&mut self, schedule: Schedule) -> anyhow::Result<()> {
        let started = Instant::now();
        for (pause, fault) in schedule {
            if self.is_enough(started) || self.stop.run_until_cancelled(sleep(pause)).await.is_none() {
                break;
            }
            while self.weather.try_join_next().is_some() {}
            self.happen(fault).await?;
            for finding in self.system.revive().await? {
                self.told.find(finding);
            }
            self.show(started);
        }
        Ok(())
    }

    fn is_enough(&self, started: Instant) -> bool {
        let Until { time, kills } = self.until;
        time.is_some_and(|time| started.elapsed() >= time)
            || kills.is_some_and(|kills| self.faults.kills >= kills)
    }

    fn show(&self, started: Instant) {
        self.bar.set_position(match self.until {
            Until { kills: Some(_), .. } => self.faults.kills,
            Until { .. } => started.elapsed().as_secs(),
        });
        let told = self.told.so_far();
        self.bar.set_message(format!(
            "{} kills, {} promises, {} orders",
            self.faults.kills,
            told.counts.promised,
            told.orders.len()
        ));
    }

    async fn happen(&mut self, fault: Fault) -> anyhow::Result<()> {
        match fault {
            Fault::Kill { target, down, early } => return self.kill(target, down, early).await,
            Fault::Restart { target, down } => {
                self.faults.restarts += 1;
                if let Some(finding) = self.system.terminate(target).await {
                    self.told.find(finding);
                }
                sleep(down).await;
                self.system.launch(target).await?;
            }
            Fault::Stop { target, time } => {
                self.faults.stops += 1;
                self.system.signal(target, Signal::STOP);
                self.wait(time).await;
                self.system.signal(target, Signal::CONT);
            }
            Fault::StopServer { server, time } => {
                self.faults.server_stops += 1;
                let _stopped = Stopped::new(self.servers[server]);
                self.wait(time).await;
            }
            Fault::Cut { proxy } => {
                self.faults.cuts += 1;
                self.system.proxies()[proxy].change(|weather| weather.cuts += 1);
            }
            Fault::Slow { proxy, most, time } => {
                self.faults.slow += 1;
                // Not waited for: what comes next happens in this weather.
                let proxy = self.system.proxies()[proxy];
                proxy.change(|weather| weather.slow = most);
                self.weather.spawn(proxy.change_after(time, |weather| weather.slow = Duration::ZERO));
            }
            Fault::Hang { proxy, time } => {
                self.faults.hung += 1;
                let proxy = self.system.proxies()[proxy];
                proxy.change(|weather| weather.hangs = true);
                self.weather.spawn(proxy.change_after(time, |weather| weather.hangs = false));
            }
        }
        Ok(())
    }

    async fn kill(&mut self, target: Target, down: Duration, early: Option<Duration>) -> anyhow::Result<()> {
        let numbers: Vec<usize> = match target {
            Target::One(number) => vec![number],
            Target::All => (0..self.system.count()).collect(),
        };
        self.system.kill(&numbers).await;
        self.faults.kills += numbers.len() as u64;
        sleep(down).await;
        if let Some(early) = early {
            for &number in &numbers {
                self.system.spawn(number)?;
            }
            sleep(early).await;
            self.system.kill(&numbers).await;
            self.faults.kills += numbers.len() as u64;
        }
        for &number in &numbers {
            self.system.spawn(number)?;
        }
        for &number in &numbers {
            self.system.ready(number).await?;
        }
        Ok(())
    }

    /// What was stopped goes on also if the whole is to end.
    async fn wait(&self, time: Duration) {
        let _ = self.stop.run_until_cancelled(sleep(time)).await;
    }
}
