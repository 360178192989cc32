//! How to reach the database server.

use std::fmt;

use clap::Args;

/// MongoDB, and how to reach it.
#[derive(Args, Clone)]
#[command(next_help_heading = "MongoDB")]
pub struct MongoArgs {
    /// MongoDB connection string (a replica set). Not set: SQLite in DATA_DIR.
    #[arg(long, env = "MONGODB_URI", value_name = "URI", hide_env_values = true)]
    pub mongodb_uri: Option<String>,

    /// Database of the orders service.
    #[arg(
        long,
        env = "MONGODB_ORDERS_DB",
        default_value = "orders_db",
        value_name = "NAME",
        value_parser = database
    )]
    pub mongodb_orders_db: String,

    /// Database of the products service.
    #[arg(
        long,
        env = "MONGODB_PRODUCTS_DB",
        default_value = "products_db",
        value_name = "NAME",
        value_parser = database
    )]
    pub mongodb_products_db: String,
}

impl MongoArgs {
    /// The connection string, if configured: an empty `MONGODB_URI=` counts as not set.
    pub fn uri(&self) -> Option<&str> {
        super::given(self.mongodb_uri.as_deref())
    }
}

impl fmt::Debug for MongoArgs {
    /// Without the connection string: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoArgs")
            .field("mongodb_uri", &self.uri().map(|_| "(hidden)"))
            .field("mongodb_orders_db", &self.mongodb_orders_db)
            .field("mongodb_products_db", &self.mongodb_products_db)
            .finish()
    }
}

/// What MongoDB allows as the name of a database on every operating system.
fn database(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if (1..=63).contains(&text.len()) && text.chars().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 63 ASCII letters, digits, '_' or '-'".to_owned())
    }
}
