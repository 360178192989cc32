//! The database server is away, changes its mind about being primary, or refuses commands.

use std::time::Duration;

use holdfast_servers::{Fault, Mongo};
use serde_json::json;

use crate::deployment::{Deployment, Instance, Service, shop};
use crate::load::Load;
use crate::servers::{self, Turn, done};

const CLIENTS: u64 = 4;

/// Commands that the services send while they work.
const COMMANDS: [&str; 9] = [
    "insert",
    "find",
    "getMore",
    "update",
    "findAndModify",
    "aggregate",
    "delete",
    "commitTransaction",
    "abortTransaction",
];

/// And when they start.
const AT_THE_START: [&str; 3] = ["create", "createIndexes", "find"];

/// A replica set to disturb, with the services on it, and clients.
struct Disturbed {
    mongo: Turn<Mongo>,
    deployment: Deployment,
    orders: Instance,
    products: Instance,
    load: Load,
}

fn disturbed() -> Option<Disturbed> {
    let mongo = servers::mongo_to_disturb()?;
    let deployment = Deployment::on(servers::kafka()?, Some(&mongo));
    let products = deployment.start(Service::Products);
    let orders = deployment.start(Service::Orders);
    let load = Load::start(CLIENTS, shop(&products), &[&orders]);
    load.accept(50);
    Some(Disturbed { mongo, deployment, orders, products, load })
}

impl Disturbed {
    fn end(self) {
        self.deployment.end(self.load, vec![self.orders], vec![self.products]);
    }
}

/// The only node gives up its office, closes all connections and takes no writes until it is elected again.
#[test]
fn a_primary_that_steps_down_under_load_costs_no_order() {
    let Some(mut it) = disturbed() else { return };
    for _ in 0..3 {
        done(it.mongo.step_down());
        it.load.accept(50);
    }
    it.end();
}

/// Clients are told to come again ([`crate::support::Told`] looks at every such answer), readiness says which part is
/// away, and nobody has to restart anything.
#[test]
fn a_database_that_is_killed_is_said_and_waited_for() {
    let Some(mut it) = disturbed() else { return };
    done(it.mongo.kill());
    for instance in [&it.orders, &it.products] {
        instance.until_missing(&["store"]);
    }
    it.load.refuse(4);
    let answer = it.products.client().exchange("GET", "/api/v1/products", "", None).unwrap();
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (503, &json!("SERVICE_UNAVAILABLE")),
        "{}",
        answer.body
    );
    assert!(answer.header("retry-after").is_some());

    done(it.mongo.restart());
    it.orders.until_ready();
    it.products.until_ready();
    it.load.accept(50);
    it.end();
}

/// Connections stay open and nothing is answered.
#[test]
fn a_database_that_hangs_is_said_and_waited_for() {
    let Some(mut it) = disturbed() else { return };
    done(it.mongo.pause());
    for instance in [&it.orders, &it.products] {
        instance.until_missing(&["store"]);
    }
    done(it.mongo.resume());
    it.load.accept(50);
    it.end();
}

/// Each command fails in each way that a server or a network can fail it.
#[test]
fn commands_that_fail_cost_no_order() {
    const SHUTDOWN_IN_PROGRESS: i32 = 91;
    const NOT_PRIMARY: i32 = 10_107;
    const WRITE_CONFLICT: i32 = 112;
    let Some(mut it) = disturbed() else { return };
    for command in COMMANDS {
        let fault = || Fault::on(&[command]).times(3);
        let ways = [
            fault().error(NOT_PRIMARY),
            fault().error(WRITE_CONFLICT).labels(&["TransientTransactionError"]),
            fault().write_concern_error(SHUTDOWN_IN_PROGRESS),
            fault().close_connection(),
        ];
        for way in ways {
            done(it.mongo.fail_command(&way));
            it.load.accept(4);
        }
    }
    // All of them take long.
    done(it.mongo.fail_command(&Fault::on(&COMMANDS).times(40).block(Duration::from_millis(100))));
    it.load.accept(8);
    done(it.mongo.fail_command(&Fault::on(&AT_THE_START).times(6).error(NOT_PRIMARY)));
    let more = [Service::Orders, Service::Products].map(|service| it.deployment.launch(service));
    more.iter().for_each(Instance::until_ready);
    done(it.mongo.heal());
    let [orders, products] = more;
    it.deployment.end(it.load, vec![it.orders, orders], vec![it.products, products]);
}
