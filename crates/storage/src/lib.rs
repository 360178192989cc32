//! What every store of Holdfast stands on: an atomic commit, a journal of outgoing records, consumed positions.
