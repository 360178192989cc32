//! Small numbers that stand for words in what is stored. Persisted: never renumber.

use holdfast_contract::stock::MovementKind;

const KINDS: [(MovementKind, i64); 6] = [
    (MovementKind::Received, 1),
    (MovementKind::Reserved, 2),
    (MovementKind::Released, 3),
    (MovementKind::Fulfilled, 4),
    (MovementKind::Returned, 5),
    (MovementKind::Adjusted, 6),
];

pub(crate) fn kind_code(kind: MovementKind) -> i64 {
    KINDS.iter().find(|(k, _)| *k == kind).map_or(0, |(_, code)| *code)
}

pub(crate) fn kind_of(code: i64) -> Option<MovementKind> {
    KINDS.iter().find(|(_, c)| *c == code).map(|(kind, _)| *kind)
}

pub(crate) const REJECTED: i64 = 1;
pub(crate) const HELD: i64 = 2;
pub(crate) const RELEASED: i64 = 3;
pub(crate) const FULFILLED: i64 = 4;
pub(crate) const RETURNED: i64 = 5;

// Indexes name this number.
pub(crate) const HTTP_HELD: i64 = 1;
pub(crate) const HTTP_RELEASED: i64 = 2;
pub(crate) const HTTP_NEVER_HELD: i64 = 3;
