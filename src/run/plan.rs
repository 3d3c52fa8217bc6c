//! The ranges of all runs and the form of a row, chosen from a sample.

use super::Row;
use super::chunk::{Arena, DrainNeeds};
use super::packing::{Packing, Tags};
use super::splitters::Splitters;
use crate::budget::CountPlan;
use crate::error::Result;
use crate::model::{Country, Kind, PerKind, Position, RowBatch};

/// Percentage of the sample's rows that should fit the packing. More ranges are tried until they do.
const MIN_PACKED_PERCENT: usize = 99;
/// Percentage of the sample's rows that must fit one word; otherwise every row takes two words. That is hardly more
/// memory than a mixture of one word and three, and no range needs the slower sort.
const MIN_SINGLE_PERCENT: usize = 75;
/// Maximum number of ranges. With more, chunks that are not full waste more memory than packing saves.
const MAX_RANGES: usize = 4096;
/// Bits of a song on the country side. With the ten bits of a country number they fill a word, and nearly every row
/// fits.
const COUNTRY_SONG_BITS: u32 = 54;

/// Rows from all parts of the logs.
#[derive(Debug, Default)]
pub struct Sample {
    /// Their tag is the country's number.
    rows: Vec<Row>,
}

impl Sample {
    /// Adds the rows of a batch.
    pub fn add(&mut self, batch: &RowBatch) {
        self.rows.extend(batch_rows(batch, 0));
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The positions of the rows in the run of a kind.
    fn positions(&self, kind: Kind, tags: &Tags) -> Vec<Position> {
        let key = |row: &Row| match kind {
            Kind::User => row.key,
            Kind::Country => tags.tag(low_16(row.tag)),
        };
        self.rows.iter().map(|row| Position { key: key(row), song: row.song }).collect()
    }

    /// Bits of the widest song.
    fn song_bits(&self) -> u32 {
        64 - self.rows.iter().fold(0, |all, row| all | row.song).leading_zeros()
    }
}

/// The memory and threads of a plan.
#[derive(Debug, Clone, Copy)]
pub struct Means {
    /// Bytes of the arena, and rows of the largest range that is sorted at once.
    pub shares: CountPlan,
    /// Threads that fill and drain.
    pub threads: usize,
}

/// Where rows go. The counts do not depend on it, only the speed.
#[derive(Debug)]
pub struct Plan {
    pub(super) means: Means,
    pub(super) sides: PerKind<Side>,
    /// Keys of the country side are tags.
    pub(super) tags: Tags,
}

/// Where the rows of one run go.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) splitters: Splitters,
    /// Rows of the first run carry a tag, those of all others do not.
    pub(super) packing: Packing,
}

impl Plan {
    /// A plan for `expected` rows like those of the sample, of these countries in ascending order.
    #[must_use]
    pub fn new(
        sample: &Sample,
        countries: impl IntoIterator<Item = Country>,
        means: Means,
        expected: u64,
    ) -> Self {
        let tags = Tags::new(countries);
        // At most the bits of the country side, because draining relies on rows that do not grow.
        let single = Packing::new(sample.song_bits().min(COUNTRY_SONG_BITS), tags.bits());
        let (mut first, mut ranges, fitting) = means.first_side(sample, single, &tags, expected);
        let mut untagged = Packing::new(COUNTRY_SONG_BITS, 0);
        if fitting * 100 < sample.len() * MIN_SINGLE_PERCENT {
            untagged = Packing::double(0);
            let double = Packing::double(tags.bits());
            (first, ranges, _) = means.first_side(sample, double, &tags, expected);
        }
        tracing::debug!(ranges, sampled = sample.len(), packing = ?first.packing, "splitters chosen");
        let sides = PerKind::new(|kind| match kind {
            Kind::FIRST => first.clone(),
            later => Side::new(sample, later, &tags, untagged, ranges),
        });
        Plan { means, sides, tags }
    }

    /// A plan of `ranges` ranges with rows of one word, to compare plans.
    #[must_use]
    pub fn with_ranges(
        sample: &Sample,
        countries: impl IntoIterator<Item = Country>,
        means: Means,
        ranges: usize,
    ) -> Self {
        let tags = Tags::new(countries);
        let tagged = Packing::new(sample.song_bits().min(COUNTRY_SONG_BITS), tags.bits());
        let untagged = Packing::new(COUNTRY_SONG_BITS, 0);
        let sides = PerKind::new(|kind| {
            let packing = if kind == Kind::FIRST { tagged } else { untagged };
            Side::new(sample, kind, &tags, packing, ranges)
        });
        Plan { means, sides, tags }
    }

    /// Where rows go first.
    pub(super) fn first(&self) -> &Side {
        &self.sides[Kind::FIRST]
    }

    /// Reserves the arena.
    pub fn arena(&self) -> Result<Arena> {
        Arena::new(self.means.shares.arena)
    }

    /// Ranges of the first run.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.first().splitters.ranges()
    }

    /// The range of the first run that a row of this user and song goes to.
    #[must_use]
    pub fn range_of(&self, user: u64, song: u64) -> usize {
        self.first().splitters.range_of(Position { key: user, song })
    }

    /// Number of chunks that draining needs beyond those that it gives back.
    pub(super) fn reserve(&self) -> usize {
        let later = self.sides.iter().filter(|(kind, _)| *kind != Kind::FIRST);
        let ranges = later.map(|(_, side)| side.splitters.ranges()).fold(1, usize::max);
        self.means.needs(ranges).reserve()
    }

    /// The rows of a batch from `from` on, with the country's dense number as tag.
    pub(super) fn rows(&self, batch: &RowBatch, from: usize) -> impl Iterator<Item = Row> {
        let tag = |row: &Row| self.tags.tag(low_16(row.tag));
        batch_rows(batch, from).map(move |row| Row { tag: tag(&row), ..row })
    }
}

impl Side {
    fn new(sample: &Sample, kind: Kind, tags: &Tags, packing: Packing, ranges: usize) -> Self {
        let splitters = Splitters::from_sample(&mut sample.positions(kind, tags), ranges);
        Side { splitters, packing }
    }
}

impl Means {
    fn needs(&self, ranges: usize) -> DrainNeeds {
        let CountPlan { arena, max_rows, .. } = self.shares;
        DrainNeeds { chunks: Arena::chunks_in(arena), threads: self.threads, ranges, max_rows }
    }

    /// The first side for this packing, the number of ranges asked for, and the number of the sample's rows that fit.
    fn first_side(
        &self,
        sample: &Sample,
        packing: Packing,
        tags: &Tags,
        expected: u64,
    ) -> (Side, usize, usize) {
        let max_ranges = self.needs(1).max_ranges().min(MAX_RANGES);
        let capacity = (self.shares.arena / (8 * packing.words())) as u64;
        let wanted = expected.min(capacity) / (self.shares.max_rows as u64 / 4);
        let mut ranges = usize::try_from(wanted).unwrap_or(max_ranges).clamp(1, max_ranges);
        let mut positions = sample.positions(Kind::FIRST, tags);
        // More ranges bring keys nearer to the start of their range, but do not make songs fit.
        let able = sample.rows.iter().filter(|row| packing.fits(row.key, **row)).count();
        loop {
            let splitters = Splitters::from_sample(&mut positions, ranges);
            let splitters = splitters.within_distance(packing.max_distance(), max_ranges);
            let base = |row: &Row| splitters.base(splitters.range_of(position(row)));
            let fits = |row: &&Row| packing.fits(base(row), **row);
            let fitting = sample.rows.iter().filter(fits).count();
            // With few ranges the log is small, and better packing is not worth more ranges.
            let small = ranges < 64;
            if small || fitting * 100 >= able * MIN_PACKED_PERCENT || 2 * ranges > max_ranges {
                return (Side { splitters, packing }, ranges, fitting);
            }
            ranges *= 2;
        }
    }
}

fn position(row: &Row) -> Position {
    Position { key: row.key, song: row.song }
}

#[expect(clippy::cast_possible_truncation, reason = "a country number, below 676")]
const fn low_16(number: u64) -> u16 {
    number as u16
}

/// The rows of a batch from `from` on, with the country's number as tag.
fn batch_rows(batch: &RowBatch, from: usize) -> impl Iterator<Item = Row> + '_ {
    let columns = batch.users.iter().zip(&batch.songs).zip(&batch.countries);
    columns.skip(from).map(|((&key, &song), &country)| Row { key, song, tag: u64::from(country) })
}
