//! The index follows behind: lists, search and "waits for Products", written in bulk beside the accepting path.

use std::sync::Arc;

use holdfast_bus::Keeps;
use holdfast_contract::{OrderId, OrderStatus};
use holdfast_storage::sqlite::WriteTx;
use holdfast_storage::{Seq, StoreError};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};
use rustc_hash::FxHashMap;

use super::SqliteOrders;
use super::overlay::{Entry, Indexed};
use crate::domain::{Order, awaits_products};
use crate::store::words;

/// Orders indexed by one write request: others' requests are not kept waiting for long.
const CHUNK: usize = 128;
/// Texts remembered with their numbers, of each kind.
const REMEMBERED: usize = 50_000;

/// Numbers of users and of product names that are durable.
#[derive(Default)]
pub(super) struct Numbers {
    users: FxHashMap<Arc<str>, i64>,
    names: FxHashMap<Arc<str>, i64>,
}

impl SqliteOrders {
    /// Indexes every order that had changed when it was called; says how many. Idempotent: it may stop anywhere and
    /// run again, also after a restart.
    ///
    /// # Errors
    /// If the store fails. Nothing is lost: lists go on showing everything.
    pub async fn flush_index(&self) -> Result<usize, StoreError> {
        let _one_at_a_time = self.flushing.lock().await;
        let mut snapshot = self.overlay.snapshot();
        if snapshot.entries.is_empty() && snapshot.newest <= self.done_with() {
            return Ok(0);
        }
        // Fresh keys next to each other.
        snapshot.entries.sort_unstable_by_key(|entry| entry.order.id);
        let count = snapshot.entries.len();
        let mut rest = snapshot.entries;
        let mut generation = snapshot.generation;
        loop {
            let later = rest.split_off(rest.len().min(CHUNK));
            let chunk = std::mem::replace(&mut rest, later);
            // Only once all of them are in are the records before the snapshot not needed any more.
            let watermark = rest.is_empty().then_some(snapshot.newest);
            generation += 1;
            self.flush_chunk(chunk, watermark, generation).await?;
            if rest.is_empty() {
                return Ok(count);
            }
        }
    }

    async fn flush_chunk(
        &self,
        chunk: Vec<Entry>,
        watermark: Option<Seq>,
        generation: u64,
    ) -> Result<(), StoreError> {
        let overlay = self.overlay.clone();
        let numbers = self.numbers.clone();
        let done = self.watermark.clone();
        self.database
            .write(move |tx| {
                let mut indexer =
                    Indexer { connection: tx.connection(), numbers: &numbers, fresh: Numbers::default() };
                for entry in &chunk {
                    indexer.index(entry)?;
                }
                let fresh = indexer.fresh;
                save_state(tx, watermark, generation)?;
                tx.after_commit(move || {
                    numbers.lock().learn(fresh);
                    overlay.flushed(&chunk, generation);
                    if let Some(Seq(watermark)) = watermark {
                        done.store(watermark, std::sync::atomic::Ordering::Release);
                    }
                });
                Ok::<_, StoreError>(())
            })
            .await
    }
}

impl Keeps for SqliteOrders {
    /// Records after the watermark say which orders are not indexed yet, should the process die.
    fn done_with(&self) -> Seq {
        Seq(self.watermark.load(std::sync::atomic::Ordering::Acquire))
    }
}

fn save_state(tx: &WriteTx<'_>, watermark: Option<Seq>, generation: u64) -> Result<(), StoreError> {
    tx.connection()
        .prepare_cached("UPDATE index_state SET watermark = coalesce(?1, watermark), generation = ?2")?
        .execute(params![watermark.map(|seq| seq.0), generation])?;
    Ok(())
}

/// The watermark and the generation of the index.
pub(super) fn read_state(connection: &Connection) -> Result<(Seq, u64), StoreError> {
    Ok(connection
        .prepare_cached("SELECT watermark, generation FROM index_state")?
        .query_row([], |row| Ok((Seq(row.get(0)?), row.get(1)?)))?)
}

impl Numbers {
    fn learn(&mut self, fresh: Self) {
        for (known, new) in [(&mut self.users, fresh.users), (&mut self.names, fresh.names)] {
            if known.len() + new.len() > REMEMBERED {
                known.clear();
            }
            known.extend(new);
        }
    }
}

struct Indexer<'c> {
    connection: &'c Connection,
    numbers: &'c Mutex<Numbers>,
    /// Found or given out in the open transaction: not to be believed if it fails.
    fresh: Numbers,
}

impl Indexer<'_> {
    fn index(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let Entry { order, indexed } = entry;
        let id = order.id.key().as_i64();
        let now = Indexed::now(order);
        if *indexed != now {
            let user = self.user(order)?;
            match indexed {
                Indexed::Not | Indexed::Hidden => {}
                Indexed::As(status) => self.unlist(order, *status, user)?,
                Indexed::Unknown => {
                    for status in OrderStatus::ALL {
                        self.unlist(order, status, user)?;
                    }
                }
            }
            if let Indexed::As(status) = now {
                self.list(order, status, user)?;
            }
            if *indexed != Indexed::Not || !order.hidden {
                self.post(order, user)?;
            }
        }
        if awaits_products(order) {
            self.run("INSERT OR IGNORE INTO waiting (id) VALUES (?1)", [id])?;
        } else if *indexed != Indexed::Not {
            self.run("DELETE FROM waiting WHERE id = ?1", [id])?;
        }
        Ok(())
    }

    fn run(&self, sql: &str, params: impl rusqlite::Params) -> Result<(), StoreError> {
        self.connection.prepare_cached(sql)?.execute(params)?;
        Ok(())
    }

    fn list(&self, order: &Order, status: OrderStatus, user: i64) -> Result<(), StoreError> {
        let (id, amount) = (order.id.key().as_i64(), order.total.minor());
        for scope in [super::EVERYBODY, user] {
            self.run(
                "INSERT OR IGNORE INTO by_date (scope, status, id, amount) VALUES (?1, ?2, ?3, ?4)",
                params![scope, status.code(), id, amount],
            )?;
            self.run(
                "INSERT OR IGNORE INTO by_amount (scope, status, amount, id) VALUES (?1, ?2, ?3, ?4)",
                params![scope, status.code(), amount, id],
            )?;
        }
        Ok(())
    }

    fn unlist(&self, order: &Order, status: OrderStatus, user: i64) -> Result<(), StoreError> {
        let (id, amount) = (order.id.key().as_i64(), order.total.minor());
        for scope in [super::EVERYBODY, user] {
            self.run(
                "DELETE FROM by_date WHERE scope = ?1 AND status = ?2 AND id = ?3",
                params![scope, status.code(), id],
            )?;
            self.run(
                "DELETE FROM by_amount WHERE scope = ?1 AND status = ?2 AND amount = ?3 AND id = ?4",
                params![scope, status.code(), amount, id],
            )?;
        }
        Ok(())
    }

    fn post(&mut self, order: &Order, user: i64) -> Result<(), StoreError> {
        let id = order.id.key().as_i64();
        let mut names = Vec::with_capacity(order.items.len());
        for item in order.items.iter() {
            let name = self.name(item.product_name.as_str())?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        for name in names {
            if order.hidden {
                self.run("DELETE FROM postings WHERE name_no = ?1 AND id = ?2", params![name, id])?;
            } else {
                self.run(
                    "INSERT INTO postings (name_no, id, status, user_no, amount) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT DO UPDATE SET status = excluded.status",
                    params![name, id, order.status().code(), user, order.total.minor()],
                )?;
            }
        }
        Ok(())
    }

    fn user(&mut self, order: &Order) -> Result<i64, StoreError> {
        let user = order.user_id.as_str();
        let known =
            self.fresh.users.get(user).copied().or_else(|| self.numbers.lock().users.get(user).copied());
        if let Some(number) = known {
            return Ok(number);
        }
        let number = match user_no(self.connection, user)? {
            Some(number) => number,
            None => {
                self.run("INSERT INTO users (user_id) VALUES (?1)", [user])?;
                self.connection.last_insert_rowid()
            }
        };
        self.fresh.users.insert(user.into(), number);
        Ok(number)
    }

    fn name(&mut self, name: &str) -> Result<i64, StoreError> {
        let known =
            self.fresh.names.get(name).copied().or_else(|| self.numbers.lock().names.get(name).copied());
        if let Some(number) = known {
            return Ok(number);
        }
        let found: Option<i64> = self
            .connection
            .prepare_cached("SELECT name_no FROM names WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        let number = match found {
            Some(number) => number,
            None => {
                self.run("INSERT INTO names (name) VALUES (?1)", [name])?;
                let number = self.connection.last_insert_rowid();
                for word in words(name) {
                    self.run("INSERT INTO words (word, name_no) VALUES (?1, ?2)", params![word, number])?;
                }
                number
            }
        };
        self.fresh.names.insert(name.into(), number);
        Ok(number)
    }
}

/// A user's number; `None` if no order of theirs is indexed.
pub(super) fn user_no(connection: &Connection, user: &str) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT user_no FROM users WHERE user_id = ?1")?
        .query_row([user], |row| row.get(0))
        .optional()?)
}

/// Whether the lists have the order with this status.
pub(super) fn is_listed(
    connection: &Connection,
    id: OrderId,
    status: OrderStatus,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM by_date WHERE scope = 0 AND status = ?1 AND id = ?2")?
        .exists(params![status.code(), id.key().as_i64()])?)
}
