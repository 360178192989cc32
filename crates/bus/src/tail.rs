//! A place in several partitions at once, and its opaque text form: the `seq` of live messages.

use std::fmt;

use holdfast_storage::{Bounds, Incarnation, Record, TopicPartition};

use crate::BusError;

/// Where a tail starts.
#[derive(Clone, Debug)]
pub enum TailFrom<'a> {
    /// With the next record.
    Now,
    /// After a place that [`TailPosition`] wrote.
    Token(&'a str),
}

/// The next offset of every partition of some topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailPosition {
    /// Stands for the incarnations of the logs; a token of other logs does not fit.
    logs: u64,
    /// Sorted by partition.
    next: Vec<(TopicPartition, u64)>,
}

const RADIX: u64 = 36;

impl TailPosition {
    /// The ends of `bounds`, in logs of these `incarnations` (in a fixed order).
    pub fn at_end(incarnations: &[Incarnation], bounds: &[Bounds]) -> Self {
        let mut next: Vec<_> = bounds.iter().map(|b| (b.partition, b.end)).collect();
        next.sort_unstable();
        // FNV-1a; it only has to tell different logs apart.
        let logs =
            incarnations.iter().flat_map(|i| i.0.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Self { logs, next }
    }

    /// Reads a token for the logs that `end` is the end of.
    ///
    /// # Errors
    /// [`BusError::InvalidPosition`] if it is no token of this many partitions or lies after the end,
    /// [`BusError::TooFarBehind`] if it is of other logs or before the start of what they hold.
    pub fn parse(token: &str, end: &Self, bounds: &[Bounds]) -> Result<Self, BusError> {
        let mut parts = token.split('.').map(|part| u64::from_str_radix(part, RADIX as u32));
        let mut number = || parts.next()?.ok();
        let logs = number().ok_or(BusError::InvalidPosition)?;
        if logs != end.logs {
            return Err(BusError::TooFarBehind);
        }
        let mut position = Self { logs, next: Vec::with_capacity(end.next.len()) };
        for &(partition, newest) in &end.next {
            let next = number().filter(|&n| n <= newest).ok_or(BusError::InvalidPosition)?;
            let start = bounds.iter().find(|b| b.partition == partition).map_or(0, |b| b.start);
            if next < start {
                return Err(BusError::TooFarBehind);
            }
            position.next.push((partition, next));
        }
        if parts.next().is_some() { Err(BusError::InvalidPosition) } else { Ok(position) }
    }

    /// Moves after `record`, if it is from one of these partitions and not before the position.
    pub fn step(&mut self, record: &Record) -> bool {
        let partition = record.topic_partition();
        match self.next.binary_search_by_key(&partition, |(p, _)| *p) {
            Ok(found) if self.next[found].1 <= record.offset => {
                self.next[found].1 = record.offset + 1;
                true
            }
            _ => false,
        }
    }

    /// The next offset of each partition.
    pub fn offsets(&self) -> &[(TopicPartition, u64)] {
        &self.next
    }

    /// Whether every record before `self` is also before `other`.
    pub fn is_within(&self, other: &Self) -> bool {
        self.logs == other.logs
            && self.next.len() == other.next.len()
            && self.next.iter().zip(&other.next).all(|(a, b)| a.0 == b.0 && a.1 <= b.1)
    }
}

impl fmt::Display for TailPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_radix(self.logs, f)?;
        for (_, next) in &self.next {
            f.write_str(".")?;
            write_radix(*next, f)?;
        }
        Ok(())
    }
}

fn write_radix(mut number: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut digits = [0u8; 13];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % RADIX) as usize];
        number /= RADIX;
        if number == 0 {
            return f.write_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_contract::{Partition, Topic};

    use super::*;

    fn bounds(start: u64, end: u64) -> Vec<Bounds> {
        [(Topic::OrderLive, 0), (Topic::OrderLive, 1), (Topic::StockChanged, 0)]
            .map(|(topic, p)| Bounds {
                partition: TopicPartition { topic, partition: Partition(p) },
                start,
                end,
            })
            .to_vec()
    }

    #[test]
    fn a_token_is_read_back_or_refused() {
        let logs = [Incarnation(u64::MAX), Incarnation(3)];
        let end = TailPosition::at_end(&logs, &bounds(0, 40));
        let token = end.to_string();
        assert_eq!(TailPosition::parse(&token, &end, &bounds(0, 40)).unwrap(), end);
        for garbled in
            ["", "x", "!", "..", &format!("{token}.1"), &token[..token.len() - 3], &format!("{token}z")]
        {
            assert!(TailPosition::parse(garbled, &end, &bounds(0, 40)).is_err(), "{garbled}");
        }
        let trimmed = TailPosition::parse(&token, &end, &bounds(41, 90));
        assert!(matches!(trimmed, Err(BusError::TooFarBehind)));
        let other = TailPosition::at_end(&[Incarnation(1)], &bounds(0, 40));
        assert!(matches!(TailPosition::parse(&token, &other, &bounds(0, 40)), Err(BusError::TooFarBehind)));
    }
}
