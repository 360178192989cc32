//! The tables of the Orders service.

use holdfast_storage::sqlite::Migrations;

/// Accepting an order writes one row of `orders` and nothing else of these; the index tables follow behind
/// ([`super::index`]).
pub const ORDERS: Migrations = Migrations {
    component: "orders",
    steps: &["
        CREATE TABLE orders (
            id INTEGER PRIMARY KEY,
            version INTEGER NOT NULL,
            body BLOB NOT NULL,
            history BLOB NOT NULL
        ) STRICT;

        -- Rows are appended in the order of time, so the oldest are at the start.
        CREATE TABLE idempotency (
            entry INTEGER PRIMARY KEY,
            scope BLOB NOT NULL UNIQUE,
            fingerprint BLOB NOT NULL,
            status INTEGER NOT NULL,
            body BLOB NOT NULL,
            at INTEGER NOT NULL
        ) STRICT;

        -- One row: journal records up to `watermark` are in the index; `generation` counts its changes.
        CREATE TABLE index_state (
            watermark INTEGER NOT NULL,
            generation INTEGER NOT NULL
        ) STRICT;
        INSERT INTO index_state (watermark, generation) VALUES (0, 0);

        CREATE TABLE users (
            user_no INTEGER PRIMARY KEY,
            user_id TEXT NOT NULL UNIQUE
        ) STRICT;

        -- Each order is twice in the next two: for everybody (scope 0) and for its user (scope user_no).
        CREATE TABLE by_date (
            scope INTEGER NOT NULL,
            status INTEGER NOT NULL,
            id INTEGER NOT NULL,
            amount INTEGER NOT NULL,
            PRIMARY KEY (scope, status, id)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE by_amount (
            scope INTEGER NOT NULL,
            status INTEGER NOT NULL,
            amount INTEGER NOT NULL,
            id INTEGER NOT NULL,
            PRIMARY KEY (scope, status, amount, id)
        ) STRICT, WITHOUT ROWID;

        -- Text search: words lead to distinct names, names to orders.
        CREATE TABLE names (
            name_no INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE
        ) STRICT;
        CREATE TABLE words (
            word TEXT NOT NULL,
            name_no INTEGER NOT NULL,
            PRIMARY KEY (word, name_no)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE postings (
            name_no INTEGER NOT NULL,
            id INTEGER NOT NULL,
            status INTEGER NOT NULL,
            user_no INTEGER NOT NULL,
            amount INTEGER NOT NULL,
            PRIMARY KEY (name_no, id)
        ) STRICT, WITHOUT ROWID;

        -- Orders that wait for Products.
        CREATE TABLE waiting (id INTEGER PRIMARY KEY) STRICT;
    "],
};
