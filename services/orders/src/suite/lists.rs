//! Lists and search.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_contract::{OrderId, OrderNumber, OrderStatus};

use super::Subject;
use super::given::{commit, id, insert, placed_with, request, reserved, to, update, user};
use crate::domain::{Command, Order};
use crate::store::{Change, Commit, Cursor, ListQuery, Page, Search, SortBy, SortOrder, TOTAL_CAP};

fn search(text: &str) -> Option<Search> {
    Some(Search::new(text).expect("a valid search"))
}

async fn list(subject: &dyn Subject, query: &ListQuery) -> Page {
    subject.store().list(query).await.expect("read")
}

async fn ids(subject: &dyn Subject, query: &ListQuery) -> Vec<OrderId> {
    list(subject, query).await.orders.iter().map(|order| order.id).collect()
}

/// Every page, one after the other.
async fn pages(subject: &dyn Subject, query: &ListQuery) -> (Vec<OrderId>, usize) {
    let mut query = query.clone();
    let mut all = Vec::new();
    loop {
        let page = list(subject, &query).await;
        assert!(page.orders.len() <= query.limit);
        all.extend(page.orders.iter().map(|order| order.id));
        if page.next.is_none() {
            return (all, page.total);
        }
        query.after = page.next;
    }
}

pub(super) async fn own_writes_are_listed_at_once(subject: Box<dyn Subject>) {
    let all = ListQuery::default();
    let pending = ListQuery { status: Some(OrderStatus::Pending), ..all.clone() };
    let cancelled = ListQuery { status: Some(OrderStatus::Cancelled), ..all.clone() };
    for n in 0..6 {
        let order = commit(&*subject, insert(n)).await;
        assert_eq!(list(&*subject, &all).await.orders[0], order);
        assert_eq!(list(&*subject, &pending).await.orders[0], order);
        if n % 2 == 0 {
            subject.settle().await;
        }
        let order = commit(&*subject, update(&order, to(OrderStatus::Cancelled))).await;
        assert_eq!(list(&*subject, &cancelled).await.orders[0], order);
        assert!(list(&*subject, &pending).await.orders.is_empty());
        assert_eq!(list(&*subject, &pending).await.total, 0);
        assert_eq!(list(&*subject, &all).await.total, n as usize + 1);
    }
}

pub(super) async fn hidden_orders_are_not_listed(subject: Box<dyn Subject>) {
    for settle in [false, true] {
        let n = if settle { 20 } else { 10 };
        let order = commit(&*subject, insert(n)).await;
        if settle {
            subject.settle().await;
        }
        let hidden = commit(&*subject, update(&order, Command::Hide)).await;
        for _ in 0..2 {
            for query in [
                ListQuery::default(),
                ListQuery { user: Some(user("user-1")), sort_by: SortBy::Amount, ..ListQuery::default() },
                ListQuery { search: search("test"), ..ListQuery::default() },
                ListQuery { search: search(&hidden.number().to_string()), ..ListQuery::default() },
            ] {
                let page = list(&*subject, &query).await;
                assert!(page.orders.is_empty() && page.total == 0, "{query:?}");
            }
            subject.settle().await;
        }
        // It still changes: an answer comes.
        let released = crate::domain::Answer::Released(holdfast_contract::event::ReleaseOutcome::Released);
        commit(&*subject, update(&hidden, Command::Answer(released))).await;
        subject.settle().await;
        assert!(list(&*subject, &ListQuery::default()).await.orders.is_empty());
        assert!(subject.store().get(id(n)).await.expect("read").is_some_and(|order| order.hidden));
    }
}

pub(super) async fn hostile_searches_find_nothing_and_harm_nothing(subject: Box<dyn Subject>) {
    let names = ["100% \"Cotton\" T-Shirt (O'Neill) AND NOT NULL; DROP TABLE things --", "Żółty Ärmel 丸"];
    commit(&*subject, Change::insert(placed_with(1, "u", &names, 5), request("r"), None)).await;
    for _ in 0..2 {
        for text in [
            "%",
            "_",
            "*",
            "\"",
            "'",
            "''; --",
            "\\",
            "()",
            "-",
            "^",
            "🙂",
            "ORD-*",
            "ORD-_",
            "ord-%",
            "\u{10ffff}",
            "NEAR(",
            "cotton zzz",
            "otton",
            "NULLx",
            "{",
            "/",
            "a\u{0}b",
            "丸x",
            "ORD-ZZZZZZZZZZZZZ",
        ] {
            let query = ListQuery { search: search(text), ..ListQuery::default() };
            let page = list(&*subject, &query).await;
            assert!(page.orders.is_empty() && page.total == 0, "{text:?}");
        }
        let exact = id(1);
        for text in [
            "cotton",
            "COTTON 100",
            "100% cot*",
            "t-shirt",
            "(o'neill)",
            "NOT",
            "DROP TABLE",
            "żół",
            "ÄRM",
            "丸",
            "ORD-",
            "ord-0",
            &OrderNumber::from(exact).to_string().to_lowercase(),
        ] {
            let query = ListQuery { search: search(text), ..ListQuery::default() };
            assert_eq!(ids(&*subject, &query).await, [exact], "{text:?}");
        }
        subject.settle().await;
    }
}

/// A small generator: the suite must not differ from run to run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len() as u64) as usize]
    }
}

const USERS: [&str; 3] = ["ann", "bob", "eve"];
const NAMES: [&str; 5] = ["Red Lamp", "Blue Lamp", "lamp oil", "Oil Lamp Red", "Chair"];
const SEARCHES: [&str; 5] = ["lamp", "red la", "oil lamp", "chair", "x"];

/// What the lists must show, kept in the simplest way.
type Model = BTreeMap<OrderId, Arc<Order>>;

fn naive_find(order: &Order, text: &str) -> bool {
    order.number().to_string().to_lowercase().starts_with(&text.to_lowercase())
        || order.items.iter().any(|item| {
            let name = item.product_name.as_str().to_lowercase();
            let begins = |word: &str| name.split(' ').any(|n| n.starts_with(word));
            text.to_lowercase().split(' ').all(begins)
        })
}

fn naive_list(model: &Model, query: &ListQuery, text: Option<&str>) -> Vec<OrderId> {
    let mut found: Vec<(u64, OrderId)> = model
        .values()
        .filter(|order| !order.hidden)
        .filter(|order| query.status.is_none_or(|status| status == order.status()))
        .filter(|order| query.user.as_ref().is_none_or(|user| *user == order.user_id))
        .filter(|order| text.is_none_or(|text| naive_find(order, text)))
        .map(|order| (if query.sort_by == SortBy::Amount { order.total.minor() } else { 0 }, order.id))
        .collect();
    found.sort_unstable();
    if query.sort_order == SortOrder::Descending {
        found.reverse();
    }
    found.into_iter().map(|(_, id)| id).collect()
}

/// One step of a random history: a new order or a change of one.
async fn step(subject: &dyn Subject, model: &mut Model, dice: &mut Dice, n: u32) {
    let existing: Vec<Arc<Order>> = model.values().cloned().collect();
    let change = if existing.is_empty() || dice.roll(5) < 2 {
        let names: Vec<&str> = (0..=dice.roll(2)).map(|_| dice.pick(&NAMES)).collect();
        let cents = dice.pick(&[100, 200, 300]);
        Change::insert(placed_with(n, dice.pick(&USERS), &names, cents), request("place"), None)
    } else {
        let order = &existing[dice.roll(existing.len() as u64) as usize];
        let command = match dice.roll(8) {
            0 => to(OrderStatus::Cancelled),
            1 => Command::Hide,
            2 | 3 => reserved(),
            4 | 5 => to(OrderStatus::Processing),
            6 => to(OrderStatus::Shipped),
            _ => to(OrderStatus::Delivered),
        };
        match crate::domain::decide(order, command, order.updated_at) {
            Ok(crate::domain::Decision::Changed(changed)) => {
                Change::update(order, changed, request("change"), None)
            }
            _ => return,
        }
    };
    let order = commit(subject, change).await;
    model.insert(order.id, order);
}

async fn compare(subject: &dyn Subject, model: &Model) {
    let number = model.keys().nth(model.len() / 2).map(|id| OrderNumber::from(*id).to_string());
    let prefix = number.as_ref().map(|number| number[..number.len() - 3].to_owned());
    let texts = SEARCHES.into_iter().chain(number.as_deref()).chain(prefix.as_deref());
    let texts: Vec<Option<&str>> = std::iter::once(None).chain(texts.map(Some)).collect();
    let users = [None, Some("ann"), Some("bob"), Some("nobody")];
    let statuses = std::iter::once(None).chain(OrderStatus::ALL.into_iter().map(Some));
    for (turn, status) in statuses.enumerate() {
        for (limit, text) in (3 + turn..).zip(&texts) {
            for name in users {
                for sort_by in [SortBy::Date, SortBy::Amount] {
                    for sort_order in [SortOrder::Ascending, SortOrder::Descending] {
                        let query = ListQuery {
                            status,
                            user: name.map(user),
                            search: text.and_then(search),
                            sort_by,
                            sort_order,
                            limit,
                            after: None,
                        };
                        let expected = naive_list(model, &query, *text);
                        let (found, total) = pages(subject, &query).await;
                        assert_eq!(found, expected, "{query:?}");
                        assert_eq!(total, expected.len(), "{query:?}");
                    }
                }
            }
        }
    }
}

/// Every filter with every other and every sort, paged through ties, as a naive list in memory: while nothing is
/// indexed, half of it, all of it, and after opening the store again.
pub(super) async fn every_combination_is_as_a_naive_list(subject: Box<dyn Subject>) {
    let mut subject = subject;
    let mut model = Model::new();
    let mut dice = Dice(1);
    for round in 0..4u32 {
        for n in 0..40 {
            step(&*subject, &mut model, &mut dice, round * 100 + n).await;
        }
        compare(&*subject, &model).await;
        match round {
            0 | 2 => subject.settle().await,
            // Not settled: what the index lacks must be found again.
            _ => subject = subject.reopen().await,
        }
        compare(&*subject, &model).await;
    }
}

pub(super) async fn pages_are_complete_while_others_write(subject: Box<dyn Subject>) {
    let before: Vec<Arc<Order>> = {
        let mut orders = Vec::new();
        for n in 0..30 {
            orders.push(commit(&*subject, insert(n)).await);
        }
        orders
    };
    let mut query = ListQuery { limit: 4, ..ListQuery::default() };
    let mut seen = Vec::new();
    for round in 0.. {
        let page = list(&*subject, &query).await;
        seen.extend(page.orders.iter().map(|order| order.id));
        // New ones come, some of the old change, the index catches up.
        commit(&*subject, insert(100 + round)).await;
        let old = subject.store().get(before[round as usize].id).await.expect("read").expect("it is there");
        commit(&*subject, update(&old, reserved())).await;
        if round % 2 == 0 {
            subject.settle().await;
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    let expected: Vec<OrderId> = before.iter().rev().map(|order| order.id).collect();
    assert_eq!(seen, expected);
    // A cursor of an order that is no more listed is a place all the same.
    let place = Cursor { amount: 0, id: OrderId::new(before[3].id.key()) };
    commit_hidden(&*subject, before[3].id).await;
    let rest = ids(&*subject, &ListQuery { after: Some(place), ..ListQuery::default() }).await;
    assert_eq!(rest, [before[2].id, before[1].id, before[0].id]);
}

async fn commit_hidden(subject: &dyn Subject, id: OrderId) {
    let order = subject.store().get(id).await.expect("read").expect("it is there");
    commit(subject, update(&order, Command::Hide)).await;
}

pub(super) async fn totals_are_capped(subject: Box<dyn Subject>) {
    let mut made = 0;
    while made < TOTAL_CAP as u32 + 5 {
        let changes = (made..made + 667).map(insert).collect();
        subject.store().commit(Commit { changes, ..Commit::default() }).await.expect("taken");
        made += 667;
        if made % 2 == 0 {
            subject.settle().await;
        }
    }
    for text in [None, Some("test")] {
        let query = ListQuery { search: text.and_then(search), limit: 1, ..ListQuery::default() };
        assert_eq!(list(&*subject, &query).await.total, TOTAL_CAP);
        let none = ListQuery { status: Some(OrderStatus::Shipped), ..query };
        assert_eq!(list(&*subject, &none).await.total, 0);
    }
}
