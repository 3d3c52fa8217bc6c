//! Logs of a day that have rows in common: one is the start of the other, or both have a whole piece of 1 MiB.
//!
//! Each log that is read leaves traces. They are kept sorted as entries of a run are (hash, then log), so those that
//! exceed their share of the memory are spilled and merged like rows. Equal traces are next to each other then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Context;
use super::join::{JoinInput, Scratch, Spill, WriteRun, open_merged};
use crate::budget::MergePlan;
use crate::error::{Error, ErrorKind, Result};
use crate::input::{Source, Trace, TracedPart, Window, digests_of_starts};
use crate::merge::Stream;
use crate::model::{Batch, Entry, Inputs, Kind};
use crate::runfile::{RunPieces, merge_piece, split};

/// Traces that a thread gathers before it hands them on.
const HANDED_ON: usize = 512;
/// Records of a piece of a run.
const PIECE_RECORDS: usize = 8 << 10;
/// Records that are merged at once: few, because the rows of the day are still in memory.
const PLAN: MergePlan = MergePlan { fan_in: 4, piece_entries: PIECE_RECORDS as u64 };
/// Bits of the field after a log's number.
const FIELD_BITS: u32 = 24;
const FIELD: u64 = (1 << FIELD_BITS) - 1;
/// Values of that field: a whole piece; a start; otherwise the bytes of the whole log, which is shorter than a piece.
const PIECE: u64 = FIELD;
const START: u64 = 0;

/// A hash, with its log and what was hashed.
type TraceRecord = (u64, u64);

/// The traces of all logs.
pub(super) struct Traces {
    /// Maximum traces that are held.
    room: usize,
    held: Mutex<Vec<TraceRecord>>,
    is_full: AtomicBool,
    spilled: Mutex<Vec<JoinInput>>,
}

/// The traces of one thread.
#[derive(Debug, Default)]
pub(super) struct GatheredTraces(Vec<TraceRecord>);

/// Two logs that have rows in common, by their numbers; the later one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Overlap {
    later: usize,
    earlier: usize,
    how: OverlapKind,
}

/// What they have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum OverlapKind {
    Piece,
    /// The later one begins with the earlier one.
    LaterBegins,
    EarlierBegins,
}

impl GatheredTraces {
    /// Takes the traces of a window.
    pub(super) fn take(&mut self, window: &Window, all: &Traces) {
        self.0.extend(window.traces().iter().map(|trace| record(window.input, *trace)));
        if self.0.len() >= HANDED_ON {
            self.hand_on(all);
        }
    }

    /// Hands all of them on.
    pub(super) fn hand_on(&mut self, all: &Traces) {
        let mut held = all.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.append(&mut self.0);
        if held.len() >= all.room {
            all.is_full.store(true, Ordering::Relaxed);
        }
    }
}

fn record(input: usize, Trace { hash, part }: Trace) -> TraceRecord {
    let field = match part {
        TracedPart::Piece => PIECE,
        TracedPart::Start => START,
        TracedPart::StartOfShort(bytes) => u64::from(bytes).min(PIECE - 1),
    };
    // Keys of a run have 63 bits.
    (hash >> 1, (input as u64) << FIELD_BITS | field)
}

impl Traces {
    /// Room for `records` records.
    pub(super) fn new(room: usize) -> Self {
        Traces {
            room,
            held: Mutex::default(),
            is_full: AtomicBool::new(false),
            spilled: Mutex::default(),
        }
    }

    /// Whether there is no room for more.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Spills them if there is no room for more, and returns whether it did.
    pub(super) fn make_room(&self, pool: &rayon::ThreadPool, scratch: Scratch<'_>) -> Result<bool> {
        if !self.is_full() {
            return Ok(false);
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let run = spill(&mut held, pool, scratch)?;
        self.spilled.lock().unwrap_or_else(PoisonError::into_inner).push(run);
        self.is_full.store(false, Ordering::Relaxed);
        Ok(true)
    }

    /// Refuses logs that have rows in common, which would count twice; logs for which `counts` is false do no harm.
    /// Logs of equal content were refused before.
    ///
    /// Reads the start of logs again that begin like a short log; standard input cannot be read again.
    pub(super) fn refuse_overlaps(
        &self,
        (context, pool, scratch): (&Context, &rayon::ThreadPool, Scratch<'_>),
        (source, facts): (&Source, &Inputs),
        counts: &dyn Fn(usize) -> bool,
    ) -> Result<()> {
        let digests: Vec<u128> = facts.iter().map(|facts| facts.digest).collect();
        let mut finder = OverlapFinder {
            context,
            source,
            digests: &digests,
            counts,
            hash: 0,
            pieces: [None, None],
            starts: Vec::new(),
            first: None,
        };
        let mut held =
            std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner));
        let mut spilled =
            std::mem::take(&mut *self.spilled.lock().unwrap_or_else(PoisonError::into_inner));
        if spilled.is_empty() {
            sort(&mut held);
            held.iter().try_for_each(|record| finder.see(*record))?;
        } else {
            spilled.push(spill(&mut held, pool, scratch)?);
            drop(held);
            let opened = open_merged(context, pool, PLAN, spilled, scratch)?;
            let runs = opened.of(Kind::User);
            for piece in split(&runs, PLAN.piece_entries)? {
                let mut merge = merge_piece(&runs, Kind::User, &piece);
                let mut batch = Batch::default();
                while merge.next(&mut batch)? {
                    context.check_stop()?;
                    batch.iter().try_for_each(|entry| finder.see((entry.key, entry.song)))?;
                }
            }
        }
        match finder.finish()? {
            Some(overlap) => Err(overlap.error(source)),
            None => Ok(()),
        }
    }
}

fn sort(records: &mut Vec<TraceRecord>) {
    records.sort_unstable();
    // A log may repeat a piece.
    records.dedup();
}

fn spill(
    records: &mut Vec<TraceRecord>,
    pool: &rayon::ThreadPool,
    scratch: Scratch<'_>,
) -> Result<JoinInput> {
    sort(records);
    let pieces: Vec<&[TraceRecord]> = records.chunks(PIECE_RECORDS).collect();
    let shape = RunPieces { pool, pieces: pieces.len() };
    let entry = |(key, song): &TraceRecord| Entry { key: *key, song: *song, count: 1 };
    let make = |(): &mut (), at: usize, mut room: Batch| {
        let records = pieces.get(at).copied().unwrap_or_default();
        records.iter().for_each(|record| room.push(entry(record)));
        Ok(room)
    };
    let mut spill = Spill::new(scratch);
    spill.write_run(Kind::User, shape, || (), make)?;
    records.clear();
    Ok(spill.finish())
}

/// Sees all traces in their order.
struct OverlapFinder<'a> {
    context: &'a Context,
    source: &'a Source,
    digests: &'a [u128],
    counts: &'a dyn Fn(usize) -> bool,
    /// The hash whose traces are gathered now.
    hash: u64,
    /// The first two logs that have it as a piece.
    pieces: [Option<usize>; 2],
    /// The logs that have it as a start, with the bytes of short logs.
    starts: Vec<(u32, Option<u32>)>,
    /// The overlap of the first log that overlaps an earlier log, so far.
    first: Option<Overlap>,
}

impl OverlapFinder<'_> {
    fn see(&mut self, (hash, log): TraceRecord) -> Result<()> {
        if hash != self.hash {
            self.compare()?;
            self.hash = hash;
        }
        let number = u32::try_from(log >> FIELD_BITS).unwrap_or(u32::MAX);
        let input = number as usize;
        if !(self.counts)(input) {
            return Ok(());
        }
        match (log & FIELD, &mut self.pieces) {
            (PIECE, [Some(first), second @ None]) if *first != input => *second = Some(input),
            (PIECE, [first @ None, _]) => *first = Some(input),
            (PIECE, _) => {}
            (START, _) => self.starts.push((number, None)),
            (bytes, _) => self.starts.push((number, u32::try_from(bytes).ok())),
        }
        Ok(())
    }

    /// Compares the logs that have the hash.
    fn compare(&mut self) -> Result<()> {
        if let [Some(one), Some(other)] = std::mem::take(&mut self.pieces) {
            self.found(Overlap {
                later: one.max(other),
                earlier: one.min(other),
                how: OverlapKind::Piece,
            });
        }
        let starts = std::mem::take(&mut self.starts);
        let mut lengths: Vec<u32> = starts.iter().filter_map(|(_, bytes)| *bytes).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let (Some(shortest), Some(longest)) = (lengths.first(), lengths.last()) else {
            return Ok(());
        };
        let digest = |input: u32| self.digests.get(input as usize).copied().unwrap_or_default();
        let short = starts.iter().filter(|(_, bytes)| bytes.is_some());
        let mut short: Vec<(u128, u32)> = short.map(|(at, _)| (digest(*at), *at)).collect();
        short.sort_unstable();
        // Logs of equal length are equal or do not begin with each other.
        for (input, bytes) in starts.iter().filter(|(_, own)| own.is_none_or(|own| own > *shortest))
        {
            self.context.check_stop()?;
            let start = self.source.start(*input as usize, *longest as usize)?;
            let shorter = lengths.partition_point(|length| bytes.is_none_or(|own| *length < own));
            let begins = digests_of_starts(&start, lengths.get(..shorter).unwrap_or_default());
            let others = begins.filter_map(|start| {
                let at = short.binary_search_by_key(&start, |(digest, _)| *digest).ok()?;
                short.get(at).map(|(_, other)| *other as usize)
            });
            let input = *input as usize;
            if let Some(other) = others.min() {
                let how = if other < input {
                    OverlapKind::LaterBegins
                } else {
                    OverlapKind::EarlierBegins
                };
                self.found(Overlap { later: input.max(other), earlier: input.min(other), how });
            }
        }
        Ok(())
    }

    fn found(&mut self, overlap: Overlap) {
        self.first = Some(self.first.map_or(overlap, |first| first.min(overlap)));
    }

    fn finish(mut self) -> Result<Option<Overlap>> {
        self.compare()?;
        Ok(self.first)
    }
}

impl Overlap {
    fn error(self, source: &Source) -> Error {
        let path = |at: usize| source.paths().get(at).map(|path| path.path()).unwrap_or_default();
        let (later, earlier) = (path(self.later), path(self.earlier));
        match self.how {
            OverlapKind::Piece => Error::from(ErrorKind::SharedPiece(earlier)).at(later),
            OverlapKind::LaterBegins => Error::from(ErrorKind::BeginsWith(earlier)).at(later),
            OverlapKind::EarlierBegins => Error::from(ErrorKind::BeginsWith(later)).at(earlier),
        }
    }
}
