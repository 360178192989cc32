//! Commands that MongoDB refuses, delays or hangs up on, on request (`configureFailPoint: "failCommand"`).

use std::time::Duration;

use mongodb::bson::{Bson, Document, doc};

/// What happens to which commands. Without [`Self::error`], [`Self::write_concern_error`], [`Self::close_connection`] or
/// [`Self::block`] nothing does.
#[derive(Clone, Debug)]
#[must_use]
pub struct Fault {
    mode: Bson,
    data: Document,
}

impl Fault {
    /// Every one of `commands` (as `insert`, `commitTransaction`) from now on, until healed.
    pub fn on(commands: &[&str]) -> Self {
        Self { mode: Bson::from("alwaysOn"), data: doc! { "failCommands": commands.to_vec() } }
    }

    /// Only the next `times` of them, on each node.
    pub fn times(mut self, times: u32) -> Self {
        self.mode = Bson::from(doc! { "times": i64::from(times) });
        self
    }

    /// All but the next `skip` of them, on each node, until healed.
    pub fn after(mut self, skip: u32) -> Self {
        self.mode = Bson::from(doc! { "skip": i64::from(skip) });
        self
    }

    /// They are refused with this error code, and do nothing.
    pub fn error(self, code: i32) -> Self {
        self.with("errorCode", code)
    }

    /// They are carried out, and answered with this error code for the write concern.
    pub fn write_concern_error(self, code: i32) -> Self {
        self.with("writeConcernError", doc! { "code": code, "errmsg": "as the test wants it" })
    }

    /// Their connection is closed, and they do nothing.
    pub fn close_connection(self) -> Self {
        self.with("closeConnection", true)
    }

    /// They wait for so long before they go on.
    pub fn block(self, time: Duration) -> Self {
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.with("blockConnection", true).with("blockTimeMS", millis)
    }

    /// Labels of the error, as `TransientTransactionError`.
    pub fn labels(self, labels: &[&str]) -> Self {
        self.with("errorLabels", labels.to_vec())
    }

    /// Only commands of the client that calls itself `name` (`appName` in its connection string).
    pub fn app_name(self, name: &str) -> Self {
        self.with("appName", name)
    }

    fn with(mut self, name: &str, value: impl Into<Bson>) -> Self {
        self.data.insert(name, value);
        self
    }

    /// The command that makes it happen.
    pub(crate) fn command(&self) -> Document {
        doc! { "configureFailPoint": "failCommand", "mode": self.mode.clone(), "data": self.data.clone() }
    }

    /// The command that makes it stop.
    pub(crate) fn heal() -> Document {
        doc! { "configureFailPoint": "failCommand", "mode": "off" }
    }
}
