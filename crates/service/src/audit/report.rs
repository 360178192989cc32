//! What `/health/audit` answers.

use std::collections::BTreeMap;

use holdfast_contract::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::board::Finding;

/// How the audit stands, from the worst on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AuditStatus)]
pub enum Status {
    /// Something does not add up.
    Mismatch,
    /// No round has been finished for so long that what it proved is old.
    Stale,
    /// The first round since the start is under way; nothing wrong was found so far.
    Running,
    /// Everything that was looked at adds up.
    Clean,
    /// Another instance of the service does it.
    Standby,
    /// It is switched off.
    Off,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::Mismatch, Self::Stale, Self::Running, Self::Clean, Self::Standby, Self::Off];

    /// The word in answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mismatch => "mismatch",
            Self::Stale => "stale",
            Self::Running => "running",
            Self::Clean => "clean",
            Self::Standby => "standby",
            Self::Off => "off",
        }
    }
}

/// One part of the audit: what is proved in one go, round by round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditPart)]
pub struct PartReport {
    /// Its name.
    #[schema(example = "books")]
    pub name: &'static str,
    /// How it stands.
    pub status: Status,
    /// Rounds that were finished since the start.
    pub rounds: u64,
    /// When the newest round began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When a round was finished last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// When a round was finished last that found nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub clean_at: Option<Timestamp>,
    /// Up to where it has proved what moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "mov-1205")]
    pub position: Option<String>,
    /// How much the newest finished round looked at.
    pub checked: BTreeMap<&'static str, u64>,
    /// How much the round that is under way has looked at so far.
    pub checking: BTreeMap<&'static str, u64>,
}

/// What the background audit has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditReport {
    /// Of which service.
    #[schema(example = "products")]
    pub service: &'static str,
    /// How it stands: as the worst of its parts.
    pub status: Status,
    /// Seconds of rest between two rounds.
    pub every_seconds: u64,
    /// Its parts.
    pub parts: Vec<PartReport>,
    /// What does not add up; 50 at most.
    pub findings: Vec<Finding>,
    /// How many there are.
    pub total_findings: u64,
}
