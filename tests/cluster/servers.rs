//! The servers: some that scenarios share, and some that they disturb in turns.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use holdfast_servers::{Kafka, Mongo, ServerError, or_skip, shared};

/// Waits for a call of a server.
pub(crate) fn wait<F: Future>(call: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(call)
}

/// Waits for a call of a server that must succeed.
pub(crate) fn done<T>(call: impl Future<Output = Result<T, ServerError>>) -> T {
    wait(call).unwrap()
}

/// The broker that nobody disturbs. `None`: the test is skipped.
pub(crate) fn kafka() -> Option<&'static Kafka> {
    wait(shared::kafka())
}

/// The replica set that nobody disturbs. `None`: the test is skipped.
pub(crate) fn mongo() -> Option<&'static Mongo> {
    wait(shared::mongo())
}

/// A server that is to be disturbed, whole again at the beginning of each turn.
pub(crate) struct Turn<T: 'static>(MutexGuard<'static, Option<T>>);

impl<T> std::ops::Deref for Turn<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().unwrap()
    }
}

impl<T> std::ops::DerefMut for Turn<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().unwrap()
    }
}

/// Two, so that two scenarios can disturb one each.
type Pool<T> = [Mutex<Option<T>>; 2];

fn turn<T>(pool: &'static Pool<T>) -> MutexGuard<'static, Option<T>> {
    let free = pool.iter().find_map(|server| match server.try_lock() {
        Ok(turn) => Some(turn),
        // What a scenario that failed has left is mended below.
        Err(TryLockError::Poisoned(left)) => Some(left.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    });
    free.unwrap_or_else(|| pool[0].lock().unwrap_or_else(PoisonError::into_inner))
}

/// A broker to disturb. `None`: the test is skipped.
pub(crate) fn kafka_to_disturb() -> Option<Turn<Kafka>> {
    static POOL: Pool<Kafka> = [const { Mutex::new(None) }; 2];
    let mut turn = turn(&POOL);
    match &mut *turn {
        None => *turn = Some(or_skip(wait(Kafka::start()))?),
        Some(kafka) if kafka.is_running() => done(kafka.resume()),
        Some(kafka) => done(kafka.restart()),
    }
    Some(Turn(turn))
}

/// A replica set to disturb. `None`: the test is skipped.
pub(crate) fn mongo_to_disturb() -> Option<Turn<Mongo>> {
    static POOL: Pool<Mongo> = [const { Mutex::new(None) }; 2];
    let mut turn = turn(&POOL);
    match &mut *turn {
        None => *turn = Some(or_skip(wait(Mongo::start()))?),
        Some(mongo) if mongo.is_running() => {
            done(mongo.resume());
            done(mongo.heal());
        }
        Some(mongo) => done(mongo.restart()),
    }
    Some(Turn(turn))
}
