//! The Products service: owns stock, and decides who gets it.
