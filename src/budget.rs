//! Divides `--memory` among the parts of a run, before it starts.
//!
//! The limit is for the kernel's figure of the whole process (`VmHWM`). The shares below exclude a fixed part for the
//! program itself. Scripts that run days of 30 million rows check them.

use crate::error::{ErrorKind, Result};

const MIB: u64 = 1 << 20;

/// The program, its stacks, the allocator's slack, and what is too small to be counted.
const FIXED: u64 = 10 * MIB;
/// Blocks of an emission on their way to the disk, which are outside of all shares.
#[cfg(test)]
const ON_THE_WAY: u64 = 4 * MIB;
/// Minimum memory of a thread; with less it is not started.
const MIN_THREAD_SHARE: u64 = 24 * MIB;
/// A thread's window of the log, its batch of rows and its corrupt rows.
const READER: u64 = 2 * MIB;
/// A row in the range that a thread sorts: up to 36 bytes to sort, 24 as an entry, and the rest in encoded pieces that
/// wait.
const SORTED_ROW: u64 = 88;
/// One input of a merge: a decoded block, an encoded block, an index page, the decoder, and its share of a round's
/// buffers.
const MERGE_INPUT: u64 = 520 << 10;
/// A merged entry: 24 bytes where it is made, 24 where it is encoded, and the rest in encoded pieces that wait.
const MERGED_ENTRY: u64 = 64;
/// A merged entry of an emission: two words of 16 bytes, and as text at most 42 bytes in each of four buffers a thread.
/// All of these may be a quarter longer.
const EMITTED_ENTRY: u64 = 250;
/// An entry of an exported piece: 24 bytes where it is merged, and 24 where it is cut.
const EXPORTED_ENTRY: u64 = 48;
/// A row of an imported table: an entry.
const IMPORTED_ROW: u64 = 24;
/// Minimum memory of the decoder of tables, in addition to [`DECODER_BASE`].
const MIN_DECODER: u64 = 24 * MIB;
/// The decoder's memory when it starts: the program's own pages, which it shares with the run and which count twice.
const DECODER_BASE: u64 = 8 * MIB;
/// Rows of the row groups that `agg` writes, which an import always takes whole.
const EXPORTED_GROUP: u64 = crate::exchange::GROUP_ROWS as u64;
/// Minimum for the rows of the largest range. Smaller ranges are not worth their chunks.
const MIN_ROWS: u64 = 8 << 10;
/// Minimum bytes of the arena for each thread.
const MIN_ARENA: u64 = 128 << 10;
/// The part of the memory for traces of what was read, one a MiB and up to seven a log.
const TRACES_SHARE: u64 = 128;
/// Bytes of a trace. A list that grows may have room for twice as many.
const TRACE: u64 = 2 * 16;
/// The part of the memory that a list of seen logs may take at most.
const SEEN_SHARE: u64 = 8;
/// Minimum number of traces, for tests with tiny budgets.
const MIN_TRACES: usize = 64;
/// Bytes kept of a log while a day is reduced, without its name: its folder, size, times, identity, digest and rows, and
/// its entry in the partial.
const LOG: u64 = 256;
/// Further bytes of a compressed log.
const STREAM: u64 = 320;
/// Copies of a log's name: in the list of inputs and in the partial's metadata.
const NAMES: u64 = 2;
/// Entries of a decoded block.
const BLOCK: u64 = crate::codec::block::MAX_ENTRIES as u64;

/// The memory a run may use, as the kernel counts it, and the threads that it is enough for.
///
/// [`Budget::new`] makes it. Only tests use less memory, where a small log spills with a few hundred KiB.
///
/// # Example
/// ```
/// use agg::budget::Budget;
///
/// let budget = Budget::new(64 << 20, 16)?;
/// assert_eq!(budget.threads, 2); // 64 MiB are not enough for more
/// assert!(Budget::new(1 << 20, 1).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Peak resident bytes for the whole process.
    pub memory: u64,
    /// Worker threads, at least 1.
    pub threads: usize,
}

/// Shares of a reduction while rows are read and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountPlan {
    /// Bytes of the row arena.
    pub arena: usize,
    /// Rows of the largest range that is sorted at once.
    pub max_rows: usize,
}

/// Shares of a merge of partials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergePlan {
    /// Maximum partials of one merge, at least 2. More partials are merged in several passes.
    pub fan_in: usize,
    /// Entries of all inputs together in a piece of the key space.
    pub piece_entries: u64,
}

/// Shares of the decoder of tables, in its own process or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecoderPlan {
    /// Bytes in all, above those of a process that does nothing.
    pub memory: u64,
    /// Bytes of all footers together without their key-value pairs. A decoded footer takes some ten times its bytes.
    pub footers: u64,
    /// Bytes of the key-value pairs of one footer. They take some three times their bytes where they are decoded, and as
    /// much in the rest of the run.
    pub pairs: u64,
    /// Bytes of the largest page, decompressed or not. Up to six pages are held.
    pub page: u64,
}

/// Shares of the rest of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportPlan {
    /// Rows of the largest row group that is taken whole.
    pub piece_rows: usize,
    /// Rows that are sorted at once, by all threads together.
    pub sorted_rows: usize,
}

/// The logs of a day, whose lists a run holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogLists {
    /// Number of logs.
    pub logs: usize,
    /// Number of compressed logs.
    pub streams: usize,
    /// Whether a log needs a window of its own.
    pub windows: bool,
    /// Bytes of their names.
    pub names: u64,
    /// Bytes of the paths of logs without those names, and of the paths of other days' logs.
    pub paths: u64,
    /// Bytes of the list of logs in the stored day.
    pub stored: u64,
}

impl LogLists {
    /// Bytes of memory that they take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let (logs, streams) = (self.logs as u64, self.streams as u64);
        // Once as read, and once in the new metadata.
        let stored = 2 * self.stored;
        let names = self.names.saturating_mul(NAMES).saturating_add(self.paths);
        let bytes = (logs * LOG + streams * STREAM + stored).saturating_add(names);
        // Windows have their share of the whole memory.
        if self.windows { bytes + bytes / 4 + bytes / 16 } else { bytes }
    }
}

impl Budget {
    /// Minimum memory of a run.
    pub const MIN: u64 = 64 * MIB;
    /// Default memory of a run.
    pub const DEFAULT: u64 = 512 * MIB;

    /// A budget of at least [`Budget::MIN`], with at most the threads that the memory is enough for.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for less memory.
    pub fn new(memory: u64, threads: usize) -> Result<Self> {
        if memory < Self::MIN {
            let text = format!("--memory {memory} is too small; the minimum is 64MiB");
            return Err(ErrorKind::Usage(text).into());
        }
        let max_threads = to_usize(memory / MIN_THREAD_SHARE);
        Ok(Budget { memory, threads: threads.clamp(1, max_threads.max(1)) })
    }

    /// The budget without the `bytes` of the lists of `logs` logs. For a few thousand logs it is the whole budget.
    ///
    /// # Errors
    /// [`ErrorKind::TooManyLogs`] if the lists take more than half of the memory.
    pub fn beside(self, logs: usize, bytes: u64) -> Result<Self> {
        if bytes > self.memory / 2 {
            let (memory, needed) = (self.memory, bytes.saturating_mul(2));
            return Err(ErrorKind::TooManyLogs { logs, needed, memory }.into());
        }
        // The first mebibyte is in the fixed part.
        Ok(Budget { memory: self.memory - bytes.saturating_sub(MIB), ..self })
    }

    /// Checks that logs can be read beside these lists, without counting their rows.
    ///
    /// # Errors
    /// [`ErrorKind::TooManyLogs`].
    pub fn check_reading_beside(&self, logs: usize, lists: LogLists) -> Result<()> {
        let readers = FIXED + self.windows(lists.windows) + self.threads() * READER;
        let needed = lists.bytes().saturating_add(readers);
        // Half is left even by budgets below the minimum, which are for tests.
        if lists.bytes() > self.memory / 2 && needed > self.memory {
            return Err(ErrorKind::TooManyLogs { logs, needed, memory: self.memory }.into());
        }
        Ok(())
    }

    /// Bytes of a list of seen logs beside these lists, of which a run holds two: as they were before, and as they are.
    /// An eighth of the memory holds those of any day that can be counted.
    #[must_use]
    pub fn seen_logs(&self, lists: LogLists) -> u64 {
        let readers = FIXED + self.windows(lists.windows) + self.threads() * READER;
        // As in `count`, for tests with tiny budgets.
        let left = self.memory - readers.min(self.memory / 8 * 5);
        (left.saturating_sub(lists.bytes()) / 2).min(self.memory / SEEN_SHARE)
    }

    fn threads(&self) -> u64 {
        self.threads as u64
    }

    /// Shares for reading and counting. `windows` is whether streams that need one are among the inputs: all windows may
    /// take an eighth (at least 8 MiB), and zstd frames that are decoded ahead a sixteenth.
    #[must_use]
    pub fn count(&self, windows: bool) -> CountPlan {
        // 16 Ki rows at 64 MiB, 128 Ki at 512 MiB, 256 Ki from 1 GiB on.
        let max_rows = (self.memory / (4 << 10)).clamp(MIN_ROWS, 256 << 10);
        // With many threads, the ranges that all of them sort take an eighth together.
        let max_rows = max_rows.min(self.memory / 8 / self.threads() / SORTED_ROW).max(MIN_ROWS);
        let windows = self.windows(windows);
        // On average a range is a quarter of the largest, so not all threads sort a large range at the same time.
        let sorted = (self.threads() - 1).max(1) * max_rows * SORTED_ROW;
        let traces = self.memory / TRACES_SHARE;
        let others = FIXED + windows + self.threads() * READER + sorted + traces;
        // At least three eighths, and a few chunks a thread. Tests use budgets below the minimum, for tiny arenas.
        let arena = self.memory.saturating_sub(others.min(self.memory / 8 * 5));
        let arena = arena.max(self.threads() * MIN_ARENA);
        // A hundredth for the list of a range, which has 16 bytes for each chunk.
        CountPlan { arena: to_usize(arena / 100 * 99), max_rows: to_usize(max_rows) }
    }

    /// Traces of logs that are held, while rows are read, before they are spilled.
    #[must_use]
    pub fn traces(&self) -> usize {
        to_usize(self.memory / TRACES_SHARE / TRACE).max(MIN_TRACES)
    }

    /// Twice the share of all windows, since an allocator may keep some of those that were given back, and that of
    /// frames that are decoded ahead.
    fn windows(&self, windows: bool) -> u64 {
        if windows { (self.memory / 4).max(16 * MIB) + self.memory / 16 } else { 0 }
    }

    /// Shares for merging partials into one.
    #[must_use]
    pub fn join(&self) -> MergePlan {
        let share = self.memory / 3 / self.threads();
        let piece_entries = (share / MERGED_ENTRY).clamp(64, 1 << 20);
        let by_memory = share / MERGE_INPUT;
        // Each input decodes one block more than the piece has, so a piece should have a few blocks of each input.
        let fan_in = by_memory.min(piece_entries / (2 * BLOCK)).clamp(2, 256);
        MergePlan { fan_in: to_usize(fan_in), piece_entries }
    }

    /// Shares for exporting partials as tables. Half of a thread's share is for the encoder of a row group (8 MB),
    /// whose size does not depend on the budget.
    #[must_use]
    pub fn export(&self) -> MergePlan {
        let share = self.memory / 3 / self.threads();
        let piece_entries = (share / 4 / EXPORTED_ENTRY).clamp(64, 64 << 10);
        let fan_in = (share / 2 / MERGE_INPUT).clamp(2, 256);
        MergePlan { fan_in: to_usize(fan_in), piece_entries }
    }

    /// Shares for decoding tables: a quarter, and enough for pages of usual sizes.
    #[must_use]
    pub fn decoder(&self) -> DecoderPlan {
        let memory = (self.memory / 4).max(MIN_DECODER);
        // Limits of footers grow with the memory in proportion, above the least: refusals name the memory that would do.
        let (footers, pairs) = ((self.memory / 64).max(MIB), (self.memory / 24).max(MIB));
        DecoderPlan { memory, footers, pairs, page: memory / 8 }
    }

    /// The budget of a run while tables are decoded.
    #[must_use]
    pub fn beside_decoder(&self) -> Budget {
        let others = self.decoder().memory + DECODER_BASE;
        // Tests use budgets below the minimum, for small tables.
        let memory = self.memory.saturating_sub(others).max(self.memory / 4);
        Budget { memory, ..*self }
    }

    /// Shares for importing tables, from [`Budget::beside_decoder`].
    #[must_use]
    pub fn import(&self) -> ImportPlan {
        let third = self.memory / 3;
        let piece_rows = (third / self.threads() / IMPORTED_ROW).max(EXPORTED_GROUP);
        let sorted_rows = (third / IMPORTED_ROW).clamp(64, 16 << 20);
        ImportPlan { piece_rows: to_usize(piece_rows), sorted_rows: to_usize(sorted_rows) }
    }

    /// Shares for emitting a window of `inputs` partials.
    #[must_use]
    pub fn emit(&self, inputs: usize) -> MergePlan {
        let share = self.memory / 3 / self.threads();
        let piece_entries = a_dozen_blocks(inputs, self.max_emitted());
        let fan_in = (share / MERGE_INPUT).clamp(2, 256);
        MergePlan { fan_in: to_usize(fan_in), piece_entries }
    }

    /// Entries of `inputs` partials together in a piece of the country runs, for the best `top` songs of each country.
    ///
    /// A block is decoded twice where two pieces meet, so a piece has a dozen blocks of each input if possible. Unless
    /// `top` is large, a piece of any size holds little more than a block of each input, so it may be larger than a
    /// piece of the user runs. It is bounded all the same, so that a small budget makes several pieces of a small
    /// window.
    #[must_use]
    pub fn long_piece(&self, inputs: usize, top: u32) -> u64 {
        let held = self.max_emitted();
        let kept = u64::from(crate::model::Country::COUNT) * u64::from(top);
        a_dozen_blocks(inputs, if kept <= held { 8 * held } else { held })
    }

    /// Maximum entries of a piece that is held whole, with its text.
    fn max_emitted(&self) -> u64 {
        let share = self.memory / 3 / self.threads();
        (share / EMITTED_ENTRY).clamp(64, 512 << 10)
    }
}

/// Entries of a piece with a dozen blocks of each input, at most `max_entries`.
fn a_dozen_blocks(inputs: usize, max_entries: u64) -> u64 {
    (12 * BLOCK * inputs as u64).clamp(max_entries.min(64 << 10), max_entries)
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_the_minimum_is_refused_and_threads_are_limited_by_the_memory() {
        assert!(Budget::new(Budget::MIN - 1, 1).is_err());
        assert_eq!(Budget::new(Budget::MIN, 16).unwrap().threads, 2);
        assert_eq!(Budget::new(Budget::DEFAULT, 0).unwrap().threads, 1);
        assert_eq!(Budget::new(Budget::DEFAULT, 64).unwrap().threads, 21);
    }

    #[test]
    fn lists_of_logs_leave_half_of_the_memory_or_more_and_a_few_logs_all_of_it() {
        let of = |logs: usize| LogLists { logs, names: 40 * logs as u64, ..LogLists::default() };
        let beside = |budget: Budget, logs| budget.beside(logs, of(logs).bytes());
        let budget = Budget::new(Budget::MIN, 2).unwrap();
        assert_eq!(beside(budget, 3_000).unwrap(), budget);
        let left = beside(budget, 99_000).unwrap();
        assert_eq!((left.memory, left.threads), (Budget::MIN - 33_264_000 + MIB, 2));
        let error = beside(budget, 110_000).unwrap_err();
        assert_eq!(
            error.to_string(),
            "110000 logs at once need --memory 71MiB, and it is 64MiB; raise it, or join some of the logs"
        );
        assert!(beside(Budget::new(71 * MIB, 2).unwrap(), 110_000).is_ok());
        let packed = LogLists { streams: 1_000, windows: true, ..of(1_000) };
        assert_eq!(packed.bytes(), 861_000);
        // Those of a day that fills half of the memory have room once all its rows are counted.
        assert!(budget.seen_logs(LogLists::default()) >= 110_000 * 64);
        assert_eq!(budget.seen_logs(of(160_000)), 0);
    }

    #[test]
    fn the_shares_of_every_budget_add_up_to_less_than_it() {
        for memory in (64..4096).step_by(64).map(|mib| mib * MIB) {
            for threads in [1, 2, 4, 64] {
                let budget = Budget::new(memory, threads).unwrap();
                let sorted = |plan: CountPlan| {
                    let ranges = (budget.threads() - 1).max(1) * plan.max_rows as u64;
                    budget.threads() * READER + ranges * SORTED_ROW
                };
                for has_windows in [false, true] {
                    let plan = budget.count(has_windows);
                    let windows = if has_windows { memory / 4 + memory / 16 } else { 0 };
                    let windows = windows + TRACE * budget.traces() as u64;
                    assert!(
                        FIXED + sorted(plan) + windows + plan.arena as u64 <= memory,
                        "{plan:?}"
                    );
                }
                let join = budget.join();
                let heads = join.fan_in as u64 * MERGE_INPUT;
                let made = join.piece_entries * MERGED_ENTRY;
                assert!(FIXED + budget.threads() * (heads + made) <= memory, "{budget:?} {join:?}");
                let export = budget.export();
                let heads = export.fan_in as u64 * MERGE_INPUT;
                let made = export.piece_entries * EXPORTED_ENTRY + 8 * MIB;
                assert!(
                    FIXED + budget.threads() * (heads + made) <= memory,
                    "{budget:?} {export:?}"
                );
                let (decoder, beside) = (budget.decoder(), budget.beside_decoder());
                assert!(beside.memory + DECODER_BASE + decoder.memory <= memory, "{budget:?}");
                assert!(6 * decoder.page <= decoder.memory);
                let (import, join) = (beside.import(), beside.join());
                let pieces = budget.threads() * import.piece_rows as u64 * IMPORTED_ROW;
                let sorted = import.sorted_rows as u64 * IMPORTED_ROW;
                let heads = join.fan_in as u64 * MERGE_INPUT;
                let made = join.piece_entries * MERGED_ENTRY;
                let merged = budget.threads() * (heads + made);
                assert!(
                    FIXED + pieces.max(sorted).max(merged) <= beside.memory,
                    "{budget:?} {import:?} {join:?}"
                );
                // A piece of countries keeps no more than a piece of users holds.
                let held = budget.max_emitted();
                for top in [1, 50, 1_000, 10_000] {
                    let kept = (u64::from(top) * 676).min(budget.long_piece(300, top));
                    assert!(kept <= held, "{top} songs: {budget:?}");
                }
                let emit = budget.emit(300);
                let heads = emit.fan_in as u64 * MERGE_INPUT;
                let made = emit.piece_entries * EMITTED_ENTRY;
                let fixed = FIXED + ON_THE_WAY;
                assert!(fixed + budget.threads() * (heads + made) <= memory, "{budget:?} {emit:?}");
            }
        }
    }
}
