//! Clients that place orders, and cancel some, whatever happens to the services.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::deployment::{Instance, Told as Sum, send_again};
use crate::support::{Client, Dice, Said, Told};

/// Between two requests of a client: so that there is something left of the machine for the services.
const THINKS: Duration = Duration::from_millis(40);

/// What a client does after it was told to come again, or after its connection broke.
const RESTS: Duration = Duration::from_millis(80);

/// Clients that run until they are stopped.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

struct Shared {
    told: Told,
    products: Vec<String>,
    /// Where the orders service can be reached; changes as instances come and go.
    addrs: Mutex<Vec<SocketAddr>>,
    stopped: (Mutex<bool>, Condvar),
    /// Microseconds.
    thinks: AtomicU64,
}

impl Load {
    /// So many clients that order these products from these instances.
    pub(crate) fn start(clients: u64, products: Vec<String>, orders: &[&Instance]) -> Self {
        Self::start_thinking(THINKS, clients, products, orders)
    }

    /// As fast as they are answered.
    pub(crate) fn start_at_full_speed(clients: u64, products: Vec<String>, orders: &[&Instance]) -> Self {
        Self::start_thinking(Duration::ZERO, clients, products, orders)
    }

    fn start_thinking(thinks: Duration, clients: u64, products: Vec<String>, orders: &[&Instance]) -> Self {
        let mut dice = Dice::new();
        let shared = Arc::new(Shared {
            told: Told::default(),
            products,
            addrs: Mutex::default(),
            stopped: Default::default(),
            thinks: AtomicU64::default(),
        });
        let run = |seed| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.client(Dice::seeded(seed)))
        };
        let clients = (0..clients).map(|_| run(dice.roll(u64::MAX))).collect();
        let load = Self { shared, clients };
        load.think(thinks);
        load.go_to(orders);
        load
    }

    fn think(&self, thinks: Duration) {
        let micros = u64::try_from(thinks.as_micros()).unwrap();
        self.shared.thinks.store(micros, Ordering::SeqCst);
    }

    /// No longer as fast as they are answered.
    pub(crate) fn slow_down(&self) {
        self.think(THINKS);
    }

    /// Where they go from now on.
    pub(crate) fn go_to(&self, orders: &[&Instance]) {
        *self.shared.addrs.lock().unwrap() = orders.iter().map(|instance| instance.addr).collect();
    }

    /// What they were told by now.
    pub(crate) fn told(&self) -> &Told {
        &self.shared.told
    }

    /// How many orders were accepted by now.
    pub(crate) fn accepted(&self) -> usize {
        self.told().so_far().accepted.len()
    }

    /// Waits until so many more were accepted.
    pub(crate) fn accept(&self, more: usize) {
        let before = self.accepted();
        self.told().wait_until("accepted more", |sofar| sofar.accepted.len() >= before + more);
    }

    /// Waits until so many more requests were told to come again.
    pub(crate) fn refuse(&self, more: usize) {
        let before = self.told().so_far().refused;
        self.told().wait_until("told to come again", |sofar| sofar.refused >= before + more);
    }

    /// Stops the clients; what they were not answered is sent again to `orders` until it is.
    pub(crate) fn stop(mut self, orders: &Instance) -> Sum {
        self.shared.stop();
        for client in self.clients.drain(..) {
            client.join().unwrap();
        }
        send_again(self.told(), orders);
        let told = std::mem::take(&mut *self.told().so_far());
        Sum { told, products: self.shared.products.clone() }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Shared {
    fn stop(&self) {
        *self.stopped.0.lock().unwrap() = true;
        self.stopped.1.notify_all();
    }

    /// Waits for so long, or until the end; says whether to go on.
    fn wait(&self, time: Duration) -> bool {
        let stopped = self.stopped.0.lock().unwrap();
        !*self.stopped.1.wait_timeout_while(stopped, time, |stopped| !*stopped).unwrap().0
    }

    fn client(&self, mut dice: Dice) {
        let mut connected: Option<Client> = None;
        let mut to_cancel: Option<String> = None;
        let thinks = || Duration::from_micros(self.thinks.load(Ordering::SeqCst));
        let mut pause = thinks();
        while self.wait(std::mem::replace(&mut pause, thinks())) {
            let Some(client) = &mut connected else {
                connected = self.connect(&mut dice);
                if connected.is_none() {
                    pause = RESTS;
                }
                continue;
            };
            let said = match to_cancel.take() {
                Some(id) => self.told.cancel(client, id),
                None => {
                    let (key, body) = self.told.next(&self.products, &mut dice);
                    let said = self.told.place(client, key, body);
                    if let Said::Yes(id) = &said
                        && dice.roll(4) == 0
                    {
                        to_cancel = Some(id.clone());
                    }
                    said
                }
            };
            match said {
                Said::Yes(_) => {}
                Said::Later => pause = RESTS,
                Said::Nothing => {
                    connected = None;
                    pause = RESTS;
                }
            }
        }
    }

    fn connect(&self, dice: &mut Dice) -> Option<Client> {
        let addrs = self.addrs.lock().unwrap().clone();
        let any = usize::try_from(dice.roll(addrs.len().max(1) as u64)).unwrap();
        Client::connect(*addrs.get(any)?).ok()
    }
}
