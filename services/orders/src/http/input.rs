//! Parts of requests that more than one endpoint reads.

use std::fmt;

use holdfast_contract::{Currency, Decimal, Key, Money, OrderId, OrderNumber, OrderStatus, PaymentMethod};
use holdfast_service::http::{ApiError, JsonObject};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use crate::domain::Metadata;

/// An order as paths name it: its `_id` or its `orderNumber`. Both say which order it is without a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OrderRef(pub(super) OrderId);

impl OrderRef {
    /// What a well-formed `_id` that was never given out stands for: no order has this id.
    pub(super) fn nobody() -> Self {
        Self(OrderId::new(Key::compose(0, 0, 0)))
    }
}

/// What a path must say; see [`OrderRef`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an order's _id (24 hexadecimal digits) or orderNumber (ORD-…)")]
pub(super) struct NotAnOrder;

impl std::str::FromStr for OrderRef {
    type Err = NotAnOrder;

    fn from_str(text: &str) -> Result<Self, NotAnOrder> {
        text.parse::<OrderId>().or_else(|_| text.parse::<OrderNumber>().map(OrderId::from)).map(Self).or_else(
            |_| {
                // Only some of all object ids can be an order's. To the client the others are as well-formed as those,
                // and there is no order with them.
                let object_id = text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit());
                object_id.then(Self::nobody).ok_or(NotAnOrder)
            },
        )
    }
}

/// A status by its number (`5`) or its name (`"cancelled"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatusInput(pub(super) OrderStatus);

const A_STATUS: &str = "a status: 1 to 5, or pending, processing, shipped, delivered, cancelled";

impl<'de> Deserialize<'de> for StatusInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Status;
        impl Visitor<'_> for Status {
            type Value = StatusInput;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(A_STATUS)
            }
            fn visit_u64<E: Error>(self, code: u64) -> Result<StatusInput, E> {
                OrderStatus::from_code(code)
                    .map(StatusInput)
                    .ok_or_else(|| E::custom(format_args!("must be {A_STATUS}, got {code}")))
            }
            fn visit_i64<E: Error>(self, code: i64) -> Result<StatusInput, E> {
                u64::try_from(code)
                    .map_err(|_| E::custom(format_args!("must be {A_STATUS}, got {code}")))
                    .and_then(|code| self.visit_u64(code))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<StatusInput, E> {
                Err(E::custom(format_args!("must be a whole number from 1 to 5, or a name, got {number:?}")))
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<StatusInput, E> {
                OrderStatus::from_name(name)
                    .map(StatusInput)
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(name), &self))
            }
        }
        deserializer.deserialize_any(Status)
    }
}

/// As [`StatusInput`], for query strings, where numbers are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatusParameter(pub(super) OrderStatus);

impl<'de> Deserialize<'de> for StatusParameter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let status = match text.parse() {
            Ok(code) => OrderStatus::from_code(code),
            Err(_) => OrderStatus::from_name(&text),
        };
        status.map(Self).ok_or_else(|| D::Error::custom(format_args!("must be {A_STATUS}")))
    }
}

/// A payment method by its name, or by its code as a number or as text (`1` to `7`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PaymentMethodInput(pub(super) PaymentMethod);

const A_METHOD: &str = "a payment method: credit_card, debit_card, upi, net_banking, wallet, cash_on_delivery, stripe, or 1 to 7";

impl<'de> Deserialize<'de> for PaymentMethodInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Method;
        impl Visitor<'_> for Method {
            type Value = PaymentMethodInput;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(A_METHOD)
            }
            fn visit_u64<E: Error>(self, code: u64) -> Result<PaymentMethodInput, E> {
                PaymentMethod::from_code(code)
                    .map(PaymentMethodInput)
                    .ok_or_else(|| E::custom(format_args!("must be {A_METHOD}, got {code}")))
            }
            fn visit_i64<E: Error>(self, code: i64) -> Result<PaymentMethodInput, E> {
                u64::try_from(code)
                    .map_err(|_| E::custom(format_args!("must be {A_METHOD}, got {code}")))
                    .and_then(|code| self.visit_u64(code))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<PaymentMethodInput, E> {
                Err(E::custom(format_args!("must be a whole number from 1 to 7, or a name, got {number:?}")))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<PaymentMethodInput, E> {
                PaymentMethod::from_word(text)
                    .or_else(|| PaymentMethod::from_code(text.parse().ok()?))
                    .map(PaymentMethodInput)
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Method)
    }
}

/// An amount in the service's currency, or what is wrong with it, noted in `problems` under `field`.
pub(super) fn amount(
    field: impl FnOnce() -> String,
    amount: Decimal,
    currency: Currency,
    problems: &mut Problems,
) -> Option<Money> {
    Money::from_decimal(amount, currency).map_err(|e| problems.add(field(), e.to_string())).ok()
}

/// Metadata, or what is wrong with it, noted in `problems`.
pub(super) fn metadata(object: &JsonObject, problems: &mut Problems) -> Option<Metadata> {
    Metadata::parse(object.as_str()).map_err(|e| problems.add("metadata".to_owned(), e.to_string())).ok()
}

/// What is wrong with a request, field by field; nothing is allocated while nothing is.
#[derive(Debug, Default)]
pub(super) struct Problems(Option<ApiError>);

impl Problems {
    pub(super) fn add(&mut self, field: String, problem: String) {
        self.0 = Some(match self.0.take() {
            None => ApiError::invalid(field, problem),
            Some(error) => error.field(field, problem),
        });
    }

    /// The value, if it was made and nothing is wrong.
    pub(super) fn or<T>(self, value: Option<T>) -> Result<T, ApiError> {
        match (self.0, value) {
            (Some(error), _) => Err(error),
            (None, Some(value)) => Ok(value),
            (None, None) => Err(ApiError::internal("a request was refused without a reason")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_str, json};

    use super::*;

    #[test]
    fn statuses_are_numbers_or_names() {
        for good in ["5", "\"cancelled\"", "\"CANCELLED\""] {
            assert_eq!(from_str::<StatusInput>(good).unwrap().0, OrderStatus::Cancelled, "{good}");
        }
        for bad in
            ["0", "6", "-1", "\"x\"", "\"5\"", "\"\"", "null", "1.5", "5.0", "true", "[]", "{}", "1e400"]
        {
            assert!(from_str::<StatusInput>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn payment_methods_are_names_or_codes() {
        for good in [json!("upi"), json!(3), json!("3")] {
            assert_eq!(serde_json::from_value::<PaymentMethodInput>(good).unwrap().0, PaymentMethod::Upi);
        }
        for bad in
            [json!("UPI"), json!(0), json!(8), json!("8"), json!("0"), json!(-1), json!(1.0), json!(null)]
        {
            assert!(serde_json::from_value::<PaymentMethodInput>(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_order_has_two_names() {
        let id = OrderId::new(holdfast_contract::Key::compose(1_763_600_000_000, 1, 2));
        let number = OrderNumber::from(id).to_string();
        for name in [id.to_string(), number.to_lowercase(), number] {
            assert_eq!(name.parse::<OrderRef>().unwrap().0, id);
        }
        for bad in ["", "1", "ORD-", "ORD-1", "' OR 1=1 --", "\0", "507f1f77bcf86cd79943901g"] {
            assert!(bad.parse::<OrderRef>().is_err());
        }
    }

    #[test]
    fn an_object_id_of_something_else_is_well_formed_and_nobody_s() {
        for foreign in ["507f1f77bcf86cd799439011", "650000000000000000000001", "FFFFFFFFFFFFFFFFFFFFFFFF"] {
            assert!(foreign.parse::<OrderId>().is_err());
            assert_eq!(foreign.parse::<OrderRef>().unwrap(), OrderRef::nobody());
        }
    }
}
