//! Why rows are corrupt, and how many are.

use std::collections::BTreeMap;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Column;

/// Why a row is corrupt. The order is the order of the checks: the first that fails is the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// More than 4,096 bytes.
    TooLong,
    /// Empty, or only spaces and tabs.
    Blank,
    /// Another number of fields than the shape of rows has, or a quote at the start of a field that is ignored.
    FieldCount,
    /// The song is not an id.
    SongId,
    /// The user is not an id.
    UserId,
    /// The country is not one that is accepted.
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

    /// The column whose field is wrong; `None` if the row as a whole is.
    #[must_use]
    pub const fn column(self) -> Option<Column> {
        match self {
            RejectReason::TooLong | RejectReason::Blank | RejectReason::FieldCount => None,
            RejectReason::SongId => Some(Column::Song),
            RejectReason::UserId => Some(Column::User),
            RejectReason::Country => Some(Column::Country),
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

    /// Counts a row with this reason.
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

/// A map from the name of each reason to its count.
impl Serialize for RejectCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.named())
    }
}

/// Reads such a map. A reason that is absent was unknown to the writer, so no row has it; a name that is unknown here
/// is ignored.
impl<'de> Deserialize<'de> for RejectCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let count = |reason: RejectReason| named.get(reason.name()).copied().unwrap_or(0);
        Ok(RejectCounts(RejectReason::ALL.map(count)))
    }
}

/// Rows of a day, or of several days together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct RowCounts {
    /// All rows; if the rejects are unknown, the counted rows.
    pub rows: u64,
    /// Counted rows.
    pub accepted: u64,
    /// Rejected rows by reason; `None` where those of a day are unknown, because it was imported from another program's
    /// tables.
    pub rejects: Option<RejectCounts>,
}

/// With the field `rejected`, their sum.
impl Serialize for RowCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("RowCounts", 4)?;
        fields.serialize_field("rows", &self.rows)?;
        fields.serialize_field("accepted", &self.accepted)?;
        fields.serialize_field("rejected", &self.rejected())?;
        fields.serialize_field("rejects", &self.rejects)?;
        fields.end()
    }
}

impl RowCounts {
    /// The rows of no day.
    pub const NONE: RowCounts = RowCounts {
        rows: 0,
        accepted: 0,
        rejects: Some(RejectCounts([0; RejectReason::ALL.len()])),
    };

    /// The rows of one day.
    #[must_use]
    pub fn of_day(rows: u64, rejects: Option<RejectCounts>) -> Self {
        let rejected = rejects.map_or(0, |rejects| rejects.total());
        RowCounts { rows, accepted: rows.saturating_sub(rejected), rejects }
    }

    /// Rejected rows, if they are known.
    #[must_use]
    pub fn rejected(&self) -> Option<u64> {
        self.rejects.map(|rejects| rejects.total())
    }

    /// The sum of both: unknown if either is unknown. `None` where the rows exceed 2^63-1.
    #[must_use]
    pub fn checked_add(&self, other: &RowCounts) -> Option<Self> {
        let rows = self.rows.checked_add(other.rows).filter(|rows| i64::try_from(*rows).is_ok())?;
        let rejects = self.rejects.zip(other.rejects).map(|(mut sum, more)| {
            sum.add(&more);
            sum
        });
        Some(RowCounts { rows, accepted: self.accepted.checked_add(other.accepted)?, rejects })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_add_up_to_at_most_a_bigint_and_one_unknown_makes_the_sum_unknown() {
        let known = RowCounts::of_day(10, Some(RejectCounts([1, 0, 2, 0, 0, 0])));
        let unknown = RowCounts::of_day(5, None);
        assert_eq!((known.accepted, known.rejected()), (7, Some(3)));
        assert_eq!((unknown.accepted, unknown.rejected()), (5, None));
        assert_eq!(RowCounts::NONE.checked_add(&known), Some(known));
        let both = known.checked_add(&unknown).unwrap();
        assert_eq!((both.rows, both.accepted, both.rejects), (15, 12, None));
        assert_eq!(both.checked_add(&known).unwrap().rejects, None);
        let most = RowCounts::of_day(i64::MAX as u64 - 10, Some(RejectCounts::default()));
        assert!(most.checked_add(&known).is_some());
        assert_eq!(most.checked_add(&both), None);
    }

    #[test]
    fn a_reason_that_is_absent_counts_no_row() {
        let counts = RowCounts::of_day(9, Some(RejectCounts([1, 0, 0, 0, 0, 2])));
        let json = serde_json::to_string(&counts).unwrap();
        assert_eq!(serde_json::from_str::<RowCounts>(&json).unwrap(), counts);
        let older = json.replace(r#""song_id":0,"#, "");
        assert_ne!(older, json);
        assert_eq!(serde_json::from_str::<RowCounts>(&older).unwrap(), counts);
    }

    #[test]
    fn what_is_unknown_is_null() {
        let counts = RowCounts::of_day(5, None);
        let text = serde_json::to_string(&counts).unwrap();
        assert_eq!(text, r#"{"rows":5,"accepted":5,"rejected":null,"rejects":null}"#);
        assert_eq!(serde_json::from_str::<RowCounts>(&text).unwrap(), counts);
    }
}
