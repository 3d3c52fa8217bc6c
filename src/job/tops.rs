//! One run of a window to one file of tops: ranked and formatted in pieces on all threads, and joined in order.
//!
//! A piece of the key space has whole keys in the middle, whose lines are final, and may share its first and its last
//! key with its neighbours. It hands on the best K of those keys, which are joined in order.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use crate::error::Result;
use crate::model::Ranked;
use crate::ordered;
use crate::output::{Format, Lines, Pieces};
use crate::runfile::{Piece, split};
use crate::topk::{RankInput, Ranker, TopK};

/// Maximum bytes of a buffer that is kept, for each entry of a piece.
const MAX_KEPT_BYTES: u64 = 53;

/// What to write, and in which format.
pub(super) struct Tops<'a> {
    pub(super) pool: &'a rayon::ThreadPool,
    pub(super) input: RankInput<'a>,
    pub(super) format: &'a dyn Format,
    /// Buffers that were written out, for the next pieces: fresh memory costs more than what is put into it.
    pub(super) buffers: Mutex<Vec<Lines>>,
}

/// A key whose songs may go on in the next piece, and its best songs so far.
struct OpenKey {
    key: u64,
    best: Vec<Ranked>,
}

/// The result of a piece.
#[derive(Default)]
struct PieceTops {
    /// Its first key, if the piece before may have songs of it.
    head: Option<OpenKey>,
    /// Lines of the keys that are whole in it.
    lines: Lines,
    keys: u64,
    /// Its last key, if the next piece may have songs of it and it is not the head.
    tail: Option<OpenKey>,
}

impl Tops<'_> {
    /// Writes the file to `out`; returns the number of its keys.
    pub(super) fn write(&self, out: &mut (dyn Write + Send)) -> Result<u64> {
        let mut out = self.format.begin(self.input.kind, out)?;
        let pieces = split(self.input.runs, self.input.piece_entries)?;
        let mut join = TopsJoin { tops: self, open: None, keys: 0, line: Lines::default() };
        ordered::run(
            self.pool,
            pieces.len(),
            || Ranker::new(&self.input),
            |ranker, at| self.rank(ranker, &pieces[at]),
            Ok,
            |_, part| Ok(part),
            |part| join.add(part, &mut *out),
        )?;
        join.close(&mut *out)?;
        let keys = join.keys;
        out.finish()?;
        Ok(keys)
    }

    fn take_buffer(&self) -> Lines {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_buffer(&self, mut buffer: Lines) {
        // A buffer that grew with a piece of long ids goes back to the system.
        if buffer.capacity() as u64 > self.input.piece_entries * MAX_KEPT_BYTES {
            return;
        }
        buffer.clear();
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }

    fn rank(&self, ranker: &mut Ranker<'_>, piece: &Piece) -> Result<PieceTops> {
        let mut part = PieceTops { lines: self.take_buffer(), ..PieceTops::default() };
        ranker.rank(piece, |key, best| self.place(key, best, piece, &mut part))?;
        Ok(part)
    }

    /// Puts a key's best songs of a piece where they belong.
    fn place(&self, key: u64, best: &[Ranked], piece: &Piece, part: &mut PieceTops) {
        let best_of = |key| Some(OpenKey { key, best: best.to_vec() });
        if piece.start.song > 0 && piece.start.key == key {
            part.head = best_of(key);
        } else if piece.end.song > 0 && piece.end.key == key {
            part.tail = best_of(key);
        } else {
            part.keys += 1;
            self.format.write_key(self.input.kind, key, best, &mut part.lines);
        }
    }
}

/// Joins parts in order.
struct TopsJoin<'t, 'a> {
    tops: &'t Tops<'a>,
    /// The key that may continue.
    open: Option<(u64, TopK)>,
    keys: u64,
    line: Lines,
}

impl TopsJoin<'_, '_> {
    fn add(&mut self, part: PieceTops, out: &mut dyn Pieces) -> Result<()> {
        if let Some(head) = part.head {
            self.open_key(head, out)?;
        }
        if part.keys > 0 {
            self.close(out)?;
            out.append(part.lines.as_bytes())?;
            self.keys += part.keys;
        }
        self.tops.give_buffer(part.lines);
        match part.tail {
            Some(tail) => self.open_key(tail, out),
            None => Ok(()),
        }
    }

    /// Adds songs to the open key, or closes it and opens another.
    fn open_key(&mut self, OpenKey { key, best }: OpenKey, out: &mut dyn Pieces) -> Result<()> {
        if self.open.as_ref().is_some_and(|(open, _)| *open != key) {
            self.close(out)?;
        }
        let (_, top) = self.open.get_or_insert_with(|| (key, TopK::new(self.tops.input.top)));
        best.into_iter().for_each(|ranked| top.push(ranked));
        if let Some(count) = top.floor() {
            self.tops.input.floor.raise(key, count);
        }
        Ok(())
    }

    /// Writes the line of the key that was open.
    fn close(&mut self, out: &mut dyn Pieces) -> Result<()> {
        let Some((key, mut top)) = self.open.take() else { return Ok(()) };
        let mut best = Vec::new();
        top.best(&mut best);
        self.line.clear();
        self.tops.format.write_key(self.tops.input.kind, key, &best, &mut self.line);
        self.keys += 1;
        out.append(self.line.as_bytes())
    }
}
