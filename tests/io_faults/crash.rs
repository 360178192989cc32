//! The power goes, at every point of the scenario.
//!
//! The scenario runs once. At each point the disk says what would be left, and a second thread opens that while the
//! scenario goes on: so a crash costs no more than looking at it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use holdfast_faultfs::{Disk, Image, Loss};
use holdfast_storage::sqlite::log_damage;
use parking_lot::Mutex;

use crate::book::Book;
use crate::scenario::Scenario;
use crate::world::{ORDERS_DB, PRODUCTS_DB};
use crate::{THREADS, blocking, check};

struct Crash {
    point: u64,
    what: String,
    loss: Loss,
    image: Image,
    book: Arc<Book>,
}

/// A point loses nothing (the process is killed), everything, or some sectors.
fn loss(seed: u64, point: u64) -> Loss {
    match point % 8 {
        0 => Loss::Nothing,
        1 => Loss::Everything,
        n => Loss::Sectors { seed: seed ^ point, percent: [10, 30, 50, 70, 90, 97][n as usize - 2] },
    }
}

/// Gives how many points were looked at.
pub(crate) fn at_every_point(seed: u64) -> u64 {
    let (send, crashes) = sync_channel::<Crash>(16);
    let crashes = Arc::new(Mutex::new(crashes));
    std::thread::scope(|scope| {
        let checkers: Vec<_> = (0..THREADS)
            .map(|_| {
                let crashes = crashes.clone();
                scope.spawn(move || examine(&crashes))
            })
            .collect();
        // Whoever sends must see that nobody looks any more.
        drop(crashes);
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new();
        blocking(async {
            let mut scenario = Scenario::new(seed, folder.path(), Some(disk.vfs()));
            let book = scenario.book.clone();
            disk.watch(move |moment| {
                let loss = loss(seed, moment.point);
                let what = format!("{:?} of {}", moment.act, moment.file.display());
                let (point, book) = (moment.point, book.lock().clone());
                // If nobody looks any more, a check has failed.
                let _ = send.send(Crash { point, what, loss, image: moment.after_power_loss(loss), book });
            });
            let mut world = scenario.open().await;
            while !scenario.is_over() {
                world = scenario.step(world).await;
            }
            world.close().await;
            disk.unwatch();
        });
        let looked: u64 = checkers.into_iter().map(|checker| checker.join().unwrap()).sum();
        assert_eq!(looked, disk.points());
        looked
    })
}

fn examine(crashes: &Mutex<Receiver<Crash>>) -> u64 {
    let mut looked = 0;
    loop {
        let next = crashes.lock().recv();
        let Ok(Crash { point, what, loss, image, book }) = next else { return looked };
        let folder = tempfile::tempdir().unwrap();
        image.write(folder.path()).unwrap();
        let said = format!("crash at point {point}, {what}, {loss:?}");
        for database in [ORDERS_DB, PRODUCTS_DB] {
            let log = folder.path().join(format!("{database}-wal"));
            assert_eq!(log_damage(&log).unwrap(), None, "{said}: a loss of power taken for damage");
        }
        crate::saying(&said, || blocking(check::whole(folder.path(), &book, point)));
        looked += 1;
    }
}
