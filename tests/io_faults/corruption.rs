//! Bytes turn, pages are lost, files are cut off: it is reported, or what is served is the truth.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast_service::ManualClock;
use holdfast_storage::StoreError;

use crate::book::Book;
use crate::scenario::Scenario;
use crate::support::Dice;
use crate::world::{ORDERS_DB, PRODUCTS_DB, World};
use crate::{blocking, check};

const PAGE: usize = 4_096;
/// Operations of the scenario before the files are looked at.
const OPERATIONS: usize = 140;

/// What a whole scenario left, and what is to be served of it.
pub(crate) struct Files {
    folder: tempfile::TempDir,
    truth: String,
    book: std::sync::Arc<Book>,
}

/// What has happened to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Bit(usize, u8),
    /// So many bytes are zero.
    Zero(usize, usize),
    /// A page is a copy of another one.
    Misplaced(usize, usize),
    CutOff(usize),
}

impl Damage {
    fn apply(self, content: &mut Vec<u8>) {
        match self {
            Self::Bit(at, bit) => content[at] ^= 1 << bit,
            Self::Zero(at, length) => {
                let end = (at + length).min(content.len());
                content[at..end].fill(0);
            }
            Self::Misplaced(from, to) => content.copy_within(from..from + PAGE, to),
            Self::CutOff(at) => content.truncate(at),
        }
    }
}

/// What became of damaged files.
#[derive(Debug)]
enum Outcome {
    Reported(String),
    Served(String),
}

impl Files {
    pub(crate) fn new(seed: u64) -> Self {
        let source = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let book = blocking(async {
            let mut scenario = Scenario::new(seed, source.path(), None);
            let mut world = scenario.open().await;
            for _ in 0..OPERATIONS {
                world = scenario.step(world).await;
            }
            world.close().await;
            copy(source.path(), folder.path());
            scenario.book()
        });
        let mut this = Self { folder, truth: String::new(), book };
        match this.look(|_| {}) {
            Outcome::Served(truth) => this.truth = truth,
            Outcome::Reported(what) => panic!("nothing is damaged yet: {what}"),
        }
        this
    }

    fn content(&self, file: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(file)).unwrap()
    }

    /// Damages a copy of the files and looks at it as clients and operators do.
    fn look(&self, damage: impl FnOnce(&Path)) -> Outcome {
        let folder = tempfile::tempdir().unwrap();
        copy(self.folder.path(), folder.path());
        damage(folder.path());
        blocking(async {
            let world = match World::open(folder.path(), None, &ManualClock::default()).await {
                Ok(world) => world,
                Err(StoreError::Inconsistent(what)) => {
                    // It names the file and says what to do.
                    assert!(what.contains(".db") && what.contains("backup"), "{what}");
                    return Outcome::Reported(what);
                }
                Err(other) => panic!("damage is not something to wait out: {other}"),
            };
            let served = served(&world, &self.book).await;
            world.close().await;
            match (served, check::audited(folder.path()).await) {
                (Err(what), _) => Outcome::Reported(what),
                (Ok(_), Err(error)) => Outcome::Reported(format!("audit: {error:#}")),
                (Ok(_), Ok((false, said))) => Outcome::Reported(format!("audit: {said}")),
                (Ok(served), Ok((true, _))) => Outcome::Served(served),
            }
        })
    }

    fn damaged(&self, file: &str, damage: Damage) -> Outcome {
        self.look(|folder| {
            let path = folder.join(file);
            let mut content = fs::read(&path).unwrap();
            damage.apply(&mut content);
            fs::write(&path, content).unwrap();
        })
    }

    /// It is reported, or nobody is told anything else than the truth. Says whether it was reported.
    fn never_silent(&self, file: &str, damage: Damage) -> bool {
        match self.damaged(file, damage) {
            Outcome::Reported(_) => true,
            Outcome::Served(served) => {
                assert!(served == self.truth, "{file}, {damage:?}: served as if it were the truth");
                false
            }
        }
    }

    /// Damages both databases at random places. Gives how often it was reported, and how often not because nothing that is
    /// read was hit.
    pub(crate) fn hurt_databases(&self, seed: u64, times: usize) -> (usize, usize) {
        let mut dice = Dice::seeded(seed);
        let mut reported = 0;
        for n in 0..times {
            let file = [ORDERS_DB, PRODUCTS_DB][n % 2];
            let size = self.content(file).len();
            let mut place = |below: usize| usize::try_from(dice.roll(below as u64)).unwrap();
            let damage = match n % 7 {
                0 => Damage::Zero(place(size / PAGE) * PAGE, PAGE),
                1 => Damage::Zero(place(size / 512) * 512, 512),
                2 => Damage::Misplaced(place(size / PAGE) * PAGE, place(size / PAGE) * PAGE),
                3 => Damage::CutOff(place(size)),
                _ => Damage::Bit(place(size), u8::try_from(place(8)).unwrap()),
            };
            reported += usize::from(self.never_silent(file, damage));
        }
        (reported, times - reported)
    }

    /// A bit that turns in an address, wherever one is stored: `022 Test St` is nobody's.
    pub(crate) fn an_address_that_turns_is_reported(&self) {
        let content = self.content(ORDERS_DB);
        let street = b"123 Test St";
        let places = content.windows(street.len()).enumerate().filter(|(_, window)| window == street);
        let mut answered = 0;
        for (at, _) in places.step_by(5).take(40) {
            match self.damaged(ORDERS_DB, Damage::Bit(at, 0)) {
                Outcome::Reported(what) => answered += usize::from(what.contains("\"INTERNAL\"")),
                Outcome::Served(served) => assert!(served == self.truth, "served as if it were the truth"),
            }
        }
        assert!(answered > 0, "a call that needs a damaged page is a 500");
    }
}

fn copy(from: &Path, to: &Path) {
    for file in [ORDERS_DB, PRODUCTS_DB] {
        for suffix in ["", "-wal"] {
            let name = PathBuf::from(format!("{file}{suffix}"));
            if from.join(&name).exists() {
                fs::copy(from.join(&name), to.join(&name)).unwrap();
            }
        }
    }
}

/// Everything that clients can see; an error if any of it is not answered.
async fn served(world: &World, book: &Book) -> Result<String, String> {
    let mut all = String::new();
    let mut paths = vec![(true, "/api/v1/orders?limit=200".to_owned())];
    paths.extend(book.orders.keys().map(|id| (true, format!("/api/v1/orders/{id}/timeline"))));
    for product in &book.products {
        for part in ["", "/holds?limit=200", "/movements?limit=200"] {
            paths.push((false, format!("/api/v1/products/{}{part}", product.id)));
        }
    }
    for (of_orders, path) in paths {
        let client = if of_orders { &world.orders } else { &world.products };
        let response = client.get(&path).send().await;
        if response.status.as_u16() >= 500 {
            return Err(format!("{path}: {} {}", response.status, response.text()));
        }
        all.push_str(&format!("{path}: {} {}\n", response.status, response.text()));
    }
    Ok(all)
}
