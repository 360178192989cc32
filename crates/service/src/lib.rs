//! What every service of Holdfast has: configuration, lifecycle, telemetry, the HTTP envelope, health.
