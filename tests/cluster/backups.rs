//! A copy that was made under load is all that is left.

use holdfast_servers::Mongo;

use crate::deployment::{Deployment, Kind, Service, shop};
use crate::load::Load;
use crate::servers::{self, Turn, done};
use crate::support::{decided, held, kept, place, settled};

crate::on_both! { a_backup_under_load_comes_back_with_nothing_lost_and_nothing_twice }

const CLIENTS: u64 = 4;

/// As docs/operations.md says for each deployment: the databases of one instant, and the topics made anew. What was told
/// before that instant is there, and what was on its way then is done, once.
fn a_backup_under_load_comes_back_with_nothing_lost_and_nothing_twice(kind: Kind) {
    let Some(mut kafka) = servers::kafka_to_disturb() else { return };
    let mut mongo: Option<Turn<Mongo>> = match kind {
        Kind::Sqlite => None,
        Kind::Mongo => match servers::mongo_to_disturb() {
            None => return,
            some => some,
        },
    };
    let mut deployment = Deployment::on(&kafka, mongo.as_deref()).with("REDECIDE_AFTER_SECONDS", "2");
    let products = deployment.start(Service::Products);
    let orders = deployment.start(Service::Orders);
    let load = Load::start(CLIENTS, shop(&products), &[&orders]);
    load.accept(200);

    let before = load.told().so_far().clone();
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    match &mongo {
        None => deployment.holdfast(&["backup", "--to", backup.to_str().unwrap()]),
        Some(mongo) => {
            std::fs::create_dir(&backup).unwrap();
            done(mongo.snapshot(&backup));
        }
    }
    let after = load.accepted();
    load.accept(200);
    let ids = load.stop(&orders).products;
    orders.process.stop();
    products.process.stop();

    done(kafka.wipe_and_restart());
    match &mut mongo {
        None => deployment.restore(&backup),
        Some(mongo) => done(mongo.restore(&backup)),
    }
    let products = deployment.start(Service::Products);
    let orders = deployment.start(Service::Orders);
    let all = settled(&mut orders.client());
    let unanswered = usize::try_from(CLIENTS).unwrap();
    assert!(all.len() <= after + unanswered, "{} orders: what came later is not in the copy", all.len());
    kept(&all, &before);
    held(&all, &mut products.client(), &ids);
    deployment.audited(&[&products, &orders]);
    deployment.no_dead_letters();

    // It goes on being used.
    let id = place(&mut orders.client(), &[(&ids[3], 1)]);
    decided(&mut orders.client(), &id);
    deployment.close(vec![orders], vec![products]);
}
