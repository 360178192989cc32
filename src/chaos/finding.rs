//! What is wrong.

use serde::Serialize;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    /// In words, with the ids and keys that it is about.
    pub(crate) what: String,
}

/// What sort of thing it is. In the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    /// A client was told of something that is not there, or not any more.
    AcknowledgedLost,
    /// Something happened twice that was asked for once.
    DoubleEffects,
    /// More was held or sold than there was, or a balance was negative.
    Oversold,
    /// Stock that is not what orders, holds and corrections make it.
    Unbalanced,
    /// Something still waits to be decided.
    Undecided,
    /// A request was not answered, however often it was sent.
    Unanswered,
    /// A live client was not told of a change.
    LiveMissed,
    /// A live client was told of a change twice, or out of order.
    LiveRepeated,
    /// An answer that the contract does not have.
    OutsideContract,
    /// A process that ended, or did not end, as it should.
    Process,
    /// What the audit says.
    Audit,
}

impl Kind {
    pub(crate) const ALL: [Self; 11] = [
        Self::AcknowledgedLost,
        Self::DoubleEffects,
        Self::Oversold,
        Self::Unbalanced,
        Self::Undecided,
        Self::Unanswered,
        Self::LiveMissed,
        Self::LiveRepeated,
        Self::OutsideContract,
        Self::Process,
        Self::Audit,
    ];

    /// In tables.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::AcknowledgedLost => "acknowledged and lost",
            Self::DoubleEffects => "double effects",
            Self::Oversold => "oversold or negative",
            Self::Unbalanced => "stock that does not add up",
            Self::Undecided => "undecided",
            Self::Unanswered => "never answered",
            Self::LiveMissed => "live events missed",
            Self::LiveRepeated => "live events repeated",
            Self::OutsideContract => "answers outside the contract",
            Self::Process => "processes that failed",
            Self::Audit => "problems that the audit found",
        }
    }

    /// A finding of this kind.
    pub(crate) fn finding(self, what: impl Into<String>) -> Finding {
        Finding { kind: self, what: what.into() }
    }
}
