//! Conformance suite of the store.
