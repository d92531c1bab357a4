//! What searches did, counted.

/// What a search did. These are exact: every one is counted where it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SearchCounters {
    /// Nodes expanded.
    pub hops: u64,
    /// Nodes whose neighbours were looked at for eligible ones only.
    pub peeks: u64,
    /// Means of regions scored, to tell where eligible points are.
    pub regions_scored: u64,
    /// Codes scored.
    pub codes_scored: u64,
    /// Rows refined from their 8-bit codes.
    pub rows_refined: u64,
    /// Rows rescored from the original vectors.
    pub rows_rescored: u64,
    /// Points that were found and passed over, as their group was full.
    pub capped: u64,
}

impl SearchCounters {
    pub(crate) fn add(&mut self, other: &Self) {
        self.hops += other.hops;
        self.peeks += other.peeks;
        self.regions_scored += other.regions_scored;
        self.codes_scored += other.codes_scored;
        self.rows_refined += other.rows_refined;
        self.rows_rescored += other.rows_rescored;
        self.capped += other.capped;
    }
}
