//! Messages arrive again, late, in another order, or are none.

use std::sync::atomic::{AtomicBool, Ordering};

use holdfast_bus::{ORDERS_GROUP, PRODUCTS_GROUP};
use holdfast_contract::Topic;
use serde_json::{Value, json};

use crate::deployment::{Deployment, Instance, Kind, Service, shop};
use crate::load::Load;
use crate::support::{Dice, Said, all_orders, until};
use crate::wire::{Message, Wire};

crate::on_both! {
    copies_of_old_messages_change_nothing,
    two_topics_may_overtake_each_other,
    poison_in_the_middle_of_a_batch_stops_nobody,
}

const CLIENTS: u64 = 4;

fn shuffle(messages: &mut [Message], dice: &mut Dice) {
    for last in (1..messages.len()).rev() {
        messages.swap(last, usize::try_from(dice.roll(last as u64 + 1)).unwrap());
    }
}

/// Carries what the services say to each other, if their topics are [`Deployment::apart`].
struct Carrier {
    requests: Route,
    answers: Route,
    dice: Dice,
}

struct Route {
    from: crate::wire::Reader,
    to: Wire,
    /// All that was ever carried.
    carried: Vec<Message>,
}

impl Carrier {
    fn new(deployment: &Deployment) -> Self {
        let route = |from: Service, to: Service, topics| Route {
            from: deployment.wire(from).reader(topics),
            to: deployment.wire(to),
            carried: Vec::new(),
        };
        Self {
            requests: route(Service::Orders, Service::Products, Topic::TO_PRODUCTS),
            answers: route(Service::Products, Service::Orders, Topic::TO_ORDERS),
            dice: Dice::new(),
        }
    }

    /// What was asked and is not carried yet.
    fn take_requests(&mut self) -> Vec<Message> {
        self.requests.from.take()
    }

    /// Carries these requests in this order.
    fn carry_requests(&mut self, messages: Vec<Message>) {
        self.requests.to.send(&messages);
        self.requests.carried.extend(messages);
    }

    /// Carries both ways in any order, and some of what was carried before once more, until `stop`.
    fn run(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::SeqCst) {
            for route in [&mut self.requests, &mut self.answers] {
                let fresh = route.from.take();
                let mut all = fresh.clone();
                if !route.carried.is_empty() {
                    let any =
                        |dice: &mut Dice| usize::try_from(dice.roll(route.carried.len() as u64)).unwrap();
                    all.extend((0..fresh.len()).map(|_| route.carried[any(&mut self.dice)].clone()));
                }
                shuffle(&mut all, &mut self.dice);
                route.to.send(&all);
                route.carried.extend(fresh);
            }
        }
    }

    /// Carries while `work` is done.
    fn during<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| self.run(&stop));
            // Else a failure in `work` would wait for the carrier for ever.
            let _stop = StopWhenDropped(&stop);
            work()
        })
    }
}

struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What must not change when nothing new was said: orders without their versions, and all of the stock.
fn picture(orders: &Instance, products: &Instance) -> (Vec<Value>, Vec<Value>) {
    let mut all = all_orders(&mut orders.client());
    all.sort_by_key(|order| order["_id"].to_string());
    let stock = products.client().get("/api/v1/products?limit=100")["data"]["products"].take();
    let mut stock = stock.as_array().unwrap().clone();
    stock.sort_by_key(|product| product["_id"].to_string());
    (all, stock)
}

/// Invariant 4: the offsets of all topics again, in shuffled order across them, under load and after it.
fn copies_of_old_messages_change_nothing(kind: Kind) {
    let Some(deployment) = Deployment::new(kind) else { return };
    let products = deployment.start(Service::Products);
    let orders = deployment.start(Service::Orders);
    let load = Load::start(CLIENTS, shop(&products), &[&orders]);
    let wire = deployment.wire(Service::Orders);
    let topics = [Topic::TO_PRODUCTS, Topic::TO_ORDERS].concat();
    let mut dice = Dice::new();
    for _ in 0..2 {
        load.accept(100);
        let mut copies = wire.read(&topics);
        shuffle(&mut copies, &mut dice);
        wire.send(&copies);
    }
    deployment.rest(load, &orders, &products);

    let before = picture(&orders, &products);
    let mut copies = wire.read(&topics);
    shuffle(&mut copies, &mut dice);
    wire.send(&copies);
    wire.until_consumed(PRODUCTS_GROUP, Topic::TO_PRODUCTS);
    // Their answers are repeated too.
    wire.until_consumed(ORDERS_GROUP, Topic::TO_ORDERS);
    assert_eq!(picture(&orders, &products), before);
    deployment.no_dead_letters();
    deployment.close(vec![orders], vec![products]);
}

/// Invariants 4 and 5: every release overtakes its reserve and wins; answers overtake each other; everything comes more
/// than once.
fn two_topics_may_overtake_each_other(kind: Kind) {
    let Some(deployment) = Deployment::new(kind).map(Deployment::apart) else { return };
    let products = deployment.start(Service::Products);
    let orders = deployment.start(Service::Orders);
    let ids = shop(&products);
    let plenty = ids[3].clone();
    let mut carrier = Carrier::new(&deployment);
    let load = Load::start(CLIENTS, ids, &[&orders]);

    // A shipment, while everything arrives.
    let mut client = orders.client();
    let mut body = crate::support::order(&[(&plenty, 3)]);
    body["userId"] = json!("shipped");
    let Said::Yes(shipped) = load.told().place(&mut client, "shipped".to_owned(), body) else {
        panic!("nothing is away");
    };
    carrier.during(|| {
        until(&mut client, &shipped, |order| order["stockStatus"] == "reserved");
        load.accept(50);
    });
    // Nothing arrives for a while. The shipped order is cancelled before anybody has heard that it was shipped.
    for status in [2, 3] {
        let path = format!("/api/v1/orders/{shipped}/status");
        let (code, answer) = client.send("PATCH", &path, "", Some(&json!({"status": status}))).unwrap();
        assert_eq!(code, 200, "{answer}");
    }
    assert!(matches!(load.told().cancel(&mut client, shipped.clone()), Said::Yes(_)));
    load.accept(100);
    let mut held_up = Vec::new();
    while held_up.iter().filter(|m: &&Message| m.topic == Topic::InventoryReserve).count() < 50
        || !held_up.iter().any(|m| m.topic == Topic::InventoryRelease && m.key() == shipped)
    {
        held_up.extend(carrier.take_requests());
    }
    held_up.sort_by_key(|message| message.topic != Topic::InventoryRelease);
    carrier.carry_requests(held_up);

    carrier.during(|| {
        load.accept(50);
        deployment.rest(load, &orders, &products);
    });
    until(&mut client, &shipped, |order| order["stockStatus"] == "returned");
    deployment.no_dead_letters();
    deployment.close(vec![orders], vec![products]);
}

/// Invariant 8: what is no message is parked with what is behind it of the same order in that topic; all other orders go
/// on; a release passes a parked reserve and wins; and what is discarded rejects its order.
fn poison_in_the_middle_of_a_batch_stops_nobody(kind: Kind) {
    let Some(deployment) = Deployment::new(kind).map(Deployment::apart) else { return };
    let products = deployment.start(Service::Products);
    let orders = deployment.start(Service::Orders);
    let mut carrier = Carrier::new(&deployment);
    let load = Load::start(CLIENTS, shop(&products), &[&orders]);
    load.accept(60);
    let mut batch = Vec::new();
    while batch.iter().filter(|m: &&Message| m.topic == Topic::InventoryReserve).count() < 40 {
        batch.extend(carrier.take_requests());
    }
    // Whoever wants to cancel one of those has done so by then.
    load.accept(20);
    let victims = victims(&batch, &orders);
    let payloads = [Some(b"\xff\x00 garbage".to_vec()), Some(wrong_types(&victims[1])), None];
    let poison: Vec<Message> =
        victims.iter().zip(payloads).map(|(victim, payload)| Message { payload, ..victim.clone() }).collect();
    for (victim, poison) in victims.iter().zip(&poison) {
        let at = batch.iter().position(|m| m.topic == victim.topic && m.key == victim.key).unwrap();
        batch.insert(at, poison.clone());
    }
    // Nobody's.
    batch.insert(batch.len() / 2, Message { key: None, ..poison[0].clone() });
    carrier.carry_requests(batch);

    let far = deployment.wire(Service::Products);
    let dlq = |args: &[&str]| dead_letters(&deployment, &orders, &products, args);
    carrier.during(|| {
        load.accept(50);
        far.until_consumed(PRODUCTS_GROUP, Topic::TO_PRODUCTS);
        let mut client = orders.client();
        let [cancelled, discarded @ ..] = &victims;
        for victim in &victims {
            let order = client.get(&format!("/api/v1/orders/{}", victim.key()))["data"]["order"].take();
            assert_eq!((&order["status"], &order["stockStatus"]), (&json!(1), &json!("pending")), "{order}");
            // The poison, and the request behind it; more if the carrier has brought them again.
            assert!(dlq(&["list", "--order", victim.key()]).len() >= 2);
        }
        assert!(matches!(load.told().cancel(&mut client, cancelled.key().to_owned()), Said::Yes(_)));
        until(&mut client, cancelled.key(), |order| order["stockStatus"] == "released");
        for victim in discarded {
            for letter in dlq(&["list", "--order", victim.key()]) {
                // What was behind one that is discarded follows it, and is not there any more.
                dlq(&["discard", "--yes", letter["id"].as_str().unwrap()]);
            }
            let order = until(&mut client, victim.key(), |order| order["stockStatus"] != "pending");
            assert_eq!(order["cancelReason"], "PROCESSING_FAILED", "{order}");
        }
        deployment.rest(load, &orders, &products);
    });
    // The topic of dead letters has copies for others.
    let copies = far.read(&[Topic::InventoryReserveDlq]);
    let payload = |message: &Message| message.payload.clone().unwrap_or_default();
    for poison in &poison {
        assert!(copies.iter().any(|c| c.key == poison.key && payload(c) == payload(poison)), "{poison:?}");
    }
    assert!(copies.iter().any(|copy| copy.key.as_deref().unwrap_or_default().is_empty()));
    deployment.close(vec![orders], vec![products]);
}

/// Three requests for stock of orders that nobody has cancelled, from all over the batch.
fn victims(batch: &[Message], orders: &Instance) -> [Message; 3] {
    let mut client = orders.client();
    let mut pending = |message: &&Message| {
        let order = client.get(&format!("/api/v1/orders/{}", message.key()))["data"]["order"].take();
        order["status"] == 1
    };
    let requests = batch.iter().filter(|message| message.topic == Topic::InventoryReserve);
    let sound: Vec<&Message> = requests.filter(|message| pending(message)).collect();
    [5, 12, 19].map(|n| sound[n].clone())
}

/// What `holdfast dlq …` says; empty if it names no dead letters.
fn dead_letters(
    deployment: &Deployment,
    orders: &Instance,
    products: &Instance,
    args: &[&str],
) -> Vec<Value> {
    let output = deployment
        .command()
        .env("ORDERS_URL", format!("http://{}", orders.addr))
        .env("PRODUCTS_URL", format!("http://{}", products.addr))
        .args(["dlq", "--json"])
        .args(args)
        .output()
        .unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    said["deadLetters"].as_array().cloned().unwrap_or_default()
}

/// The message, with a text where a number has to be.
fn wrong_types(message: &Message) -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(message.payload.as_deref().unwrap()).unwrap();
    body["lines"][0]["quantity"] = json!("two");
    body.to_string().into_bytes()
}
