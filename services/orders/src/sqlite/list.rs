//! Lists: the index, with what is not indexed yet laid over it.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_contract::{OrderId, OrderStatus};
use holdfast_storage::StoreError;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use rustc_hash::FxHashSet;

use super::index::{is_listed, read_state, user_no};
use super::overlay::{Entry, Indexed, Overlay};
use super::reads::{order, order_id};
use crate::domain::Order;
use crate::store::{Cursor, ListQuery, Page, Search, SortBy, SortOrder, TOTAL_CAP};

/// What a try came to.
pub(super) enum Tried {
    Page(Page),
    /// The index moved between the look at the overlay and the look at the database.
    Moved,
}

/// Reads a page. The overlay is looked at first: what leaves it meanwhile is in the database's snapshot, so nothing is
/// missed; if the generations differ, something may be seen twice, and unless it is the `last` try that is no page.
pub(super) fn list(
    connection: &Connection,
    query: &ListQuery,
    overlay: &Overlay,
    last: bool,
) -> Result<Tried, StoreError> {
    let snapshot = overlay.snapshot();
    let (_, generation) = read_state(connection)?;
    if generation != snapshot.generation && !last {
        return Ok(Tried::Moved);
    }
    let scope = match &query.user {
        None => Some(super::EVERYBODY),
        Some(user) => user_no(connection, user.as_str())?,
    };
    let reader = Reader {
        connection,
        query,
        scope,
        recent: snapshot.entries.iter().map(|entry| entry.order.id).collect(),
    };
    let matching: Vec<&Arc<Order>> =
        snapshot.entries.iter().map(|entry| &entry.order).filter(|order| query.matches(order)).collect();

    let mut places: Vec<(Cursor, Option<Arc<Order>>)> = matching
        .iter()
        .map(|order| (query.key(order), Some((*order).clone())))
        .filter(|(key, _)| query.is_after(*key))
        .collect();
    let streams = reader.streams()?;
    for stream in &streams {
        places.extend(reader.page(stream)?.into_iter().map(|key| (key, None)));
    }
    query.sort(&mut places, |(key, _)| *key);
    places.dedup_by_key(|(key, _)| key.id);
    let more = places.len() > query.limit;
    places.truncate(query.limit);
    let next = places.last().map(|(key, _)| *key).filter(|_| more);
    let mut orders = Vec::with_capacity(places.len());
    for (key, known) in places {
        let found = match known {
            Some(order) => Some(order),
            // It may have changed since it was indexed.
            None => order(connection, key.id)?.filter(|order| query.matches(order)),
        };
        orders.extend(found);
    }
    let total = (matching.len() + reader.total(&streams, &snapshot.entries)?).min(TOTAL_CAP);
    Ok(Tried::Page(Page { orders, next, total }))
}

/// A part of the index, each sorted by itself; orders may be in several.
enum Stream {
    /// Everything of a scope with a status.
    Status(i64, OrderStatus),
    /// The same, with ids in a range.
    Numbers(i64, OrderStatus, OrderId, OrderId),
    /// The orders with a product of this name.
    Name(i64),
}

struct Reader<'a> {
    connection: &'a Connection,
    query: &'a ListQuery,
    /// `None`: the user has nothing in the index.
    scope: Option<i64>,
    /// What the overlay has, whether it matches or not.
    recent: FxHashSet<OrderId>,
}

impl Reader<'_> {
    fn streams(&self) -> Result<Vec<Stream>, StoreError> {
        let Some(scope) = self.scope else { return Ok(Vec::new()) };
        let statuses = || OrderStatus::ALL.into_iter().filter(|s| self.query.status.is_none_or(|q| q == *s));
        let Some(search) = &self.query.search else {
            return Ok(statuses().map(|status| Stream::Status(scope, status)).collect());
        };
        let mut streams: Vec<Stream> =
            names(self.connection, search)?.into_iter().map(Stream::Name).collect();
        if let Some(range) = search.numbers() {
            let (low, high) = range.into_inner();
            streams.extend(statuses().map(|status| Stream::Numbers(scope, status, low, high)));
        }
        Ok(streams)
    }

    /// The table and the condition of a stream, with the parameters numbered from 1.
    fn source(&self, stream: &Stream) -> (&'static str, Vec<Value>) {
        let key = |id: &OrderId| Value::Integer(id.key().as_i64());
        let code = |status: &OrderStatus| Value::Integer(i64::from(status.code()));
        match stream {
            Stream::Status(scope, status) => {
                let table = match self.query.sort_by {
                    SortBy::Date => "by_date WHERE scope = ?1 AND status = ?2",
                    SortBy::Amount => "by_amount WHERE scope = ?1 AND status = ?2",
                };
                (table, vec![Value::Integer(*scope), code(status)])
            }
            Stream::Numbers(scope, status, low, high) => (
                "by_date WHERE scope = ?1 AND status = ?2 AND id BETWEEN ?3 AND ?4",
                vec![Value::Integer(*scope), code(status), key(low), key(high)],
            ),
            Stream::Name(name) => (
                "postings WHERE name_no = ?1 AND (?2 IS NULL OR status = ?2) AND (?3 IS NULL OR user_no = ?3)",
                vec![
                    Value::Integer(*name),
                    self.query.status.as_ref().map_or(Value::Null, code),
                    self.scope.filter(|_| self.query.user.is_some()).map_or(Value::Null, Value::Integer),
                ],
            ),
        }
    }

    /// The places of a stream after the cursor: enough for a page, whatever of it the overlay has.
    fn page(&self, stream: &Stream) -> Result<Vec<Cursor>, StoreError> {
        let (source, mut values) = self.source(stream);
        let (comparison, direction) = match self.query.sort_order {
            SortOrder::Ascending => ('>', "ASC"),
            SortOrder::Descending => ('<', "DESC"),
        };
        let first = values.len() + 1;
        let mut sql = format!("SELECT id, amount FROM {source}");
        let integer = |number: u64| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        match (self.query.sort_by, self.query.after) {
            (_, None) => {}
            (SortBy::Date, Some(after)) => {
                sql += &format!(" AND id {comparison} ?{first}");
                values.push(Value::Integer(after.id.key().as_i64()));
            }
            (SortBy::Amount, Some(after)) => {
                sql += &format!(" AND (amount, id) {comparison} (?{first}, ?{})", first + 1);
                values.extend([integer(after.amount), Value::Integer(after.id.key().as_i64())]);
            }
        }
        sql += &match self.query.sort_by {
            SortBy::Date => format!(" ORDER BY id {direction}"),
            SortBy::Amount => format!(" ORDER BY amount {direction}, id {direction}"),
        };
        // What the overlay has is passed over, so so much more must be asked for.
        let wanted = self.query.limit + 1;
        values.push(integer((wanted + self.recent.len()) as u64));
        sql += &format!(" LIMIT ?{}", values.len());
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut places = Vec::new();
        while places.len() < wanted
            && let Some(row) = rows.next()?
        {
            let id = order_id(row.get(0)?)?;
            if !self.recent.contains(&id) {
                places.push(self.query.key_of(id, row.get(1)?));
            }
        }
        Ok(places)
    }

    /// How many the index has, without what the overlay has; counted up to the cap.
    fn total(&self, streams: &[Stream], entries: &[Entry]) -> Result<usize, StoreError> {
        if self.query.search.is_some() { self.distinct(streams) } else { self.counted(streams, entries) }
    }

    /// Parts of a list without search have no order in common: SQLite counts them.
    fn counted(&self, streams: &[Stream], entries: &[Entry]) -> Result<usize, StoreError> {
        let mut replaced = 0;
        for Entry { order, indexed } in entries {
            if self.query.user.as_ref().is_some_and(|user| *user != order.user_id) {
                continue;
            }
            let wanted = |status: OrderStatus| self.query.status.is_none_or(|s| s == status);
            replaced += match *indexed {
                Indexed::Not | Indexed::Hidden => 0,
                Indexed::As(status) => usize::from(wanted(status)),
                Indexed::Unknown => {
                    let mut listed = 0;
                    for status in OrderStatus::ALL.into_iter().filter(|s| wanted(*s)) {
                        listed += usize::from(is_listed(self.connection, order.id, status)?);
                    }
                    listed
                }
            };
        }
        let mut total: usize = 0;
        let cap = TOTAL_CAP + replaced;
        for stream in streams {
            let (source, mut values) = self.source(stream);
            values.push(Value::Integer(i64::try_from(cap - total.min(cap)).unwrap_or(0)));
            let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT ?{})", values.len());
            let count: usize = self
                .connection
                .prepare_cached(&sql)?
                .query_row(params_from_iter(values), |row| row.get(0))?;
            total += count;
        }
        Ok(total.saturating_sub(replaced))
    }

    /// Parts of a search may have orders in common.
    fn distinct(&self, streams: &[Stream]) -> Result<usize, StoreError> {
        let mut seen: FxHashSet<i64> = FxHashSet::default();
        for stream in streams {
            let (source, values) = self.source(stream);
            let mut statement = self.connection.prepare_cached(&format!("SELECT id FROM {source}"))?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                let id: i64 = row.get(0)?;
                if !self.recent.contains(&order_id(id)?) && seen.insert(id) && seen.len() >= TOTAL_CAP {
                    return Ok(seen.len());
                }
            }
        }
        Ok(seen.len())
    }
}

/// The names in which every word of the search begins a word.
fn names(connection: &Connection, search: &Search) -> Result<Vec<i64>, StoreError> {
    let mut found: Option<BTreeSet<i64>> = None;
    // The longest first: it finds the fewest.
    let mut words: Vec<&String> = search.words().iter().collect();
    words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
    for word in words {
        // No word has the highest code point in it, so this is just after every word with the prefix.
        let end = format!("{word}\u{10ffff}");
        let mut statement =
            connection.prepare_cached("SELECT name_no FROM words WHERE word >= ?1 AND word < ?2")?;
        let mut rows = statement.query([word.as_str(), &end])?;
        let mut these = BTreeSet::new();
        while let Some(row) = rows.next()? {
            let name: i64 = row.get(0)?;
            if found.as_ref().is_none_or(|found| found.contains(&name)) {
                these.insert(name);
            }
        }
        if these.is_empty() {
            return Ok(Vec::new());
        }
        found = Some(these);
    }
    Ok(found.unwrap_or_default().into_iter().collect())
}
