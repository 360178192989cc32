//! Several instances of each service.

use holdfast_bus::{ORDERS_GROUP, PRODUCTS_GROUP};

use crate::deployment::{Deployment, Instance, Kind, Service, shop};
use crate::live::{Live, each_once_and_in_order};
use crate::load::Load;
use crate::support::{eventually, run};

const CLIENTS: u64 = 4;

/// Two instances of each service on one broker and one replica set.
struct Twice {
    deployment: Deployment,
    orders: Vec<Instance>,
    products: Vec<Instance>,
}

fn twice() -> Option<Twice> {
    let deployment = Deployment::new(Kind::Mongo)?;
    let start = |service| vec![deployment.start(service), deployment.start(service)];
    let (products, orders) = (start(Service::Products), start(Service::Orders));
    let twice = Twice { deployment, orders, products };
    twice.until_members(2);
    Some(twice)
}

impl Twice {
    /// Waits until both groups have dealt out their partitions to so many.
    fn until_members(&self, count: usize) {
        let wire = self.deployment.wire(Service::Orders);
        for group in [ORDERS_GROUP, PRODUCTS_GROUP] {
            eventually("dealt out", || match wire.members(group) {
                members if members == count => Ok(()),
                other => Err(format!("{group}: {other} members")),
            });
        }
    }

    fn load(&self) -> Load {
        let all: Vec<&Instance> = self.orders.iter().collect();
        Load::start(CLIENTS, shop(&self.products[0]), &all)
    }

    fn end(self, load: Load) {
        self.deployment.end(load, self.orders, self.products);
    }
}

/// Both instances of each service decide part of the orders.
#[test]
fn two_instances_of_each_service_share_the_work() {
    let Some(twice) = twice() else { return };
    let load = twice.load();
    load.accept(100);
    for instance in &twice.products {
        eventually("takes part", || match instance.metric("products_batch_messages_count") {
            0.0 => Err("no batches".to_owned()),
            _ => Ok(()),
        });
    }
    for instance in &twice.orders {
        eventually("takes part", || match instance.metric("orders_stock_decided_total") {
            0.0 => Err("no answers".to_owned()),
            _ => Ok(()),
        });
    }
    twice.end(load);
}

/// Invariants 3, 4 and 9: one of each is killed in the middle of its work, and the other takes over.
#[test]
fn a_killed_instance_is_taken_over_from() {
    let Some(mut twice) = twice() else { return };
    let all: Vec<&Instance> = twice.orders.iter().collect();
    let load = Load::start_at_full_speed(CLIENTS, shop(&twice.products[0]), &all);
    load.accept(200);
    load.go_to(&[&twice.orders[0]]);
    twice.orders.pop().unwrap().process.kill();
    twice.products.pop().unwrap().process.kill();
    load.slow_down();
    load.accept(50);
    twice.until_members(1);
    twice.end(load);
}

/// Instances join and leave, in an orderly way and by being killed, while the others work.
#[test]
fn instances_that_come_and_go_disturb_nothing() {
    let Some(twice) = twice() else { return };
    let load = twice.load();
    for round in 0..6 {
        let orders = twice.deployment.launch(Service::Orders);
        let products = twice.deployment.launch(Service::Products);
        load.go_to(&[&twice.orders[round % 2], &orders]);
        load.accept(30);
        load.go_to(&[&twice.orders[0], &twice.orders[1]]);
        for instance in [orders, products] {
            if round % 3 == 1 { instance.process.kill() } else { instance.process.stop() }
        }
    }
    twice.end(load);
}

/// An upgrade: a new instance comes, and an old one is asked to end, until all are new. Clients go on where the old one was.
#[test]
fn a_rolling_restart_loses_and_repeats_nothing() {
    let Some(mut twice) = twice() else { return };
    let mut client = Live::connect(twice.orders[0].addr);
    let load = twice.load();
    for at in 0..2 {
        load.accept(30);
        let products = twice.deployment.start(Service::Products);
        std::mem::replace(&mut twice.products[at], products).process.stop();
        let orders = twice.deployment.start(Service::Orders);
        let old = std::mem::replace(&mut twice.orders[at], orders);
        // As whoever balances the load has it, by readiness.
        load.go_to(&[&twice.orders[0], &twice.orders[1]]);
        client = client.go_on(twice.orders[at].addr, || old.process.stop());
    }
    load.accept(30);
    let all = twice.deployment.rest(load, &twice.orders[0], &twice.products[0]);
    client.until_told_of(&all);
    each_once_and_in_order(&client.leave(), &all);
    twice.deployment.no_dead_letters();
    twice.deployment.close(twice.orders, twice.products);
}

/// A client sees, at whichever instance, what is changed through any: each change once, and in order per order.
#[test]
fn live_clients_of_one_instance_see_what_is_changed_through_another() {
    let Some(twice) = twice() else { return };
    let [near, far] = &twice.orders[..] else { panic!("two") };
    let stays = Live::connect(near.addr);
    let mut comes_and_goes = Live::connect(near.addr);
    let load = Load::start(CLIENTS, shop(&twice.products[0]), &[far]);
    for round in 0..4 {
        let before = comes_and_goes.count();
        load.accept(30);
        eventually("told", || match comes_and_goes.count() {
            more if more > before => Ok(()),
            _ => Err("nothing new".to_owned()),
        });
        // What happens meanwhile is told at the other instance.
        comes_and_goes = comes_and_goes.go_on(twice.orders[(round + 1) % 2].addr, || load.accept(10));
    }
    let all = twice.deployment.rest(load, far, &twice.products[0]);
    for client in [stays, comes_and_goes] {
        client.until_told_of(&all);
        each_once_and_in_order(&client.leave(), &all);
    }
    twice.deployment.no_dead_letters();
    twice.deployment.close(twice.orders, twice.products);
}

/// With a file for each service a second instance would not know what the first has in memory.
#[test]
fn a_second_instance_on_the_same_files_refuses_to_start() {
    let Some(deployment) = Deployment::new(Kind::Sqlite) else { return };
    let products = deployment.start(Service::Products);
    let orders = deployment.start(Service::Orders);
    for service in [Service::Orders, Service::Products] {
        let ended = run(deployment.command().arg(service.name()));
        assert!(!ended.status.success());
        let last = ended.said.lines().last().unwrap();
        assert!(last.contains("is in use by another process") && last.contains("DATA_DIR"), "{}", ended.said);
    }
    // The first ones did not notice.
    let load = Load::start(CLIENTS, shop(&products), &[&orders]);
    load.accept(20);
    deployment.end(load, vec![orders], vec![products]);
}
