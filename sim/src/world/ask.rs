//! From the plan's operations to requests about what there is by now.

use holdfast_contract::text::{Name, Text, UserId};
use holdfast_contract::{
    Currency, Money, OrderId, OrderStatus, PaymentMethod, PaymentStatus, ProductId, Quantity,
};
use holdfast_orders::domain::{Address, Command, Draft, DraftItem, Metadata};
use holdfast_products::decider::{Create, Edit, HttpHold};
use holdfast_products::domain::{OrderRef, ProductPatch};
use holdfast_storage::{Group, Parked, ParkedId};

use super::client::Client;
use super::faults::index;
use super::request::{Request, status};
use super::{PRICE, World, details, product_id};
use crate::plan::{Line, Move, Nth, Op, Service};

/// What is the same in every order.
const USER: &str = "sim-user";

impl World {
    /// Has somebody do something; `keyed` so many requests with one key, or one without.
    pub(super) fn ask(&mut self, step: u64, op: &Op, keyed: u8) {
        let Some(request) = self.request(step, op) else { return };
        // These are idempotent by themselves.
        let repeats = keyed > 0 || matches!(request, Request::Hold(_) | Request::Unhold(_));
        self.send(step, request, keyed.max(1), repeats);
    }

    /// Sends so many of a request at once.
    #[expect(clippy::disallowed_methods, reason = "clients are no tasks of the services")]
    pub(super) fn send(&mut self, step: u64, request: Request, copies: u8, repeats: bool) {
        for copy in 0..copies {
            let part = 1 << 40 | step << 4 | u64::from(copy);
            let client = Client {
                step,
                repeats,
                gate: self.system.schedule.gate(self.system.seed, part),
                town: self.town.clone(),
                answers: self.answers.clone(),
                oracle: self.system.oracle.clone(),
                trace: self.system.trace.clone(),
            };
            self.clients.push(tokio::spawn(client.run(request.clone())));
        }
    }

    /// `None` if there is nothing yet that it could be about.
    fn request(&mut self, step: u64, op: &Op) -> Option<Request> {
        Some(match op {
            Op::Place { lines, wrong_price } => Request::Place(draft(step, lines, *wrong_price)),
            Op::Change { order, to } => Request::Change(self.order(*order)?, command(*to, step)),
            Op::Read { order } => Request::Read(self.order(*order)?),
            Op::Adjust { product, delta } => {
                Request::Adjust { product: self.product(*product)?, delta: *delta }
            }
            Op::Create { on_hand } => Request::Create(Create {
                id: product_id(step + 1_000),
                details: details(step, true),
                on_hand: *on_hand,
            }),
            Op::Edit { product, active } => {
                let patch = ProductPatch { is_active: Some(*active), ..ProductPatch::default() };
                Request::Edit(Edit { product: self.product(*product)?, patch, if_version: None })
            }
            Op::Delete { product } => Request::Delete(self.product(*product)?),
            Op::Hold { product, quantity, order } => {
                let order = match order {
                    Some(nth) => self.order(*nth)?.to_string(),
                    None => format!("till-{step}"),
                };
                let hold = HttpHold {
                    product: self.product(*product)?,
                    order: OrderRef::new(&order).ok()?,
                    quantity: Quantity::new(*quantity).ok()?,
                };
                self.holds.push(hold.clone());
                Request::Hold(hold)
            }
            Op::Unhold { hold } => Request::Unhold(self.holds.get(index(*hold, self.holds.len()))?.clone()),
            Op::Parked { service, message, discard } => {
                let parked = self.parked(*service);
                let (id, poison) = *parked.get(index(*message, parked.len()))?;
                // Nobody gives up what can be read: it is only waiting.
                Request::Parked { service: *service, id, discard: *discard && poison }
            }
        })
    }

    /// The messages that a service has parked, and whether each is poison or only waits behind some.
    pub(super) fn parked(&self, service: Service) -> Vec<(ParkedId, bool)> {
        let oracle = &self.system.oracle;
        let seen = |(_, parked): (Group, &Parked)| (parked.id, oracle.is_poison(&parked.record.payload));
        match service {
            Service::Orders => self.system.orders.look(|view| view.parked().map(seen).collect()),
            Service::Products => self.system.products.look(|view| view.parked().map(seen).collect()),
        }
    }

    fn order(&self, nth: Nth) -> Option<OrderId> {
        let placed = self.system.oracle.placed();
        placed.get(index(nth, placed.len())).copied()
    }

    fn product(&self, nth: Nth) -> Option<ProductId> {
        let made = self.system.oracle.products();
        made.get(index(nth, made.len())).copied()
    }
}

fn command(to: Move, step: u64) -> Command {
    match to {
        Move::Process => status(OrderStatus::Processing),
        Move::Ship => status(OrderStatus::Shipped),
        Move::Deliver => status(OrderStatus::Delivered),
        Move::Cancel => Command::Cancel { reason: None },
        Move::Delete => Command::Hide,
        Move::Edit => Command::Edit { address: None, metadata: Some(metadata(step, "edited")) },
    }
}

#[expect(clippy::expect_used, reason = "constant texts and small numbers")]
fn metadata(step: u64, word: &str) -> Metadata {
    Metadata::parse(&format!("{{\"{word}\":{step}}}")).expect("metadata")
}

#[expect(clippy::expect_used, reason = "constant texts and small numbers")]
fn draft(step: u64, lines: &[Line], wrong_price: bool) -> Draft {
    let name = |text: &str| Name::new(text).expect("a name");
    let money = |minor| Money::from_minor(minor, Currency::USD).expect("an amount");
    let price = if wrong_price { PRICE - 1 } else { PRICE };
    let items = lines.iter().map(|&(product, quantity)| DraftItem {
        // Beyond the last one: there is no such product.
        product_id: product_id(product),
        product_name: name("as ordered"),
        quantity: Quantity::new(quantity).expect("a quantity"),
        price: money(price),
    });
    Draft {
        user_id: UserId::new(USER).expect("a user"),
        items: items.collect(),
        total: money(lines.iter().map(|(_, quantity)| quantity * price).sum()),
        address: Address {
            street: name("1 Main St"),
            city: name("Springfield"),
            state: name("IL"),
            zip_code: Text::new("62701").expect("a code"),
            country: name("US"),
        },
        payment_method: PaymentMethod::Wallet,
        payment_status: PaymentStatus::Pending,
        metadata: metadata(step, "step"),
        enforce_price: wrong_price,
    }
}
