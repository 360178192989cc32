//! Stores in memory, behind the same traits and suites as SQLite and MongoDB.
