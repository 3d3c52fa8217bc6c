//! Corrupt rows: all are counted by reason and by log, and the first are kept with their line numbers, to be shown.
//!
//! A line's number is known only after all windows before it were counted, by any worker. So each worker keeps its own
//! [`RejectLog`], with places relative to windows. When all workers have ended, [`RejectReport::merge`] turns the
//! places into line numbers. The result does not depend on which worker parsed which window.

use std::collections::BinaryHeap;

use crate::model::{RejectCounts, RejectReason};
use crate::text::escape;

/// Maximum rejected rows that are kept to be shown.
pub(super) const MAX_SAMPLES: usize = 1000;

/// Bytes kept of each.
const SAMPLE_BYTES: usize = 200;

/// Counts and samples of the rows that one worker parsed.
///
/// Memory: 24 bytes a window that has rows or bytes (and the spare capacity of a `Vec`), and at most 1,000 samples of 200
/// bytes, about 230 KB. After the samples are full, a rejected row costs two comparisons. It costs more if it comes before
/// a sample, which happens at most 1,000 times an input whose windows come in order.
#[derive(Debug, Default)]
pub struct RejectLog {
    counts: RejectCounts,
    /// Parsed windows, except empty ones.
    windows: Vec<Window>,
    /// The window that is being parsed, with its rows so far.
    current: Window,
    /// Inputs with an accepted row, in the order parsed. An input can occur more than once.
    accepted: Vec<u32>,
    /// The first [`MAX_SAMPLES`] rejected rows in input order, the last on top.
    samples: BinaryHeap<Sample>,
    /// The bytes of the samples, a slot for each.
    slots: Vec<[u8; SAMPLE_BYTES]>,
    /// The first rejected row of each reason.
    firsts: [Option<Shown>; REASONS],
}

const REASONS: usize = RejectReason::ALL.len();

/// A stretch of whole rows of one input. It is small, so 32 bits are enough.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    input: u32,
    index: u32,
    rows: u32,
    rejected: u32,
    /// Bytes of the input that were read for it.
    bytes: u32,
    /// Those that are not in accepted rows. Less than zero where accepted rows end in the next window.
    lost: i32,
}

impl Window {
    fn is_empty(&self) -> bool {
        self.rows == 0 && self.bytes == 0
    }
}

/// Where a row is. The order is that of the day's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    input: u32,
    window: u32,
    /// Rows before it in the window.
    row: u64,
}

/// A rejected row with its bytes.
type Shown = (Place, RejectReason, Vec<u8>);

/// A kept row. Places are unique, so the order is that of the places.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sample {
    place: Place,
    reason: RejectReason,
    /// Its bytes are the first `length` of this slot.
    slot: usize,
    length: usize,
}

impl RejectLog {
    /// A log without rows, at window 0 of input 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins window `index` of input `input`, at its first row.
    ///
    /// The indices of an input's windows ascend. Only one of the logs that are merged may have a given window, once. A
    /// log may begin its windows in any order.
    pub fn begin_window(&mut self, input: u32, index: u32) {
        let next = Window { input, index, ..Window::default() };
        let done = std::mem::replace(&mut self.current, next);
        if done.rows > done.rejected && self.accepted.last() != Some(&done.input) {
            self.accepted.push(done.input);
        }
        if !done.is_empty() {
            self.windows.push(done);
        }
    }

    /// Notes how many bytes of the input were read for the window, and how many its rows have. The rows of a window may
    /// have a few bytes of the next, and lack the rest of a row that is too long.
    pub fn measure_window(&mut self, read: usize, rows: usize) {
        self.current.bytes = u32::try_from(read).unwrap_or(u32::MAX);
        let outside = read as i64 - rows as i64;
        let outside = i32::try_from(outside).unwrap_or(i32::MAX);
        self.current.lost = self.current.lost.saturating_add(outside);
    }

    /// Counts `rows` good rows, the next rows of the window.
    pub fn count_accepted(&mut self, rows: u64) {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        self.current.rows = self.current.rows.saturating_add(rows);
    }

    /// Counts a corrupt row, the next row of the window.
    pub fn reject(&mut self, reason: RejectReason, row: &[u8]) {
        self.counts.count(reason);
        let Window { input, index, rows, .. } = self.current;
        self.current.rejected = self.current.rejected.saturating_add(1);
        let line = i32::try_from(row.len()).unwrap_or(i32::MAX).saturating_add(1);
        self.current.lost = self.current.lost.saturating_add(line);
        self.count_accepted(1);
        let place = Place { input, window: index, row: rows.into() };
        let row = row.get(..SAMPLE_BYTES).unwrap_or(row);
        let first = &mut self.firsts[reason as usize];
        if first.as_ref().is_none_or(|(first, ..)| place < *first) {
            *first = Some((place, reason, row.to_vec()));
        }
        if self.samples.len() < MAX_SAMPLES {
            let slot = self.slots.len();
            self.slots.push([0; SAMPLE_BYTES]);
            fill(&mut self.slots, slot, row);
            self.samples.push(Sample { place, reason, slot, length: row.len() });
        } else if self.samples.peek().is_some_and(|last| place < last.place) {
            self.replace_last(place, reason, row);
        }
    }

    /// Rejected rows by reason so far.
    #[must_use]
    pub fn counts(&self) -> RejectCounts {
        self.counts
    }

    /// Replaces the last sample by the row.
    #[cold]
    fn replace_last(&mut self, place: Place, reason: RejectReason, row: &[u8]) {
        if let Some(mut last) = self.samples.peek_mut() {
            let slot = last.slot;
            fill(&mut self.slots, slot, row);
            *last = Sample { place, reason, slot, length: row.len() };
        }
    }

    /// All samples with their bytes, in any order.
    fn take_samples(&mut self) -> Vec<Shown> {
        let slots = std::mem::take(&mut self.slots);
        // `fill` has filled the slot of each sample with the row.
        let bytes_of = |sample: &Sample| slots[sample.slot][..sample.length].to_vec();
        let samples = std::mem::take(&mut self.samples).into_iter();
        samples.map(|sample| (sample.place, sample.reason, bytes_of(&sample))).collect()
    }
}

fn fill(slots: &mut [[u8; SAMPLE_BYTES]], slot: usize, row: &[u8]) {
    // The slot is new or that of a sample, and the row was cut to its length.
    slots[slot][..row.len()].copy_from_slice(row);
}

/// The counts and samples of all workers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RejectReport {
    /// Rejected rows by reason.
    pub counts: RejectCounts,
    /// Rows of each input, good and corrupt. Inputs after the last one with rows are absent.
    pub rows_by_input: Vec<u64>,
    /// The first 1,000 rejected rows, by input, then line.
    pub samples: Vec<RejectSample>,
    /// The first rejected row of each reason that there is.
    pub firsts: Vec<RejectSample>,
    /// What is corrupt of the inputs that have much of it, by input.
    pub suspects: Vec<Suspect>,
    /// Inputs with an accepted row, ascending.
    accepted: Vec<u32>,
}

/// An input with many corrupt rows, or many bytes in corrupt rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspect {
    /// Index of the input.
    pub input: u32,
    /// Its rows.
    pub rows: u64,
    /// Its corrupt rows.
    pub rejected: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Bytes of its corrupt rows.
    pub rejected_bytes: u64,
}

impl Suspect {
    /// Corrupt rows from which an input is one.
    pub const MIN_ROWS: u64 = 100;
    /// Bytes in corrupt rows from which an input is one.
    pub const MIN_BYTES: u64 = 16 << 10;

    /// What the windows of an input have together, if it is much. All bytes that are not in accepted rows are those of
    /// corrupt rows, if there are any: else they are a byte-order mark or a header.
    fn of(windows: &[Window]) -> Option<Self> {
        let sum = |of: fn(&Window) -> u32| windows.iter().map(|window| u64::from(of(window))).sum();
        let lost: i64 = windows.iter().map(|window| i64::from(window.lost)).sum();
        let suspect = Suspect {
            input: windows.first()?.input,
            rows: sum(|window| window.rows),
            rejected: sum(|window| window.rejected),
            bytes: sum(|window| window.bytes),
            rejected_bytes: lost.try_into().unwrap_or(0),
        };
        let Suspect { rejected, rejected_bytes, .. } = suspect;
        let is_one =
            rejected >= Self::MIN_ROWS || (rejected > 0 && rejected_bytes >= Self::MIN_BYTES);
        is_one.then_some(suspect)
    }

    /// Whether more than this share of its rows or bytes is corrupt.
    #[must_use]
    pub fn exceeds(&self, ratio: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a ratio to be compared with a typed limit")]
        let is_more = |part: u64, whole: u64| part as f64 > ratio * whole as f64;
        is_more(self.rejected, self.rows) || is_more(self.rejected_bytes, self.bytes)
    }
}

/// A rejected row to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectSample {
    /// Index of its input.
    pub input: u32,
    /// Its line in that input, from 1.
    pub line: u64,
    /// Why it is corrupt.
    pub reason: RejectReason,
    /// Its first bytes, at most 200, without LF and one CR.
    pub row: Vec<u8>,
}

impl RejectReport {
    /// Joins the logs of all workers.
    ///
    /// Memory: that of the logs once more. Time: a sort of their windows.
    #[must_use]
    pub fn merge(logs: Vec<RejectLog>) -> Self {
        let mut report = RejectReport::default();
        let (mut windows, mut samples, mut firsts) = (Vec::new(), Vec::new(), Vec::new());
        for mut log in logs {
            log.begin_window(0, 0);
            report.counts.add(&log.counts);
            samples.extend(log.take_samples());
            report.accepted.extend(log.accepted);
            windows.extend(log.windows);
            firsts.extend(log.firsts.into_iter().flatten());
        }
        windows.sort_unstable_by_key(|window| (window.input, window.index));
        samples.sort_unstable_by_key(|(place, ..)| *place);
        samples.truncate(MAX_SAMPLES);
        firsts.sort_unstable_by_key(|(place, reason, _)| (*reason as usize, *place));
        firsts.dedup_by_key(|(_, reason, _)| *reason);
        firsts.sort_unstable_by_key(|(place, ..)| *place);
        report.accepted.sort_unstable();
        report.accepted.dedup();
        report.samples = Self::number_lines(&windows, samples);
        report.firsts = Self::number_lines(&windows, firsts);
        report.count_rows(&windows);
        report
    }

    /// Rows with their lines. Walks sorted windows and sorted rows side by side: the rows of an input before a window give
    /// the number of its first line.
    fn number_lines(windows: &[Window], rows: Vec<Shown>) -> Vec<RejectSample> {
        let mut rows = rows.into_iter().peekable();
        let mut numbered = Vec::with_capacity(rows.len());
        for windows in windows.chunk_by(|one, other| one.input == other.input) {
            let mut before = 0_u64;
            for window in windows {
                let in_window =
                    |place: &Place| (place.input, place.window) <= (window.input, window.index);
                while let Some((place, reason, row)) = rows.next_if(|(place, ..)| in_window(place))
                {
                    let line = before.saturating_add(place.row).saturating_add(1);
                    numbered.push(RejectSample { input: place.input, line, reason, row });
                }
                before = before.saturating_add(window.rows.into());
            }
        }
        numbered
    }

    /// Adds up the sorted windows of each input.
    fn count_rows(&mut self, windows: &[Window]) {
        for windows in windows.chunk_by(|one, other| one.input == other.input) {
            let rows = windows.iter().map(|window| u64::from(window.rows)).sum();
            let input = windows.first().map_or(0, |window| window.input as usize);
            if rows > 0 {
                self.rows_by_input.resize(input, 0);
                self.rows_by_input.push(rows);
            }
            self.suspects.extend(Suspect::of(windows));
        }
    }

    /// The same for inputs whose first line is a header: lines are counted with it, rows are not.
    #[must_use]
    pub fn below_headers(mut self) -> Self {
        let samples = self.samples.iter_mut().chain(&mut self.firsts);
        samples.for_each(|sample| sample.line = sample.line.saturating_add(1));
        self
    }

    /// Whether the input has an accepted row.
    #[must_use]
    pub fn has_accepted(&self, input: usize) -> bool {
        u32::try_from(input).is_ok_and(|input| self.accepted.binary_search(&input).is_ok())
    }

    /// Rows of the input, good and corrupt.
    #[must_use]
    pub fn rows(&self, input: usize) -> u64 {
        self.rows_by_input.get(input).copied().unwrap_or(0)
    }

    /// The rejected rows as text, a line `name:line: reason: row` each. `name_of` gives the name of an input. `\` and
    /// bytes that are not printable ASCII are written as `\xNN`.
    ///
    /// Memory: at most four times the bytes of the samples and their names, and 40 a line.
    #[must_use]
    pub fn render<'a>(&self, name_of: impl Fn(usize) -> &'a [u8]) -> Vec<u8> {
        let mut text = Vec::new();
        for sample in &self.samples {
            escape(name_of(sample.input as usize), &mut text);
            let middle = format!(":{}: {}: ", sample.line, sample.reason.name());
            text.extend_from_slice(middle.as_bytes());
            escape(&sample.row, &mut text);
            text.push(b'\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn lines(report: &RejectReport) -> Vec<(u32, u64)> {
        report.samples.iter().map(|sample| (sample.input, sample.line)).collect()
    }

    #[test]
    fn the_text_shows_name_line_reason_and_row_with_every_odd_byte_escaped() {
        let mut log = RejectLog::new();
        log.begin_window(0, 0);
        log.count_accepted(41);
        log.reject(RejectReason::FieldCount, b"1,2,FR");
        log.begin_window(1, 0);
        log.reject(RejectReason::Blank, b"");
        log.reject(RejectReason::SongId, b"\x1b[2J\\|\0\x7f\xc3\xa9 ~|\tFR");
        let names = [&b"listen-20211201.log"[..], b"a\n\\b:\xff.log"];
        let text = RejectReport::merge(vec![log]).render(|input| names[input]);
        let expected = "listen-20211201.log:42: field_count: 1,2,FR\n\
                        a\\x0a\\x5cb:\\xff.log:1: blank: \n\
                        a\\x0a\\x5cb:\\xff.log:2: song_id: \
                        \\x1b[2J\\x5c|\\x00\\x7f\\xc3\\xa9 ~|\\x09FR\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn a_row_is_shown_by_its_first_200_bytes() {
        let mut log = RejectLog::new();
        for length in [199, 200, 201, 4098] {
            log.reject(RejectReason::FieldCount, &vec![b'x'; length]);
        }
        let report = RejectReport::merge(vec![log]);
        let lengths: Vec<_> = report.samples.iter().map(|sample| sample.row.len()).collect();
        assert_eq!(lengths, [199, 200, 200, 200]);
    }

    #[test]
    fn lines_go_on_over_the_windows_of_other_workers_and_start_anew_in_each_input() {
        let (mut one, mut other) = (RejectLog::new(), RejectLog::new());
        one.begin_window(0, 0);
        one.count_accepted(10);
        one.reject(RejectReason::Blank, b"");
        other.begin_window(0, 1);
        other.count_accepted(5);
        other.begin_window(0, 2);
        one.begin_window(0, 3);
        one.reject(RejectReason::UserId, b"1||FR");
        other.begin_window(2, 0);
        other.reject(RejectReason::UserId, b"2||FR");
        let report = RejectReport::merge(vec![other, one]);
        assert_eq!(report.rows_by_input, [17, 0, 1]);
        assert_eq!((report.rows(0), report.rows(2), report.rows(3)), (17, 1, 0));
        assert_eq!(lines(&report), [(0, 11), (0, 17), (2, 1)]);
        assert_eq!(report.counts.0, [0, 1, 0, 0, 2, 0]);
    }

    #[test]
    fn all_are_counted_and_a_thousand_at_most_are_kept() {
        let mut log = RejectLog::new();
        for _ in 0..=MAX_SAMPLES {
            log.reject(RejectReason::Blank, b"");
        }
        log.reject(RejectReason::Country, b"1|2|XX");
        assert_eq!(log.counts().0, [0, MAX_SAMPLES as u64 + 1, 0, 0, 0, 1]);
        assert_eq!((log.samples.len(), log.slots.len()), (MAX_SAMPLES, MAX_SAMPLES));
    }

    #[test]
    fn the_first_thousand_stay_when_an_earlier_input_comes_late() {
        let mut log = RejectLog::new();
        for input in [2, 1, 0] {
            log.begin_window(input, 0);
            for row in 0..600 {
                log.reject(RejectReason::FieldCount, format!("{input} {row}").as_bytes());
            }
        }
        let report = RejectReport::merge(vec![log]);
        let expected = (1..=600).map(|line| (0, line)).chain((1..=400).map(|line| (1, line)));
        assert_eq!(lines(&report), expected.collect::<Vec<_>>());
        for sample in &report.samples {
            let text = format!("{} {}", sample.input, sample.line - 1);
            assert_eq!(sample.row, text.as_bytes());
        }
        assert_eq!(report.counts.total(), 1800);
        assert_eq!(report.render(|_| &[]).split(|byte| *byte == b'\n').count(), 1001);
    }

    #[test]
    fn nothing_gives_an_empty_report_and_an_empty_text() {
        let report = RejectReport::merge(vec![RejectLog::new(), RejectLog::new()]);
        assert_eq!(report, RejectReport::default());
        assert_eq!(report.render(|_| b"a.log"), b"");
    }

    #[test]
    fn a_window_costs_24_bytes() {
        assert_eq!(size_of::<Window>(), 24);
    }

    /// Windows of three inputs as they are read: their worker, input, and whether each row is good.
    fn any_windows() -> impl Strategy<Value = Vec<(usize, u32, Vec<bool>)>> {
        vec((0..3_usize, 0..3_u32, vec(any::<bool>(), 0..120)), 0..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_report_is_that_of_reading_each_input_from_front_to_back(windows in any_windows()) {
            let mut logs: Vec<RejectLog> = (0..3).map(|_| RejectLog::new()).collect();
            let mut indices = [0; 3];
            let mut rows = [0_u64; 3];
            let mut expected = Vec::new();
            for (worker, input, good) in windows {
                let at = input as usize;
                logs[worker].begin_window(input, indices[at]);
                indices[at] += 1;
                for good in good {
                    rows[at] += 1;
                    if good {
                        logs[worker].count_accepted(1);
                    } else {
                        let row = format!("row {}", rows[at]).into_bytes();
                        logs[worker].reject(RejectReason::Country, &row);
                        let (line, reason) = (rows[at], RejectReason::Country);
                        expected.push(RejectSample { input, line, reason, row });
                    }
                }
            }
            let rejected = expected.len() as u64;
            expected.sort_by_key(|sample| (sample.input, sample.line));
            expected.truncate(1000);
            let report = RejectReport::merge(logs);
            prop_assert_eq!(report.counts.total(), rejected);
            prop_assert_eq!([0, 1, 2].map(|input| report.rows(input)), rows);
            prop_assert_eq!(report.samples, expected);
        }
    }
}
