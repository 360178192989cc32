//! Two hundred operations from one seed, and the clients that make them.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holdfast_contract::{Timestamp, Topic};
use holdfast_service::test_support::TestResponse;
use holdfast_service::{Clock as _, ManualClock};
use holdfast_storage::StoreError;
use parking_lot::Mutex;
use serde_json::json;

use crate::book::{Book, Call, Effect, Kept, Service, order_body};
use crate::support::Dice;
use crate::world::World;

pub(crate) const OPERATIONS: usize = 200;
/// Attempts before a test fails because a fault never ends. No fault here lasts longer than a few.
const ATTEMPTS: usize = 100;

/// One operation.
#[derive(Clone, Debug)]
enum Step {
    Call(Call),
    /// A call that was answered is made again.
    Again(Box<Kept>),
    /// Messages are taken in.
    Deliver,
    /// Lists and search catch up.
    Index,
    /// An unreadable message about an order.
    Poison(String),
    /// What is parked is given up; what is behind it follows.
    Discard,
    /// Both services stop and start.
    Restart,
}

/// The clients of one run. What they know is in the book, which others may look at while a call is under way.
pub(crate) struct Scenario<'f> {
    folder: &'f Path,
    vfs: Option<&'f str>,
    pub(crate) clock: ManualClock,
    pub(crate) book: Arc<Mutex<Arc<Book>>>,
    dice: Dice,
    next: VecDeque<Step>,
    numbered: u64,
    done: usize,
    /// Calls that were answered with a failure.
    pub(crate) refused: u64,
}

/// Where a scenario stands, so that another one can go on from there.
#[derive(Clone)]
pub(crate) struct Mark {
    at: Timestamp,
    book: Arc<Book>,
    dice: Dice,
    next: VecDeque<Step>,
    numbered: u64,
    done: usize,
}

impl<'f> Scenario<'f> {
    /// Between two operations.
    pub(crate) fn mark(&self) -> Mark {
        let Self { clock, dice, next, numbered, done, .. } = self;
        Mark {
            at: clock.now(),
            book: self.book(),
            dice: dice.clone(),
            next: next.clone(),
            numbered: *numbered,
            done: *done,
        }
    }

    /// Goes on where another one was, over a copy of its files.
    pub(crate) fn resume(mark: Mark, folder: &'f Path, vfs: &'f str) -> Self {
        let Mark { at, book, dice, next, numbered, done } = mark;
        let this = Self { dice, next, numbered, done, ..Self::new(0, folder, Some(vfs)) };
        this.clock.set(at);
        *this.book.lock() = book;
        this
    }

    pub(crate) fn new(seed: u64, folder: &'f Path, vfs: Option<&'f str>) -> Self {
        Self {
            folder,
            vfs,
            clock: ManualClock::default(),
            book: Arc::default(),
            dice: Dice::seeded(seed),
            next: VecDeque::new(),
            numbered: 0,
            done: 0,
            refused: 0,
        }
    }

    pub(crate) fn book(&self) -> Arc<Book> {
        self.book.lock().clone()
    }

    fn change(&self, change: impl FnOnce(&mut Book)) {
        let mut book = self.book.lock();
        let mut next = Book::clone(&book);
        change(&mut next);
        *book = Arc::new(next);
    }

    /// Opens both services; tries again while that fails, as whoever starts a process does.
    pub(crate) async fn open(&mut self) -> World {
        for _ in 0..ATTEMPTS {
            match World::open(self.folder, self.vfs, &self.clock).await {
                Ok(world) => return world,
                Err(StoreError::Unavailable(_)) => self.refused += 1,
                Err(other) => panic!("cannot be opened: {other}"),
            }
        }
        panic!("never opened")
    }

    /// Whether all operations are done.
    pub(crate) fn is_over(&self) -> bool {
        self.done == OPERATIONS
    }

    /// The next operation. Gives the services back: it may have restarted them.
    pub(crate) async fn step(&mut self, mut world: World) -> World {
        self.done += 1;
        self.clock.advance(Duration::from_secs(1));
        match self.choose() {
            Step::Call(call) => self.until_answered(&world, call).await,
            Step::Again(kept) => self.again(&world, &kept).await,
            Step::Deliver => self.until_it_works(&mut world, async |world| world.deliver().await).await,
            Step::Index => {
                let flush = async |world: &mut World| world.order_store.flush_index().await.map(drop);
                self.until_it_works(&mut world, flush).await;
            }
            Step::Poison(order) => {
                let poison = async |world: &mut World| world.poison(Topic::OrderStatusChanged, &order).await;
                self.until_it_works(&mut world, poison).await;
            }
            Step::Discard => self.discard(&world).await,
            Step::Restart => {
                world.close().await;
                return self.open().await;
            }
        }
        world
    }

    /// What was answered once is answered again.
    pub(crate) async fn again(&mut self, world: &World, kept: &Kept) {
        let response = self.answered(async || send(world, &kept.call).await).await;
        assert_eq!(response.status.as_u16(), kept.status, "{:?}: {}", kept.call, response.text());
        assert_eq!(response.header("idempotency-replayed"), Some("true"), "{:?}", kept.call);
        if kept.status < 300 {
            assert_eq!(response.json, kept.answer, "{:?}", kept.call);
        }
    }

    /// Gives up whatever is parked.
    pub(crate) async fn discard(&mut self, world: &World) {
        let path = "/api/v1/dead-letters";
        loop {
            let letters = self.answered(async || world.products.get(path).send().await).await;
            assert_eq!(letters.status, 200, "{}", letters.text());
            let Some(id) = letters.json["data"]["deadLetters"][0]["id"].as_str() else { return };
            let call = Call {
                service: Service::Products,
                method: "POST",
                path: format!("{path}/{id}/discard"),
                key: None,
                body: json!({}),
                effect: Effect::Discarded,
            };
            self.until_answered(world, call).await;
        }
    }

    async fn until_it_works(
        &mut self,
        world: &mut World,
        work: impl AsyncFn(&mut World) -> Result<(), StoreError>,
    ) {
        for _ in 0..ATTEMPTS {
            match work(world).await {
                Ok(()) => return,
                Err(StoreError::Unavailable(_)) => self.refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        panic!("never worked")
    }

    /// Makes a call until it is answered, unless making it again could do it twice.
    pub(crate) async fn until_answered(&mut self, world: &World, call: Call) {
        for _ in 0..ATTEMPTS {
            self.change(|book| book.in_flight = Some(call.clone()));
            let response = send(world, &call).await;
            self.change(|book| book.note(&call, &response));
            if response.status.as_u16() < 500 || !call.may_be_repeated() {
                return self.check_failure(&response);
            }
            self.check_failure(&response);
        }
        panic!("never answered: {call:?}")
    }

    /// A client that cannot ask again never knows.
    pub(crate) fn give_up(&self, call: &Call) {
        self.change(|book| {
            book.in_flight = None;
            if let Effect::Order { user } = &call.effect {
                book.unsure.insert(user.clone());
            }
        });
    }

    async fn answered(&mut self, ask: impl AsyncFn() -> TestResponse) -> TestResponse {
        for _ in 0..ATTEMPTS {
            let response = ask().await;
            if response.status.as_u16() < 500 {
                return response;
            }
            self.check_failure(&response);
        }
        panic!("never answered")
    }

    /// A failure is one that says: later.
    fn check_failure(&mut self, response: &TestResponse) {
        if response.status.as_u16() >= 500 {
            self.refused += 1;
            assert_eq!(response.status, 503, "{}", response.text());
            assert_eq!(response.json["statusCode"], 503, "{}", response.text());
            assert!(response.header("retry-after").is_some(), "{}", response.text());
        }
    }

    fn choose(&mut self) -> Step {
        if let Some(step) = self.next.pop_front() {
            return step;
        }
        let book = self.book();
        if book.products.len() < 4 {
            return self.product([40, 15, 5, 1_000][book.products.len()]);
        }
        match self.done {
            100 => return Step::Restart,
            60 | 150 => {
                if let Some(order) = self.an_order(&book, 1) {
                    let status = |to| Step::Call(status_call(&order, to));
                    let (second, third) = (status(2), status(3));
                    self.next.extend([Step::Poison(order), second, third, Step::Deliver, Step::Discard]);
                    return Step::Deliver;
                }
            }
            _ => {}
        }
        match self.dice.roll(100) {
            0..=31 => self.place(&book),
            32..=35 => Step::Again(Box::new(book.kept[self.pick(book.kept.len())].clone())),
            36..=52 => self.advance(&book),
            53..=58 => self.cancel(&book),
            59..=66 => self.adjust(),
            67..=73 => self.reserve(),
            74..=77 => self.release(&book),
            78..=93 => Step::Deliver,
            _ => Step::Index,
        }
    }

    fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }

    fn pick(&mut self, among: usize) -> usize {
        usize::try_from(self.dice.roll(among as u64)).unwrap()
    }

    fn product(&mut self, stock: i64) -> Step {
        Step::Call(Call {
            service: Service::Products,
            method: "POST",
            path: "/api/v1/products".to_owned(),
            key: Some(format!("product-{}", self.number())),
            body: json!({"name": "Test Product", "price": 29.99, "stock": stock}),
            effect: Effect::Product { stock },
        })
    }

    fn place(&mut self, book: &Book) -> Step {
        let number = self.number();
        let user = format!("user-{number}");
        let lines: Vec<(usize, i64)> = (0..=self.dice.roll(3))
            .map(|_| (self.pick(4), i64::try_from(1 + self.dice.roll(4)).unwrap()))
            .collect();
        let body = order_body(book, &user, &lines);
        let key = (self.dice.roll(2) == 0).then(|| format!("order-{number}"));
        self.change(|book| drop(book.wanted.insert(user.clone(), lines)));
        let path = "/api/v1/orders".to_owned();
        Step::Call(Call {
            service: Service::Orders,
            method: "POST",
            path,
            key,
            body,
            effect: Effect::Order { user },
        })
    }

    /// One of the orders whose last known status is this.
    fn an_order(&mut self, book: &Book, status: u64) -> Option<String> {
        let some: Vec<&String> =
            book.orders.iter().filter(|(_, s)| **s == status).map(|(id, _)| id).collect();
        if some.is_empty() { None } else { Some(some[self.pick(some.len())].clone()) }
    }

    fn advance(&mut self, book: &Book) -> Step {
        let from = 1 + self.dice.roll(3);
        match self.an_order(book, from) {
            Some(order) => Step::Call(status_call(&order, from + 1)),
            None => Step::Deliver,
        }
    }

    fn cancel(&mut self, book: &Book) -> Step {
        let from = 1 + self.dice.roll(3);
        match self.an_order(book, from) {
            Some(order) => Step::Call(status_call(&order, 5)),
            None => self.place(book),
        }
    }

    fn adjust(&mut self) -> Step {
        let product = self.pick(4);
        let delta = [-2, -1, 1, 3, 10][self.pick(5)];
        self.change_stock(product, "adjust", Effect::Adjusted { product, delta })
    }

    fn reserve(&mut self) -> Step {
        let (product, order) = (self.pick(4), format!("ext-{}", self.number()));
        let quantity = i64::try_from(1 + self.dice.roll(4)).unwrap();
        self.change_stock(product, "reserve", Effect::Reserved { product, order, quantity })
    }

    fn release(&mut self, book: &Book) -> Step {
        let held: Vec<_> = book.holds.keys().cloned().collect();
        if held.is_empty() {
            return self.reserve();
        }
        let (order, product) = held[self.pick(held.len())].clone();
        self.change_stock(product, "release", Effect::Released { product, order })
    }

    fn change_stock(&mut self, product: usize, act: &str, effect: Effect) -> Step {
        let book = self.book();
        let (key, body) = match &effect {
            Effect::Adjusted { delta, .. } => {
                (Some(format!("adjust-{}", self.number())), json!({"delta": delta, "reason": "counted"}))
            }
            Effect::Reserved { order, quantity, .. } => {
                (None, json!({"quantity": quantity, "orderId": order}))
            }
            Effect::Released { order, .. } => {
                let quantity = book.holds[&(order.clone(), product)];
                (None, json!({"quantity": quantity, "orderId": order}))
            }
            _ => unreachable!("only stock"),
        };
        let path = format!("/api/v1/products/{}/{act}", book.products[product].id);
        Step::Call(Call { service: Service::Products, method: "POST", path, key, body, effect })
    }
}

fn status_call(order: &str, to: u64) -> Call {
    Call {
        service: Service::Orders,
        method: "PATCH",
        path: format!("/api/v1/orders/{order}/status"),
        key: None,
        body: json!({"status": to}),
        effect: Effect::Status { order: order.to_owned(), to },
    }
}

/// Makes a call once.
pub(crate) async fn send(world: &World, call: &Call) -> TestResponse {
    let client = match call.service {
        Service::Orders => &world.orders,
        Service::Products => &world.products,
    };
    let mut request = client.request(call.method.parse().unwrap(), &call.path).json(&call.body);
    if let Some(key) = &call.key {
        request = request.header("idempotency-key", key);
    }
    request.send().await
}
