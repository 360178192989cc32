//! Lists of orders: by user and status, each in both orders that a list may have.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use holdfast_contract::text::UserId;
use holdfast_contract::{OrderId, OrderStatus};
use holdfast_orders::domain::Order;
use holdfast_orders::store::{Cursor, ListQuery, Page, SortBy, SortOrder, TOTAL_CAP};

/// Whose orders (`None`: everybody's), with which status.
type Scope = (Option<UserId>, OrderStatus);

/// The orders that are not hidden.
#[derive(Default)]
pub(super) struct Lists {
    by_date: BTreeMap<Scope, BTreeSet<Cursor>>,
    by_amount: BTreeMap<Scope, BTreeSet<Cursor>>,
}

impl Lists {
    pub(super) fn insert(&mut self, order: &Order) {
        if order.hidden {
            return;
        }
        for (map, place) in self.places(order) {
            for user in [None, Some(order.user_id.clone())] {
                map.entry((user, order.status())).or_default().insert(place);
            }
        }
    }

    pub(super) fn remove(&mut self, order: &Order) {
        for (map, place) in self.places(order) {
            for user in [None, Some(order.user_id.clone())] {
                if let Some(set) = map.get_mut(&(user, order.status())) {
                    set.remove(&place);
                }
            }
        }
    }

    fn places(&mut self, order: &Order) -> [(&mut BTreeMap<Scope, BTreeSet<Cursor>>, Cursor); 2] {
        let by_date = Cursor { amount: 0, id: order.id };
        let by_amount = Cursor { amount: order.total.minor(), id: order.id };
        [(&mut self.by_date, by_date), (&mut self.by_amount, by_amount)]
    }

    /// The page, of the orders that `get` has.
    pub(super) fn page<'o>(
        &self,
        query: &ListQuery,
        get: impl Fn(OrderId) -> Option<&'o Arc<Order>>,
    ) -> Page {
        let map = match query.sort_by {
            SortBy::Date => &self.by_date,
            SortBy::Amount => &self.by_amount,
        };
        let statuses = OrderStatus::ALL.into_iter().filter(|s| query.status.is_none_or(|q| q == *s));
        let sets = statuses.filter_map(|status| map.get(&(query.user.clone(), status)));
        let (mut places, total) = match &query.search {
            None => indexed(sets, query),
            Some(search) => {
                let all = sets.flatten().filter(|place| get(place.id).is_some_and(|o| search.finds(o)));
                let found: Vec<Cursor> = all.copied().collect();
                let total = found.len();
                (found.into_iter().filter(|place| query.is_after(*place)).collect(), total)
            }
        };
        match query.sort_order {
            SortOrder::Ascending => places.sort_unstable(),
            SortOrder::Descending => places.sort_unstable_by(|one, other| other.cmp(one)),
        }
        let more = places.len() > query.limit;
        places.truncate(query.limit);
        Page {
            next: places.last().copied().filter(|_| more),
            orders: places.iter().filter_map(|place| get(place.id).cloned()).collect(),
            total: total.min(TOTAL_CAP),
        }
    }
}

/// Enough places of each set for the page and one more, and how many there are on all pages.
fn indexed<'s>(sets: impl Iterator<Item = &'s BTreeSet<Cursor>>, query: &ListQuery) -> (Vec<Cursor>, usize) {
    let enough = query.limit.saturating_add(1);
    let (mut places, mut total) = (Vec::new(), 0);
    for set in sets {
        total += set.len();
        match (query.sort_order, query.after) {
            (SortOrder::Ascending, after) => {
                places.extend(set.range((after.map_or(Unbounded, Excluded), Unbounded)).take(enough));
            }
            (SortOrder::Descending, after) => {
                let before = set.range((Unbounded, after.map_or(Unbounded, Excluded)));
                places.extend(before.rev().take(enough));
            }
        }
    }
    (places, total)
}
