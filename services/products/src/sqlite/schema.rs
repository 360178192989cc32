//! The tables of the Products service.

use holdfast_storage::sqlite::Migrations;

/// Released steps are never changed: append.
pub const PRODUCTS: Migrations = Migrations {
    component: "products",
    steps: &["
        CREATE TABLE products (
            number INTEGER PRIMARY KEY,
            id BLOB NOT NULL UNIQUE,
            name TEXT NOT NULL,
            description TEXT NOT NULL,
            price INTEGER NOT NULL,
            currency TEXT NOT NULL,
            category TEXT COLLATE NOCASE,
            sku TEXT,
            brand TEXT,
            tags TEXT NOT NULL,
            image_url TEXT,
            rating INTEGER,
            review_count INTEGER NOT NULL,
            is_active INTEGER NOT NULL,
            hidden INTEGER NOT NULL DEFAULT 0,
            created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL
        ) STRICT;
        -- The SKU of a deleted product is free again.
        CREATE UNIQUE INDEX products_by_sku ON products (sku) WHERE sku IS NOT NULL AND hidden = 0;
        CREATE INDEX products_by_name ON products (name COLLATE NOCASE, id) WHERE hidden = 0;
        CREATE INDEX products_by_price ON products (price, id) WHERE hidden = 0;
        CREATE INDEX products_by_rating ON products (rating, id) WHERE hidden = 0;
        CREATE INDEX products_by_age ON products (created_at, id) WHERE hidden = 0;
        CREATE INDEX products_by_category ON products (category, name COLLATE NOCASE, id) WHERE hidden = 0;

        CREATE VIRTUAL TABLE product_words USING fts5 (
            name, words, tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
        );

        -- Apart from the product, so that a hot row is a short row.
        CREATE TABLE stock (
            product BLOB PRIMARY KEY,
            on_hand INTEGER NOT NULL,
            reserved INTEGER NOT NULL CHECK (reserved >= 0 AND reserved <= on_hand),
            available INTEGER NOT NULL CHECK (available = on_hand - reserved),
            version INTEGER NOT NULL,
            last_movement INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX stock_by_available ON stock (available, product);

        -- The ledger. Appended in the order of ids; a product's own movements are chained by `previous`, from
        -- `stock.last_movement` on, so no other index is kept.
        CREATE TABLE movements (
            id INTEGER PRIMARY KEY,
            previous INTEGER,
            product BLOB NOT NULL,
            product_name TEXT NOT NULL,
            reservation INTEGER,
            http_order TEXT,
            line INTEGER,
            kind INTEGER NOT NULL,
            on_hand_delta INTEGER NOT NULL,
            reserved_delta INTEGER NOT NULL,
            hold INTEGER,
            on_hand INTEGER NOT NULL,
            reserved INTEGER NOT NULL,
            cause TEXT NOT NULL,
            at INTEGER NOT NULL
        ) STRICT;

        -- Open holds only; a hold has the number of the movement that opened it.
        CREATE TABLE holds (
            product BLOB NOT NULL,
            id INTEGER NOT NULL,
            reservation INTEGER,
            http_order TEXT,
            line INTEGER NOT NULL,
            quantity INTEGER NOT NULL,
            consumed INTEGER NOT NULL,
            at INTEGER NOT NULL,
            PRIMARY KEY (product, id)
        ) STRICT, WITHOUT ROWID;

        -- One decision for each reservation, for ever. Its answer's movements are `movements` rows in a row.
        CREATE TABLE reservations (
            id INTEGER PRIMARY KEY,
            number INTEGER NOT NULL,
            at INTEGER NOT NULL,
            state INTEGER NOT NULL,
            first_movement INTEGER,
            movements INTEGER NOT NULL,
            detail TEXT
        ) STRICT;

        CREATE TABLE http_reservations (
            http_order TEXT NOT NULL,
            product BLOB NOT NULL,
            state INTEGER NOT NULL,
            quantity INTEGER,
            hold INTEGER,
            new_stock INTEGER,
            at INTEGER NOT NULL,
            PRIMARY KEY (http_order, product)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX http_reservations_held ON http_reservations (http_order) WHERE state = 1;

        CREATE TABLE idempotency (
            scope BLOB PRIMARY KEY,
            fingerprint BLOB NOT NULL,
            status INTEGER NOT NULL,
            body BLOB NOT NULL,
            at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX idempotency_by_age ON idempotency (at);
    "],
};
