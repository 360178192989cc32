//! Takes documents apart.

use holdfast_contract::{ProductId, Timestamp};
use holdfast_storage::StoreError;
use mongodb::bson::{RawArray, RawBsonRef, RawDocument};

use crate::store::stored::inconsistent;

/// The fields of a document that was stored; one that is not what it must be is inconsistent.
#[derive(Clone, Copy)]
pub(super) struct Fields<'d>(pub(super) &'d RawDocument);

impl<'d> Fields<'d> {
    fn if_there<T>(
        self,
        name: &str,
        read: impl FnOnce(RawBsonRef<'d>) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        match self.0.get(name).map_err(|e| inconsistent(name, e))? {
            None | Some(RawBsonRef::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| inconsistent(name, "is of another type")),
        }
    }

    fn there<T>(self, name: &str, read: impl FnOnce(RawBsonRef<'d>) -> Option<T>) -> Result<T, StoreError> {
        self.if_there(name, read)?.ok_or_else(|| inconsistent(name, "is missing"))
    }

    /// A number in its range.
    pub(super) fn number<N: TryFrom<i64>>(self, name: &str) -> Result<N, StoreError> {
        self.number_if_there(name)?.ok_or_else(|| inconsistent(name, "is missing"))
    }

    pub(super) fn number_if_there<N: TryFrom<i64>>(self, name: &str) -> Result<Option<N>, StoreError> {
        let number = self.if_there(name, |value| value.as_i64())?;
        number
            .map(|number| N::try_from(number).map_err(|_| inconsistent(name, "is out of its range")))
            .transpose()
    }

    pub(super) fn text(self, name: &str) -> Result<&'d str, StoreError> {
        self.there(name, |value| value.as_str())
    }

    pub(super) fn text_if_there(self, name: &str) -> Result<Option<&'d str>, StoreError> {
        self.if_there(name, |value| value.as_str())
    }

    pub(super) fn flag(self, name: &str) -> Result<bool, StoreError> {
        self.there(name, |value| value.as_bool())
    }

    pub(super) fn date(self, name: &str) -> Result<Timestamp, StoreError> {
        let at = self.there(name, |value| value.as_datetime())?;
        Ok(Timestamp::from_millis(at.timestamp_millis()))
    }

    pub(super) fn bytes(self, name: &str) -> Result<&'d [u8], StoreError> {
        self.bytes_if_there(name)?.ok_or_else(|| inconsistent(name, "is missing"))
    }

    pub(super) fn bytes_if_there(self, name: &str) -> Result<Option<&'d [u8]>, StoreError> {
        self.if_there(name, |value| match value {
            RawBsonRef::Binary(binary) => Some(binary.bytes),
            _ => None,
        })
    }

    pub(super) fn product(self, name: &str) -> Result<ProductId, StoreError> {
        let id = self.there(name, |value| value.as_object_id())?;
        Ok(ProductId::from_bytes(id.bytes()))
    }

    pub(super) fn array(self, name: &str) -> Result<&'d RawArray, StoreError> {
        self.there(name, |value| value.as_array())
    }

    pub(super) fn within(self, name: &str) -> Result<Fields<'d>, StoreError> {
        self.there(name, |value| value.as_document()).map(Fields)
    }
}
