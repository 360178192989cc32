//! The Orders service: takes orders, keeps them, and tells clients live.
