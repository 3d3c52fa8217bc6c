//! Why rows are corrupt, and how many are.

/// Why a row is corrupt. The order is the order of the checks: the first that fails is the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// More than 4,096 bytes.
    TooLong,
    /// Nothing, or nothing but spaces and tabs.
    Blank,
    /// Not exactly two `|`.
    FieldCount,
    /// The first field is no id.
    SongId,
    /// The second field is no id.
    UserId,
    /// The third field is no country.
    Country,
}

impl RejectReason {
    /// All of them, in the order of the checks; the position is the index in [`RejectCounts`].
    pub const ALL: [RejectReason; 6] = [
        RejectReason::TooLong,
        RejectReason::Blank,
        RejectReason::FieldCount,
        RejectReason::SongId,
        RejectReason::UserId,
        RejectReason::Country,
    ];

    /// The name in files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RejectReason::TooLong => "too_long",
            RejectReason::Blank => "blank",
            RejectReason::FieldCount => "field_count",
            RejectReason::SongId => "song_id",
            RejectReason::UserId => "user_id",
            RejectReason::Country => "country",
        }
    }
}

/// Rejected rows by reason, indexed as [`RejectReason::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RejectCounts(pub [u64; RejectReason::ALL.len()]);

impl RejectCounts {
    /// All rejected rows.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// One more of `reason`.
    pub fn count(&mut self, reason: RejectReason) {
        let slot = &mut self.0[reason as usize];
        *slot = slot.saturating_add(1);
    }

    /// Adds the other's counts.
    pub fn add(&mut self, other: &RejectCounts) {
        for (slot, count) in self.0.iter_mut().zip(other.0) {
            *slot = slot.saturating_add(count);
        }
    }

    /// Name and count of each reason, in the order of the checks.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        RejectReason::ALL.iter().zip(self.0).map(|(reason, count)| (reason.name(), count))
    }
}
