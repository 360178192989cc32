//! Lists of orders.

use std::sync::Arc;

use holdfast_contract::text::UserId;
use holdfast_contract::{OrderId, OrderStatus};

use super::search::Search;
use crate::domain::Order;

/// A total is counted up to here: this number means "at least".
pub const TOTAL_CAP: usize = 10_000;

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SortBy {
    /// When the order was placed: its id.
    #[default]
    Date,
    /// Its total in minor units, then its id.
    Amount,
}

/// In which direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SortOrder {
    /// Smallest or oldest first.
    Ascending,
    /// Largest or newest first.
    #[default]
    Descending,
}

/// Where the next page goes on: after this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The last order's total in minor units; 0 in a list by date.
    pub amount: u64,
    /// The last order.
    pub id: OrderId,
}

/// Which orders, in which order.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// Only with this status.
    pub status: Option<OrderStatus>,
    /// Only this user's.
    pub user: Option<UserId>,
    /// Only what the search finds.
    pub search: Option<Search>,
    /// Sorted by.
    pub sort_by: SortBy,
    /// Direction.
    pub sort_order: SortOrder,
    /// Orders on the page, at least 1.
    pub limit: usize,
    /// Where the page before ended. It must come from a list with the same filters and sort.
    pub after: Option<Cursor>,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            status: None,
            user: None,
            search: None,
            sort_by: SortBy::default(),
            sort_order: SortOrder::default(),
            limit: 50,
            after: None,
        }
    }
}

impl ListQuery {
    /// Whether the order belongs in the list (whichever page).
    pub fn matches(&self, order: &Order) -> bool {
        !order.hidden
            && self.status.is_none_or(|s| s == order.status())
            && self.user.as_ref().is_none_or(|u| *u == order.user_id)
            && self.search.as_ref().is_none_or(|s| s.finds(order))
    }

    /// The order's place in the list.
    pub fn key(&self, order: &Order) -> Cursor {
        self.key_of(order.id, order.total.minor())
    }

    pub(crate) fn key_of(&self, id: OrderId, amount: u64) -> Cursor {
        match self.sort_by {
            SortBy::Date => Cursor { amount: 0, id },
            SortBy::Amount => Cursor { amount, id },
        }
    }

    /// Whether a place comes after the page before.
    pub fn is_after(&self, key: Cursor) -> bool {
        self.after.is_none_or(|after| match self.sort_order {
            SortOrder::Ascending => key > after,
            SortOrder::Descending => key < after,
        })
    }

    /// Sorts places in the list's direction.
    pub(crate) fn sort<T>(&self, items: &mut [T], key: impl Fn(&T) -> Cursor) {
        match self.sort_order {
            SortOrder::Ascending => items.sort_unstable_by_key(key),
            SortOrder::Descending => items.sort_unstable_by_key(|item| std::cmp::Reverse(key(item))),
        }
    }
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// The orders; fewer than asked for also before the last page, if some changed while they were read.
    pub orders: Vec<Arc<Order>>,
    /// Where the next page goes on; `None` on the last.
    pub next: Option<Cursor>,
    /// Orders that match, on all pages together; at most [`TOTAL_CAP`], which means "at least".
    pub total: usize,
}
