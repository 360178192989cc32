//! Retention waits for the relay.

use holdfast_storage::Seq;
use holdfast_storage::sqlite::JournalOutbox;

use crate::Keeps;

impl Keeps for JournalOutbox {
    fn done_with(&self) -> Seq {
        self.published()
    }
}
