//! The words for an order's state, as numbers and names on the wire. The rules between them are the Orders service's.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where an order is on its way. Numbers are public and persisted: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum OrderStatus {
    /// Taken.
    Pending = 1,
    /// Being packed.
    Processing = 2,
    /// On its way; the goods have left.
    Shipped = 3,
    /// Arrived. Final.
    Delivered = 4,
    /// Will not be delivered. Final.
    Cancelled = 5,
}

impl OrderStatus {
    /// Every status, in order of its number.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Processing, Self::Shipped, Self::Delivered, Self::Cancelled];

    /// The public number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The status with this number.
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|s| u64::from(s.code()) == code)
    }

    /// The name that requests use (`cancelled`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status with this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name().eq_ignore_ascii_case(name))
    }

    /// What people read.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Processing => "Processing",
            Self::Shipped => "Shipped",
            Self::Delivered => "Delivered",
            Self::Cancelled => "Cancelled",
        }
    }

    /// A colour for badges.
    pub fn color(self) -> &'static str {
        match self {
            Self::Pending => "#f59e0b",
            Self::Processing => "#3b82f6",
            Self::Shipped => "#8b5cf6",
            Self::Delivered => "#10b981",
            Self::Cancelled => "#ef4444",
        }
    }
}

impl Serialize for OrderStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.code())
    }
}

impl<'de> Deserialize<'de> for OrderStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = u64::deserialize(deserializer)?;
        Self::from_code(code).ok_or_else(|| serde::de::Error::custom("expected a status from 1 to 5"))
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The value with this word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What Products has said about an order's stock.
    StockStatus {
        /// Asked, not answered.
        Pending = "pending",
        /// Every line is held.
        Reserved = "reserved",
        /// Nothing is held: it cannot be had.
        Rejected = "rejected",
        /// What was held (or nothing) was given back.
        Released = "released",
        /// The goods have left.
        Fulfilled = "fulfilled",
        /// The goods had left and were booked back in.
        Returned = "returned",
    }
}

words! {
    /// How an order is paid. The codes 1–7 are accepted too, in this order.
    PaymentMethod {
        /// 1
        CreditCard = "credit_card",
        /// 2
        DebitCard = "debit_card",
        /// 3
        Upi = "upi",
        /// 4
        NetBanking = "net_banking",
        /// 5
        Wallet = "wallet",
        /// 6
        CashOnDelivery = "cash_on_delivery",
        /// 7
        Stripe = "stripe",
    }
}

impl PaymentMethod {
    /// The method with this code, 1–7.
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?.checked_sub(1)?).copied()
    }
}

words! {
    /// Whether an order is paid.
    PaymentStatus {
        /// Not yet.
        Pending = "pending",
        /// Yes.
        Paid = "paid",
        /// It was refused.
        Failed = "failed",
        /// Yes, and given back.
        Refunded = "refunded",
    }
}
