//! A page of a topic: records of several partitions, merged by time, from either end.

use std::sync::Arc;

use futures_util::future::try_join_all;
use holdfast_bus::{Bus, BusError};
use holdfast_storage::{Bounds, Record};

/// Which way to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the end back.
    Newest,
    /// From the beginning on.
    Oldest,
}

/// Some records, and where reading goes on.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) records: Vec<Arc<Record>>,
    /// Of each partition: after [`Direction::Oldest`] the next offset, after [`Direction::Newest`] the offset before which
    /// it goes on.
    pub(super) places: Vec<u64>,
    /// Whether there is more that way.
    pub(super) more: bool,
}

/// Where reading starts in each partition.
pub(super) fn start(direction: Direction, bounds: &[Bounds]) -> Vec<u64> {
    let edge = |b: &Bounds| if direction == Direction::Newest { b.end } else { b.start };
    bounds.iter().map(edge).collect()
}

/// What is read of a partition.
struct Stretch {
    low: u64,
    high: u64,
    /// In the direction of reading.
    records: std::collections::VecDeque<Arc<Record>>,
    last: Option<u64>,
}

/// Reads up to `limit` records from `places` on, one for each of `bounds`.
pub(super) async fn read(
    bus: &dyn Bus,
    bounds: &[Bounds],
    places: &[u64],
    direction: Direction,
    limit: usize,
) -> Result<Page, BusError> {
    let stretches = bounds.iter().zip(places).map(|(b, &place)| stretch(bus, *b, place, direction, limit));
    let mut stretches: Vec<Stretch> = try_join_all(stretches).await?;
    let mut records = Vec::new();
    while records.len() < limit {
        // The order of a partition stays, whatever its times say.
        let heads = stretches.iter_mut().filter(|s| !s.records.is_empty());
        let next = match direction {
            Direction::Oldest => heads.min_by_key(|s| s.records.front().map(|r| r.at)),
            Direction::Newest => heads.rev().max_by_key(|s| s.records.front().map(|r| r.at)),
        };
        let Some((stretch, record)) = next.and_then(|s| s.records.pop_front().map(|r| (s, r))) else { break };
        stretch.last = Some(record.offset);
        records.push(record);
    }
    let places: Vec<u64> = stretches.iter().map(|s| s.place(direction)).collect();
    let more = bounds.iter().zip(&places).any(|(b, &place)| match direction {
        Direction::Oldest => place < b.end,
        Direction::Newest => place > b.start,
    });
    Ok(Page { records, places, more })
}

async fn stretch(
    bus: &dyn Bus,
    b: Bounds,
    place: u64,
    direction: Direction,
    limit: usize,
) -> Result<Stretch, BusError> {
    // What was forgotten meanwhile is left out.
    let place = place.clamp(b.start, b.end);
    let (low, high) = match direction {
        Direction::Oldest => (place, b.end.min(place.saturating_add(limit as u64))),
        Direction::Newest => (b.start.max(place.saturating_sub(limit as u64)), place),
    };
    let mut records = Vec::new();
    if low < high {
        let count = usize::try_from(high - low).unwrap_or(limit);
        records = bus.browse(b.partition, low, count).await?;
        // A log with gaps gives what is after them instead.
        records.retain(|record| (low..high).contains(&record.offset));
    }
    if direction == Direction::Newest {
        records.reverse();
    }
    Ok(Stretch { low, high, records: records.into(), last: None })
}

impl Stretch {
    fn place(&self, direction: Direction) -> u64 {
        match (direction, self.records.is_empty(), self.last) {
            (Direction::Oldest, true, _) => self.high,
            (Direction::Oldest, false, last) => last.map_or(self.low, |offset| offset + 1),
            (Direction::Newest, true, _) => self.low,
            (Direction::Newest, false, last) => last.unwrap_or(self.high),
        }
    }
}

/// Places as the bytes of a cursor: 7 bits a byte, so that many partitions fit.
pub(super) fn pack(places: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(places.len() * 4);
    for &place in places {
        let mut rest = place;
        while rest >= 0x80 {
            bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
    }
    bytes
}

/// Takes back what [`pack`] made of `count` places.
pub(super) fn unpack(bytes: &[u8], count: usize) -> Option<Vec<u64>> {
    let mut places = Vec::with_capacity(count);
    let (mut place, mut shift) = (0u64, 0);
    for &byte in bytes {
        let bits = u64::from(byte & 0x7f);
        place |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
        if byte & 0x80 == 0 {
            places.push(place);
            (place, shift) = (0, 0);
        } else {
            shift += 7;
        }
    }
    (shift == 0 && places.len() == count).then_some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_back_or_refused() {
        for places in [vec![], vec![0], vec![127, 128, u64::MAX], vec![1_000_000; 60]] {
            let bytes = pack(&places);
            assert_eq!(unpack(&bytes, places.len()), Some(places.clone()));
            assert_eq!(unpack(&bytes, places.len() + 1), None);
            assert!(bytes.is_empty() || unpack(&bytes[..bytes.len() - 1], places.len()).is_none());
        }
        assert_eq!(unpack(&[0xff; 11], 1), None);
        assert_eq!(unpack(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], 1), None);
    }
}
