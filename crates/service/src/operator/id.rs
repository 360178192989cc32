//! Names of dead letters, unambiguous across services.

use std::fmt;
use std::str::FromStr;

use holdfast_storage::ParkedId;
use thiserror::Error;

/// A dead letter's name: the service that parked it and the number in its database, as in `orders-12`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeadLetterId {
    /// The service.
    pub service: String,
    /// Which of its parked messages.
    pub id: ParkedId,
}

/// The text is no dead letter's name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("must be a service and a number, such as orders-12")]
pub struct InvalidDeadLetterId;

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.service, self.id.0)
    }
}

impl FromStr for DeadLetterId {
    type Err = InvalidDeadLetterId;

    fn from_str(text: &str) -> Result<Self, InvalidDeadLetterId> {
        let (service, number) = text.rsplit_once('-').ok_or(InvalidDeadLetterId)?;
        let named = !service.is_empty() && service.bytes().all(|b| b.is_ascii_lowercase());
        let plain =
            !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
        match number.parse() {
            Ok(number) if named && plain => Ok(Self { service: service.to_owned(), id: ParkedId(number) }),
            _ => Err(InvalidDeadLetterId),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_or_refused() {
        let id = DeadLetterId { service: "orders".to_owned(), id: ParkedId(12) };
        assert_eq!(id.to_string(), "orders-12");
        assert_eq!("orders-12".parse(), Ok(id));
        for wrong in [
            "",
            "12",
            "orders",
            "orders-",
            "-12",
            "orders--1",
            "orders-01",
            "Orders-1",
            "orders-1x",
            "orders-+1",
        ] {
            assert_eq!(wrong.parse::<DeadLetterId>(), Err(InvalidDeadLetterId), "{wrong}");
        }
    }
}
