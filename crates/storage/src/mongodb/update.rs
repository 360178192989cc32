//! Several updates by one command.

use mongodb::ClientSession;
use mongodb::bson::{RawArrayBuf, RawDocumentBuf, rawdoc};
use mongodb::error::Error;

use super::Mongo;

/// Statements of one command.
const STATEMENTS: usize = 10_000;
/// Their size in bytes, well below what a command may have.
const BYTES: usize = 8 << 20;

impl Mongo {
    /// As part of a transaction: updates, each `{ q, u }` with `upsert` if it may insert, in this order, by as few commands
    /// as possible. Says how many of them found (or inserted) their document.
    ///
    /// # Errors
    /// The driver's.
    pub async fn update_each(
        &self,
        session: &mut ClientSession,
        collection: &str,
        statements: &[RawDocumentBuf],
    ) -> Result<usize, Error> {
        let (mut found, mut bytes) = (0, 0);
        let (mut some, mut count) = (RawArrayBuf::new(), 0);
        for statement in statements {
            let size = statement.as_bytes().len();
            if count == STATEMENTS || (count > 0 && bytes + size > BYTES) {
                found += self.update_some(session, collection, std::mem::take(&mut some)).await?;
                (count, bytes) = (0, 0);
            }
            some.push(statement);
            count += 1;
            bytes += size;
        }
        if count > 0 {
            found += self.update_some(session, collection, some).await?;
        }
        Ok(found)
    }

    async fn update_some(
        &self,
        session: &mut ClientSession,
        collection: &str,
        statements: RawArrayBuf,
    ) -> Result<usize, Error> {
        let command = rawdoc! { "update": collection, "updates": statements };
        let answer = self.database.run_raw_command(command).session(session).await?;
        if let Some(fault) = answer.get("writeErrors") {
            return Err(Error::custom(format!("an update failed: {fault}")));
        }
        let found = answer.get_i32("n").map_err(|error| Error::custom(error.to_string()))?;
        Ok(usize::try_from(found).unwrap_or(0))
    }
}
