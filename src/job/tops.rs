//! One run of a window to one file of tops: merge, choose, format, in pieces on all threads.
//!
//! A piece of the key space has whole keys in the middle, whose lines are final, and may share its first and its last
//! key with its neighbours; of those it hands on the best K, which are joined in order.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use super::join::merge_piece;
use super::{Context, Phase};
use crate::error::Result;
use crate::merge::{Stream, run_length};
use crate::model::{Batch, Kind, Ranked};
use crate::ordered;
use crate::output::{Format, Pieces};
use crate::partial::{self, Partial, Piece};
use crate::topk::TopK;

/// Bytes an entry of a piece that a buffer may have to be kept.
const MOST_KEPT_BYTES: u64 = 42;

/// What to write, and how.
pub(super) struct Tops<'a> {
    pub(super) context: &'a Context,
    pub(super) pool: &'a rayon::ThreadPool,
    pub(super) partials: &'a [Partial],
    pub(super) kind: Kind,
    pub(super) top: u32,
    pub(super) format: &'a dyn Format,
    pub(super) piece_entries: u64,
    /// Buffers that were written out, for the next pieces: fresh memory costs more than what is put into it.
    pub(super) buffers: Mutex<Vec<Vec<u8>>>,
}

/// A key whose songs may go on in the next piece, and its best songs so far.
struct OpenKey {
    key: u64,
    best: Vec<Ranked>,
}

/// What a piece has come to.
#[derive(Default)]
struct Part {
    /// Its first key, if the piece before may have songs of it.
    head: Option<OpenKey>,
    /// Lines of the keys that are whole in it.
    lines: Vec<u8>,
    keys: u64,
    /// Its last key, if the piece behind may have songs of it and it is not the head.
    tail: Option<OpenKey>,
}

impl Tops<'_> {
    /// Writes the file to `out`; returns the number of its keys.
    pub(super) fn write(&self, out: &mut (dyn Write + Send)) -> Result<u64> {
        let mut out = self.format.begin(self.kind, out)?;
        let pieces = partial::split(self.partials, self.kind, self.piece_entries)?;
        let mut join = Join { tops: self, open: None, keys: 0, line: Vec::new() };
        ordered::run(
            self.pool,
            pieces.len(),
            || Chooser::new(self),
            |chooser, at| match pieces.get(at) {
                Some(piece) => chooser.choose(piece),
                None => Ok(Part::default()),
            },
            Ok,
            |_, part| Ok(part),
            |part| join.add(part, &mut *out),
        )?;
        join.close(&mut *out)?;
        let keys = join.keys;
        out.finish()?;
        Ok(keys)
    }

    fn take_buffer(&self) -> Vec<u8> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_buffer(&self, mut buffer: Vec<u8>) {
        // One that a piece of long ids has blown up goes back to the system.
        if buffer.capacity() as u64 > self.piece_entries * MOST_KEPT_BYTES {
            return;
        }
        buffer.clear();
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }

    fn top(&self) -> usize {
        usize::try_from(self.top).unwrap_or(usize::MAX)
    }
}

/// One thread's means to choose.
struct Chooser<'t, 'a> {
    tops: &'t Tops<'a>,
    top: TopK,
    best: Vec<Ranked>,
}

impl<'t, 'a> Chooser<'t, 'a> {
    fn new(tops: &'t Tops<'a>) -> Self {
        Chooser { tops, top: TopK::new(tops.top()), best: Vec::new() }
    }

    fn choose(&mut self, piece: &Piece) -> Result<Part> {
        let Tops { context, partials, kind, .. } = *self.tops;
        let mut part = Part { lines: self.tops.take_buffer(), ..Part::default() };
        let mut merge = merge_piece(partials, kind, piece);
        let mut batch = Batch::default();
        let mut open: Option<u64> = None;
        let mut told = 0;
        while merge.next(&mut batch)? {
            context.check_stop()?;
            let mut start = 0;
            while let Some(&key) = batch.keys.get(start) {
                let length = run_length(batch.keys.get(start..).unwrap_or_default(), key);
                if open.is_some_and(|open| open != key) {
                    self.end_key(open, piece, false, &mut part);
                }
                open = Some(key);
                let range = start..start + length;
                self.top.extend(
                    batch.songs.get(range.clone()).unwrap_or_default(),
                    batch.counts.get(range).unwrap_or_default(),
                );
                start += length;
            }
            if let Some((key, floor)) = open.zip(self.top.floor()) {
                merge.set_floor(key, floor);
            }
            context.observer.advance(Phase::Emit, merge.entries_read() - told);
            told = merge.entries_read();
        }
        self.end_key(open, piece, true, &mut part);
        Ok(part)
    }

    /// Puts the songs gathered for `key` where they belong.
    fn end_key(&mut self, key: Option<u64>, piece: &Piece, last: bool, part: &mut Part) {
        let Some(key) = key else { return };
        self.top.best(&mut self.best);
        self.top.clear();
        let from_before = piece.start.song > 0 && piece.start.key == key;
        let goes_on = last && piece.end.song > 0 && piece.end.key == key;
        if from_before {
            part.head = Some(OpenKey { key, best: self.best.clone() });
        } else if goes_on {
            part.tail = Some(OpenKey { key, best: self.best.clone() });
        } else {
            part.keys += 1;
            self.tops.format.write_key(self.tops.kind, key, &self.best, &mut part.lines);
        }
    }
}

/// Joins parts in order.
struct Join<'t, 'a> {
    tops: &'t Tops<'a>,
    /// The key that may go on.
    open: Option<(u64, TopK)>,
    keys: u64,
    line: Vec<u8>,
}

impl Join<'_, '_> {
    fn add(&mut self, part: Part, out: &mut dyn Pieces) -> Result<()> {
        if let Some(head) = part.head {
            self.open_key(head, out)?;
        }
        if part.keys > 0 {
            self.close(out)?;
            out.append(&part.lines)?;
            self.keys += part.keys;
        }
        self.tops.give_buffer(part.lines);
        match part.tail {
            Some(tail) => self.open_key(tail, out),
            None => Ok(()),
        }
    }

    /// Adds songs of the key that is open, or closes that and opens another.
    fn open_key(&mut self, OpenKey { key, best }: OpenKey, out: &mut dyn Pieces) -> Result<()> {
        if self.open.as_ref().is_some_and(|(open, _)| *open != key) {
            self.close(out)?;
        }
        let (_, top) = self.open.get_or_insert_with(|| (key, TopK::new(self.tops.top())));
        best.into_iter().for_each(|ranked| top.push(ranked));
        Ok(())
    }

    /// Writes the line of the key that was open.
    fn close(&mut self, out: &mut dyn Pieces) -> Result<()> {
        let Some((key, mut top)) = self.open.take() else { return Ok(()) };
        let mut best = Vec::new();
        top.best(&mut best);
        self.line.clear();
        self.tops.format.write_key(self.tops.kind, key, &best, &mut self.line);
        self.keys += 1;
        out.append(&self.line)
    }
}
