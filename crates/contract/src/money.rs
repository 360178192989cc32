//! Exact money: integer minor units inside, plain JSON numbers outside. No float touches it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

/// Why a number is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidAmount {
    /// Not a JSON number.
    #[error("expected a number")]
    NotANumber,
    /// Below zero.
    #[error("must not be negative")]
    Negative,
    /// More decimals than the currency has.
    #[error("has more than the {0} decimals that the currency has")]
    TooManyDecimals(u8),
    /// Beyond [`Money::MAX_MINOR`].
    #[error("is too large")]
    TooLarge,
    /// Not a currency code that is known here.
    #[error("expected an active ISO 4217 currency code, such as USD")]
    UnknownCurrency,
}

/// An exact, non-negative decimal number as it stands in JSON, before its currency is known.
///
/// `mantissa × 10^-scale`, without trailing zeros in the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    mantissa: u64,
    scale: u8,
}

impl Decimal {
    /// Reads a JSON number. Exponents are exact (`5.998e1` is 59.98).
    ///
    /// # Errors
    /// Negative numbers, anything that is not a JSON number, and what needs more than 19 digits.
    pub fn parse(text: &str) -> Result<Self, InvalidAmount> {
        let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (number, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(InvalidAmount::NotANumber);
        }
        let fraction = fraction.trim_end_matches('0');
        let mut mantissa: u64 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            mantissa = mantissa
                .checked_mul(10)
                .and_then(|m| m.checked_add(u64::from(byte - b'0')))
                .ok_or(InvalidAmount::TooLarge)?;
        }
        if mantissa == 0 {
            return Ok(Self { mantissa: 0, scale: 0 });
        }
        if negative {
            return Err(InvalidAmount::Negative);
        }
        let mut scale = i64::try_from(fraction.len()).unwrap_or(i64::MAX).saturating_sub(exponent);
        while scale > 0 && mantissa.is_multiple_of(10) {
            mantissa /= 10;
            scale -= 1;
        }
        while scale < 0 {
            mantissa = mantissa.checked_mul(10).ok_or(InvalidAmount::TooLarge)?;
            scale += 1;
        }
        Ok(Self { mantissa, scale: u8::try_from(scale).unwrap_or(u8::MAX) })
    }
}

fn parse_exponent(text: &str) -> Result<i64, InvalidAmount> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidAmount::NotANumber);
    }
    // Longer exponents all mean "too large" or "too many decimals": the clamp keeps the sign and cannot overflow.
    let size = digits.parse::<i64>().unwrap_or(10_000).min(10_000);
    Ok(if text.starts_with('-') { -size } else { size })
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.mantissa);
        }
        if self.scale > 19 {
            return write!(f, "{}e-{}", self.mantissa, self.scale);
        }
        let unit = 10u64.pow(u32::from(self.scale));
        let width = usize::from(self.scale);
        write!(f, "{}.{:0width$}", self.mantissa / unit, self.mantissa % unit)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A RawValue is how serde_json writes a number without going through a float.
        RawValue::from_string(self.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(serde::de::Error::custom)
    }
}

/// A currency by its ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

/// ISO 4217's active codes, without those that stand for no money that amounts can be counted in (metals, units of
/// account, tests). Three letters and a space each.
const ACTIVE: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD \
    CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD \
    GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD \
    LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR \
    PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD \
    TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";

impl Currency {
    /// US dollar, the default.
    pub const USD: Self = Self(*b"USD");

    /// Decimals of the currency (ISO 4217 "minor unit"): most have two.
    pub fn decimals(self) -> u8 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF"
            | b"UGX" | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            b"CLF" | b"UYW" => 4,
            _ => 2,
        }
    }

    /// Reads the code of a currency that is in use: for configuration. What is stored or sent is read by `FromStr`, which
    /// takes any three capital letters, as codes come and go.
    ///
    /// # Errors
    /// [`InvalidAmount::UnknownCurrency`].
    pub fn iso(code: &str) -> Result<Self, InvalidAmount> {
        let known = ACTIVE.as_bytes().chunks(4).any(|entry| entry.trim_ascii_end() == code.as_bytes());
        if known { code.parse() } else { Err(InvalidAmount::UnknownCurrency) }
    }

    /// The code.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl std::str::FromStr for Currency {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| InvalidAmount::UnknownCurrency)?;
        if code.iter().all(u8::is_ascii_uppercase) {
            Ok(Self(code))
        } else {
            Err(InvalidAmount::UnknownCurrency)
        }
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A non-negative amount in a currency, counted in its minor units (cents).
///
/// Has no `Deserialize`: an amount comes from a [`Decimal`] and the currency beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    minor: u64,
    currency: Currency,
}

impl Money {
    /// The largest amount, in minor units: every amount stays exact in a JavaScript client (2^53 − 1).
    pub const MAX_MINOR: u64 = (1 << 53) - 1;

    /// Takes an amount in minor units.
    ///
    /// # Errors
    /// [`InvalidAmount::TooLarge`] beyond [`Money::MAX_MINOR`].
    pub fn from_minor(minor: u64, currency: Currency) -> Result<Self, InvalidAmount> {
        if minor > Self::MAX_MINOR { Err(InvalidAmount::TooLarge) } else { Ok(Self { minor, currency }) }
    }

    /// Takes a number as it stood in JSON.
    ///
    /// # Errors
    /// More decimals than the currency has, or beyond [`Money::MAX_MINOR`].
    pub fn from_decimal(amount: Decimal, currency: Currency) -> Result<Self, InvalidAmount> {
        let decimals = currency.decimals();
        let missing = decimals.checked_sub(amount.scale).ok_or(InvalidAmount::TooManyDecimals(decimals))?;
        let minor =
            amount.mantissa.checked_mul(10u64.pow(u32::from(missing))).ok_or(InvalidAmount::TooLarge)?;
        Self::from_minor(minor, currency)
    }

    /// The amount in minor units.
    pub fn minor(self) -> u64 {
        self.minor
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// The amount `quantity` times; `None` beyond [`Money::MAX_MINOR`].
    pub fn times(self, quantity: u32) -> Option<Self> {
        let minor = self.minor.checked_mul(u64::from(quantity))?;
        Self::from_minor(minor, self.currency).ok()
    }

    /// The sum; `None` beyond [`Money::MAX_MINOR`] or for different currencies.
    pub fn plus(self, other: Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        Self::from_minor(self.minor.checked_add(other.minor)?, self.currency).ok()
    }

    /// The number that stands for this amount in JSON.
    pub fn to_decimal(self) -> Decimal {
        let mut decimal = Decimal { mantissa: self.minor, scale: self.currency.decimals() };
        while decimal.scale > 0 && decimal.mantissa.is_multiple_of(10) {
            decimal.mantissa /= 10;
            decimal.scale -= 1;
        }
        decimal
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = Decimal { mantissa: self.minor, scale: self.currency.decimals() };
        write!(f, "{decimal} {}", self.currency)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_decimal().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usd(text: &str) -> Result<u64, InvalidAmount> {
        Money::from_decimal(Decimal::parse(text)?, Currency::USD).map(Money::minor)
    }

    #[test]
    fn reads_what_json_can_write() {
        for (text, minor) in [
            ("59.98", 5998),
            ("60", 6000),
            ("60.0", 6000),
            ("0.1", 10),
            ("5.998e1", 5998),
            ("6E+1", 6000),
            ("1e2", 10000),
            ("0", 0),
            ("-0", 0),
            ("0e400", 0),
            ("6000e-2", 6000),
            ("0.10000000", 10),
        ] {
            assert_eq!(usd(text), Ok(minor), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_amount() {
        use InvalidAmount::{Negative, NotANumber, TooLarge, TooManyDecimals};
        for (text, why) in [
            ("29.999", TooManyDecimals(2)),
            ("1e-3", TooManyDecimals(2)),
            ("1e-99999999999999999999", TooManyDecimals(2)),
            ("-1", Negative),
            ("1e400", TooLarge),
            ("1e99999999999999999999", TooLarge),
            ("99999999999999999999", TooLarge),
            ("90071992547409.92", TooLarge),
            ("NaN", NotANumber),
            ("\"5\"", NotANumber),
            ("", NotANumber),
            ("1.", NotANumber),
            (".5", NotANumber),
            ("1e", NotANumber),
            ("+1", NotANumber),
            ("0x10", NotANumber),
            ("null", NotANumber),
        ] {
            assert_eq!(usd(text), Err(why), "{text}");
        }
        let yen = "JPY".parse().unwrap();
        assert!(Money::from_decimal(Decimal::parse("10.5").unwrap(), yen).is_err());
        assert_eq!(Money::from_decimal(Decimal::parse("10").unwrap(), yen).unwrap().minor(), 10);
    }

    #[test]
    fn shops_are_run_in_currencies_that_exist() {
        assert!(
            ACTIVE.split(' ').all(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase()))
        );
        assert!(ACTIVE.split(' ').is_sorted_by(|a, b| a < b));
        for code in ["USD", "EUR", "AED", "ZWG", "JPY"] {
            assert_eq!(Currency::iso(code).unwrap().code(), code);
        }
        for wrong in ["", "USD ", "usd", "ABC", "XXX", "XAU", "DEM", "SD ", "D E", "US", "USD EUR"] {
            assert!(Currency::iso(wrong).is_err(), "{wrong}");
        }
        // What was stored stays readable when a code goes out of use.
        assert_eq!("DEM".parse::<Currency>().unwrap().code(), "DEM");
    }

    proptest! {
        #[test]
        fn json_round_trip_is_exact(minor in 0..=Money::MAX_MINOR, code in prop::sample::select(vec!["USD", "JPY", "KWD", "CLF"])) {
            let currency: Currency = code.parse().unwrap();
            let money = Money::from_minor(minor, currency).unwrap();
            let json = serde_json::to_string(&money).unwrap();
            let back: Decimal = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(Money::from_decimal(back, currency).unwrap(), money);
        }

        #[test]
        fn any_text_is_refused_or_read(text in "[-+0-9eE.]{0,30}") {
            let _ = usd(&text);
        }
    }
}
