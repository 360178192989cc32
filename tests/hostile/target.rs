//! A running `holdfast` that is attacked while an honest client uses it.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::support::{Client, Holdfast, eventually, order, product};

/// Attacks need most of a process's descriptors and of the machine: one at a time.
static ONE: Mutex<()> = Mutex::new(());

/// Connections that a service has at most: what it is configured to.
pub(crate) const MAX_CONNECTIONS: usize = 8_192;
/// What a connection costs that does nothing, or sends a head: hyper's buffer for it, and its task. In KiB.
pub(crate) const KIB_PER_CONNECTION: usize = 32;
/// Bodies that arrive and answers that are not taken, of one service. In MiB.
pub(crate) const HELD_MIB: usize = 64;
/// What the process needs for itself beyond what it had when it came up: caches, batches, the allocator. In MiB.
pub(crate) const OWN_MIB: usize = 96;

/// The process, and what it was like before the attack.
pub(crate) struct Target {
    system: Holdfast,
    pub(crate) orders: SocketAddr,
    pub(crate) products: SocketAddr,
    pub(crate) product: String,
    before_mib: usize,
    descriptors: usize,
    _folder: tempfile::TempDir,
    _one: MutexGuard<'static, ()>,
}

/// What an honest client does, over and over.
pub(crate) struct Honest<'a> {
    target: &'a Target,
    served: AtomicUsize,
    stop: AtomicBool,
}

impl Target {
    /// At its default limits.
    pub(crate) fn start() -> Self {
        Self::start_as(Holdfast::start)
    }

    /// Where the operating system allows only so many open files: each kind of connection gets a fifth of what the
    /// service does not need itself.
    pub(crate) fn with_open_files(files: usize) -> Self {
        Self::start_as(|folder| {
            let plain = crate::support::command(folder);
            let mut limited = Command::new("sh");
            limited.args(["-c", &format!("ulimit -n {files} && exec \"$0\"")]).arg(plain.get_program());
            let set = plain.get_envs().filter_map(|(name, value)| Some((name, value?)));
            limited.env_clear().envs(set).current_dir(folder).stdin(Stdio::null());
            Holdfast::start_as(&mut limited)
        })
    }

    fn start_as(start: impl FnOnce(&Path) -> Holdfast) -> Self {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        // Ours and, as it is inherited, the services'.
        holdfast_service::descriptors::raise();
        let folder = tempfile::tempdir().unwrap();
        let system = start(folder.path());
        let (orders, products) = (system.orders, system.products);
        let id = product(&mut Client::connect(products).unwrap(), "Test Product", 1_000_000);
        let mut target = Self {
            system,
            orders,
            products,
            product: id,
            before_mib: 0,
            descriptors: 0,
            _folder: folder,
            _one: one,
        };
        // Warm, so that what is measured later is the attack's.
        for _ in 0..50 {
            target.honest_round(&mut None);
        }
        target.before_mib = target.memory_mib("VmRSS:");
        target.descriptors = target.open_descriptors();
        target
    }

    /// A line of the process's status that counts KiB, in MiB.
    fn memory_mib(&self, what: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.system.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
    }

    pub(crate) fn open_descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.system.pid())).unwrap().count()
    }

    /// The value of a metric of Orders, summed over its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = Client::connect(self.orders).unwrap().send("GET", "/metrics", "", None).unwrap().1;
        let Value::String(text) = text else { panic!("{text}") };
        let of = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        text.lines().filter(of).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Runs `attack` while an honest client goes on, which must be served throughout. Memory must stay below what it was
    /// plus `more_mib`.
    pub(crate) fn under_attack(&self, more_mib: usize, attack: impl FnOnce(&Honest<'_>)) {
        let honest = Honest { target: self, served: AtomicUsize::new(0), stop: AtomicBool::new(false) };
        let bound = self.before_mib + more_mib + OWN_MIB;
        // From here on the operating system notes the most that it has had.
        std::fs::write(format!("/proc/{}/clear_refs", self.system.pid()), "5").unwrap();
        std::thread::scope(|scope| {
            let client = scope.spawn(|| {
                let mut connection = None;
                while !honest.stop.load(Ordering::Relaxed) {
                    self.honest_round(&mut connection);
                    honest.served.fetch_add(1, Ordering::Relaxed);
                }
            });
            // The client is stopped also if the attack fails, or the scope would wait for ever.
            let stop = Stop(&honest.stop);
            honest.is_served();
            attack(&honest);
            honest.is_served();
            drop(stop);
            client.join().unwrap();
        });
        let worst = self.memory_mib("VmHWM:");
        println!("memory: {} MiB before, {worst} MiB at worst, bound {bound} MiB", self.before_mib);
        assert!(worst <= bound, "{worst} MiB, and the bound is {bound} MiB");
    }

    /// Waits until every connection of the attack is gone, and stops the process: cleanly, and with its books in order.
    pub(crate) fn end(self) {
        self.rests();
        let Self { system, _folder: folder, .. } = self;
        system.stop();
        let (exit, said) = crate::support::audit(folder.path());
        assert!(exit.success(), "{said}");
    }

    /// Waits until every connection of the attack is gone.
    pub(crate) fn rests(&self) {
        eventually("back to what it was", || {
            let open = self.open_descriptors();
            // The honest client's and the store's own come and go.
            if open <= self.descriptors + 8 { Ok(()) } else { Err(format!("{open} descriptors")) }
        });
    }

    /// Orders, reads and lists at both services; each request has to succeed. A connection that was used before and is
    /// closed without an answer is no failure: every HTTP client opens another one then.
    fn honest_round(&self, kept: &mut Option<Client>) {
        let mut body = order(&[(&self.product, 1)]);
        body["userId"] = "honest".into();
        let mut placed = None;
        if let Some(client) = kept {
            placed = client.send("POST", "/api/v1/orders", "", Some(&body)).ok();
        }
        let (status, answer) = placed.unwrap_or_else(|| {
            let client = kept.insert(Client::connect(self.orders).unwrap());
            client.send("POST", "/api/v1/orders", "", Some(&body)).unwrap()
        });
        assert_eq!(status, 201, "{answer}");
        // Somebody new is served too.
        let mut client = Client::connect(self.orders).unwrap();
        client.get(&format!("/api/v1/orders/{}", answer["data"]["order"]["_id"].as_str().unwrap()));
        client.get("/api/v1/orders?limit=1");
        Client::connect(self.products).unwrap().get(&format!("/api/v1/products/{}", self.product));
    }
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Honest<'_> {
    /// Waits until the honest client has been served twenty times more.
    pub(crate) fn is_served(&self) {
        let until = self.served.load(Ordering::Relaxed) + 20;
        eventually("served", || {
            assert!(self.target.system_lives(), "the process is gone");
            let served = self.served.load(Ordering::Relaxed);
            if served >= until { Ok(()) } else { Err(format!("{served} of {until}")) }
        });
    }
}

impl Target {
    fn system_lives(&self) -> bool {
        std::path::Path::new(&format!("/proc/{}/fd", self.system.pid())).exists()
    }
}

/// Opens a connection.
pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    stream.set_write_timeout(Some(crate::support::PATIENCE)).unwrap();
    stream
}
