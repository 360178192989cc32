//! Small numbers that stand for words in the tables. Persisted: never renumber.

use holdfast_contract::stock::MovementKind;

const KINDS: [(MovementKind, i64); 6] = [
    (MovementKind::Received, 1),
    (MovementKind::Reserved, 2),
    (MovementKind::Released, 3),
    (MovementKind::Fulfilled, 4),
    (MovementKind::Returned, 5),
    (MovementKind::Adjusted, 6),
];

pub(super) fn kind_code(kind: MovementKind) -> i64 {
    KINDS.iter().find(|(k, _)| *k == kind).map_or(0, |(_, code)| *code)
}

pub(super) fn kind_of(code: i64) -> Option<MovementKind> {
    KINDS.iter().find(|(_, c)| *c == code).map(|(kind, _)| *kind)
}

pub(super) const REJECTED: i64 = 1;
pub(super) const HELD: i64 = 2;
pub(super) const RELEASED: i64 = 3;
pub(super) const FULFILLED: i64 = 4;
pub(super) const RETURNED: i64 = 5;

// The index `http_reservations_held` names this number.
pub(super) const HTTP_HELD: i64 = 1;
pub(super) const HTTP_RELEASED: i64 = 2;
pub(super) const HTTP_NEVER_HELD: i64 = 3;
