//! What a client asks for when it connects.

use bytes::Bytes;
use holdfast_contract::{OrderId, OrderNumber, Topic};
use serde::Deserialize;

use super::frame::Frame;

/// Longest `seq` that is looked at: ours have under 200 characters.
const MAX_SEQ: usize = 1_024;
const MAX_USER_ID: usize = 512;

/// The wishes as they arrive: the query of `/ws`, or the `auth` object of Socket.IO. What else is in there (a token) is
/// not for this.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wishes {
    #[serde(default)]
    seq: Option<String>,
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    order_id: Option<String>,
    #[serde(default)]
    topics: Option<Topics>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Topics {
    List(Vec<String>),
    Text(String),
}

/// The wishes, understood.
#[derive(Debug, Default)]
pub(super) struct Ask {
    /// The last message that the client processed.
    pub(super) resume: Option<String>,
    pub(super) filter: Filter,
}

impl Wishes {
    /// Understands them, or says what is wrong.
    pub(super) fn understand(self) -> Result<Ask, String> {
        let order = match self.order_id.filter(|id| !id.is_empty()) {
            None => None,
            Some(text) => {
                let by_number = || text.parse::<OrderNumber>().ok().map(OrderId::from);
                let id = text.parse::<OrderId>().ok().or_else(by_number);
                let id = id.ok_or("orderId must be an order's _id or orderNumber")?;
                Some(Bytes::from(id.to_string()))
            }
        };
        let user = self.user_id.filter(|id| !id.is_empty());
        if user.as_ref().is_some_and(|id| id.len() > MAX_USER_ID) {
            return Err("userId is too long".to_owned());
        }
        let mut filter = Filter { orders: true, stock: true, order, user };
        let names: Option<Vec<String>> = self.topics.map(|topics| match topics {
            Topics::List(names) => names,
            Topics::Text(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
        });
        if let Some(names) = names {
            (filter.orders, filter.stock) = (false, false);
            for name in names.iter().filter(|name| !name.is_empty()) {
                match name.as_str() {
                    "orders" => filter.orders = true,
                    "stock" => filter.stock = true,
                    _ => return Err("topics must be orders, stock or both, separated by a comma".to_owned()),
                }
            }
            if !filter.orders && !filter.stock {
                return Err("topics must name at least one of orders and stock".to_owned());
            }
        }
        // A text that no `seq` can be is kept as an empty one: it is answered as any other that is not understood.
        let seq = self.seq.filter(|seq| !seq.is_empty());
        let resume =
            seq.map(|seq| if seq.len() > MAX_SEQ { String::new() } else { position_of(&seq).to_owned() });
        Ok(Ask { resume, filter })
    }
}

/// The part of a `seq` that says where it is.
pub(super) fn position_of(seq: &str) -> &str {
    seq.rsplit_once('~').map_or(seq, |(_, position)| position)
}

/// Which messages a client wants. Those about orders and those about stock are chosen by `topics`; a user or an order
/// narrows down those about orders.
#[derive(Debug)]
pub(super) struct Filter {
    orders: bool,
    stock: bool,
    order: Option<Bytes>,
    user: Option<String>,
}

impl Default for Filter {
    fn default() -> Self {
        Self { orders: true, stock: true, order: None, user: None }
    }
}

impl Filter {
    /// Lets through of orders only what is `user`'s; whether that goes together with what was asked for.
    pub(super) fn only_of(&mut self, user: &str) -> bool {
        let fits = self.user.as_ref().is_none_or(|asked| asked == user);
        self.user = Some(user.to_owned());
        fits
    }

    /// Lets nothing through of orders.
    pub(super) fn without_orders(&mut self) {
        self.orders = false;
    }

    pub(super) fn lets_through(&self, frame: &Frame) -> bool {
        match frame.place().topic {
            Topic::StockChanged => self.stock,
            _ => {
                self.orders
                    && self.order.as_ref().is_none_or(|order| order == frame.key())
                    && self.user.as_ref().is_none_or(|user| frame.user_id() == Some(user.as_str()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn understand(auth: serde_json::Value) -> Result<Ask, String> {
        serde_json::from_value::<Wishes>(auth).map_err(|e| e.to_string())?.understand()
    }

    #[test]
    fn nothing_asked_is_everything() {
        let ask = understand(json!({"token": "x", "seq": null})).unwrap();
        assert!(ask.resume.is_none() && ask.filter.orders && ask.filter.stock);
    }

    #[test]
    fn topics_are_a_list_or_a_text() {
        for stock in [json!("stock"), json!(["stock"]), json!(" stock ,")] {
            let filter = understand(json!({ "topics": stock })).unwrap().filter;
            assert!(filter.stock && !filter.orders);
        }
        for wrong in [json!("order"), json!(""), json!([]), json!(7), json!({"a": 1})] {
            assert!(understand(json!({ "topics": wrong })).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_order_is_named_by_id_or_number() {
        let id = OrderId::new(holdfast_contract::Key::compose(1_763_600_000_000, 1, 2));
        for name in [id.to_string(), OrderNumber::from(id).to_string()] {
            let filter = understand(json!({ "orderId": name })).unwrap().filter;
            assert_eq!(filter.order.unwrap(), id.to_string());
        }
        assert!(understand(json!({"orderId": "7"})).is_err());
        assert!(understand(json!({"userId": 7})).is_err());
    }

    #[test]
    fn the_place_is_after_the_last_tilde() {
        for (seq, place) in
            [("order.live/0/7~1.2.3", "1.2.3"), ("~1.2", "1.2"), ("1.2", "1.2"), ("a~b~c", "c")]
        {
            assert_eq!(understand(json!({ "seq": seq })).unwrap().resume.unwrap(), place);
        }
        assert_eq!(understand(json!({"seq": "9".repeat(5_000)})).unwrap().resume.unwrap(), "");
    }
}
