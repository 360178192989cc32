//! Points in time, as the API and the events write them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since the Unix epoch, UTC. Written as RFC 3339 with exactly three decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The latest instant that RFC 3339 can write (end of the year 9999).
    const MAX_MILLIS: i64 = 253_402_207_200_999;
    /// The earliest: the start of the year 0.
    const MIN_MILLIS: i64 = -62_167_219_200_000;

    /// Takes milliseconds since the epoch; values outside the years 0–9999 are clamped.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(Self::MIN_MILLIS, Self::MAX_MILLIS))
    }

    /// Milliseconds since the epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is, in milliseconds; 0 if it is not after it.
    pub fn millis_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

/// `2026-01-31T23:59:59.999Z`
const WRITTEN: usize = 24;

impl Timestamp {
    /// The written form, for years 0 to 9999. By hand: several are written for every order.
    fn written(self) -> [u8; WRITTEN] {
        let (days, millis) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        let (year, month, day) = civil_from_days(days);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut digits = |from: usize, to: usize, mut number: i64| {
            for place in (from..to).rev() {
                text[place] = b'0' + u8::try_from(number.rem_euclid(10)).unwrap_or(0);
                number /= 10;
            }
        };
        digits(0, 4, year);
        digits(5, 7, month);
        digits(8, 10, day);
        digits(11, 13, millis / 3_600_000);
        digits(14, 16, millis / 60_000 % 60);
        digits(17, 19, millis / 1_000 % 60);
        digits(20, 23, millis % 1_000);
        text
    }
}

/// Year, month and day of a day counted from 1970-01-01 in the Gregorian calendar: eras of 400 years that start in
/// March, so that leap days come last (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.written()).unwrap_or_default())
    }
}

impl std::str::FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>().map(|t| Self::from_millis(t.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.written()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|_| serde::de::Error::custom("expected an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_written_as_a_calendar_library_does(millis in Timestamp::MIN_MILLIS..=Timestamp::MAX_MILLIS) {
            let at = Timestamp::from_millis(millis);
            let expected = jiff::Timestamp::from_millisecond(millis).unwrap();
            prop_assert_eq!(at.to_string(), format!("{expected:.3}"));
            prop_assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
        }
    }

    #[test]
    fn writes_three_decimals_and_reads_them_back() {
        let at = Timestamp::from_millis(1_763_600_000_120);
        assert_eq!(at.to_string(), "2025-11-20T00:53:20.120Z");
        assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
    }
}
