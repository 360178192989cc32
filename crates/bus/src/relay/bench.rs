//! Measures a relay against a bare producer.
