//! Migrations, and the tables that every service's database has.

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::StoreError;

/// The migrations of one component, oldest first. Released ones are never changed: append.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    /// Whose tables they are.
    pub component: &'static str,
    /// SQL of version 1, 2, ….
    pub steps: &'static [&'static str],
}

/// Journal, positions, parked messages.
pub(crate) const STORAGE: Migrations = Migrations {
    component: "storage",
    steps: &[
        "
        -- One row; partitions are fixed when the journal is made, because a key's partition must not change.
        CREATE TABLE journal_identity (
            incarnation INTEGER NOT NULL,
            partitions INTEGER NOT NULL,
            -- Records up to here were forgotten: `seq` goes on after it even if none is left.
            trimmed INTEGER NOT NULL DEFAULT 0
        ) STRICT;

        -- Rows are appended in the order of `seq`, so no other index is kept; `journal_index` finds offsets.
        CREATE TABLE journal (
            seq INTEGER PRIMARY KEY,
            topic INTEGER NOT NULL,
            partition INTEGER NOT NULL,
            offset INTEGER NOT NULL,
            at INTEGER NOT NULL,
            key BLOB NOT NULL,
            payload BLOB NOT NULL,
            traceparent BLOB
        ) STRICT;

        CREATE TABLE journal_heads (
            topic INTEGER NOT NULL,
            partition INTEGER NOT NULL,
            start_offset INTEGER NOT NULL,
            end_offset INTEGER NOT NULL,
            PRIMARY KEY (topic, partition)
        ) STRICT, WITHOUT ROWID;

        -- Sparse: enough entries that a scan from the nearest one is short.
        CREATE TABLE journal_index (
            topic INTEGER NOT NULL,
            partition INTEGER NOT NULL,
            offset INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            PRIMARY KEY (topic, partition, offset)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE consumed (
            consumer_group TEXT NOT NULL,
            topic INTEGER NOT NULL,
            partition INTEGER NOT NULL,
            incarnation INTEGER NOT NULL,
            next_offset INTEGER NOT NULL,
            PRIMARY KEY (consumer_group, topic, partition)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE parked (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            consumer_group TEXT NOT NULL,
            topic INTEGER NOT NULL,
            partition INTEGER NOT NULL,
            offset INTEGER NOT NULL,
            at INTEGER NOT NULL,
            key BLOB NOT NULL,
            payload BLOB NOT NULL,
            traceparent BLOB,
            order_key BLOB,
            poison TEXT,
            parked_at INTEGER NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0
        ) STRICT;
    ",
        "
        -- Whether a message waits for another is asked in every commit that parks one behind it.
        CREATE INDEX parked_orders ON parked (consumer_group, topic, order_key, id);
    ",
    ],
};

/// Brings the database to the newest version of each component, each step in a transaction of its own.
pub(crate) fn migrate(connection: &mut Connection, components: &[Migrations]) -> Result<(), StoreError> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_versions (component TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT;",
    )?;
    for migrations in components {
        for (version, step) in missing(connection, migrations)? {
            let transaction = connection.transaction()?;
            apply(&transaction, migrations.component, version, step)?;
            transaction.commit()?;
        }
    }
    Ok(())
}

/// Brings one more component of an open database to its newest version, as part of the caller's transaction.
pub(super) fn migrate_within(connection: &Connection, migrations: &Migrations) -> Result<(), StoreError> {
    for (version, step) in missing(connection, migrations)? {
        apply(connection, migrations.component, version, step)?;
    }
    Ok(())
}

/// The steps that the database has not seen, with their versions.
fn missing(
    connection: &Connection,
    migrations: &Migrations,
) -> Result<impl Iterator<Item = (u32, &'static str)> + use<>, StoreError> {
    let found: u32 = connection
        .query_row(
            "SELECT version FROM schema_versions WHERE component = ?1",
            [migrations.component],
            |row| row.get(0),
        )
        .optional()?
        .unwrap_or(0);
    let known = u32::try_from(migrations.steps.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreError::NewerSchema { component: migrations.component.to_owned(), found, known });
    }
    Ok((1u32..).zip(migrations.steps.iter().copied()).skip(found as usize))
}

fn apply(connection: &Connection, component: &str, version: u32, step: &str) -> Result<(), StoreError> {
    connection.execute_batch(step)?;
    connection.execute(
        "INSERT INTO schema_versions (component, version) VALUES (?1, ?2)
         ON CONFLICT (component) DO UPDATE SET version = excluded.version",
        params![component, version],
    )?;
    Ok(())
}
