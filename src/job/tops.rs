//! One run of a window to one file of tops: merge, choose, format, in pieces on all threads.
//!
//! A piece of the key space has whole keys in the middle, whose lines are final, and may share its first and its last
//! key with its neighbours; of those it hands on the best K, which are joined in order.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use super::join::merge_piece;
use super::{Context, Phase};
use crate::error::{Error, ErrorKind, Result};
use crate::merge::{Overflow, Stream, Sums, Word, Words};
use crate::model::{Batch, Kind, Ranked, SongLists};
use crate::ordered;
use crate::output::{Format, Lines, Pieces};
use crate::runfile::{Piece, Run, split};
use crate::topk::{TopK, best_of_sums};

/// Bytes an entry of a piece that a buffer may have to be kept.
const MAX_KEPT_BYTES: u64 = 53;

/// A piece with so many times the entries that it should have is not packed.
const MAX_TIMES: u64 = 2;

/// What to write, and how.
pub(super) struct Tops<'a> {
    pub(super) context: &'a Context,
    pub(super) pool: &'a rayon::ThreadPool,
    pub(super) runs: &'a [&'a Run],
    pub(super) kind: Kind,
    pub(super) top: u32,
    pub(super) format: &'a dyn Format,
    pub(super) piece_entries: u64,
    /// Buffers that were written out, for the next pieces: fresh memory costs more than what is put into it.
    pub(super) buffers: Mutex<Vec<Lines>>,
    pub(super) floor: Floor,
}

/// What a song of the key that is being worked on needs at least to be among its best, as far as a piece has found out.
///
/// The K-th best of a part of a key's songs is no better than that of all of them. So a piece in the middle of a key
/// begins with what the pieces before it know, instead of merging everything until it knows as much itself.
#[derive(Default)]
pub(super) struct Floor(Mutex<Option<(u64, u64)>>);

impl Floor {
    /// What is known of this key.
    fn of(&self, key: u64) -> Option<u64> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.filter(|(known, _)| *known == key).map(|(_, count)| count)
    }

    /// Makes known what a piece has found. Keys ascend, so the latest one is of use for longest.
    fn raise(&self, key: u64, count: u64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = (*known).max(Some((key, count)));
    }
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
    lines: Lines,
    keys: u64,
    /// Its last key, if the piece behind may have songs of it and it is not the head.
    tail: Option<OpenKey>,
}

impl Tops<'_> {
    /// Writes the file to `out`; returns the number of its keys.
    pub(super) fn write(&self, out: &mut (dyn Write + Send)) -> Result<u64> {
        let mut out = self.format.begin(self.kind, out)?;
        let pieces = split(self.runs, self.piece_entries)?;
        let mut join = Join { tops: self, open: None, keys: 0, line: Lines::default() };
        ordered::run(
            self.pool,
            pieces.len(),
            || Chooser::new(self),
            |chooser, at| chooser.choose(&pieces[at]),
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
        // One that a piece of long ids has blown up goes back to the system.
        if buffer.capacity() as u64 > self.piece_entries * MAX_KEPT_BYTES {
            return;
        }
        buffer.clear();
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }

    fn top(&self) -> usize {
        usize::try_from(self.top).unwrap_or(usize::MAX)
    }

    /// Puts the best songs that a piece has of a key where they belong.
    fn place(&self, key: u64, best: &[Ranked], piece: &Piece, part: &mut Part) {
        let best_of = |key| Some(OpenKey { key, best: best.to_vec() });
        if piece.start.song > 0 && piece.start.key == key {
            part.head = best_of(key);
        } else if piece.end.song > 0 && piece.end.key == key {
            part.tail = best_of(key);
        } else {
            part.keys += 1;
            self.format.write_key(self.kind, key, best, &mut part.lines);
        }
    }
}

/// One thread's means to choose.
struct Chooser<'t, 'a> {
    tops: &'t Tops<'a>,
    top: TopK,
    best: Vec<Ranked>,
    /// For short lists: entries in 64 bits, and in 128 where these are too few.
    narrow: Packed<u64>,
    wide: Packed<u128>,
    takes_wide: bool,
}

/// Entries packed into words.
#[derive(Default)]
struct Packed<W: Word> {
    words: Words<W>,
    sums: Sums<W>,
}

/// What came of packing a piece.
enum Packing {
    Done,
    /// Ids are too wide for the words.
    TooWide,
    /// The piece has far more entries than it should: the index was too large to be looked at whole.
    TooMany,
}

impl<W: Word> Packed<W> {
    fn pack(&mut self, tops: &Tops<'_>, piece: &Piece) -> Result<Packing> {
        // If it does not fit at first, it is known how wide it is.
        for _ in 0..2 {
            self.words.begin(piece.start.key);
            for run in tops.runs {
                tops.context.check_stop()?;
                let mut reader = run.blocks(piece.clone());
                while let Some(runs) = reader.next_runs()? {
                    self.words.push(runs);
                    if self.words.len() as u64 > MAX_TIMES * tops.piece_entries {
                        return Ok(Packing::TooMany);
                    }
                }
                self.words.end_list();
            }
            if self.words.fits() {
                return Ok(Packing::Done);
            }
            if !self.words.refit() {
                break;
            }
        }
        Ok(Packing::TooWide)
    }

    /// Merges what was packed and chooses from it.
    fn choose(&mut self, tops: &Tops<'_>, piece: &Piece, best: &mut Vec<Ranked>) -> Result<Part> {
        let mut part = Part { lines: tops.take_buffer(), ..Part::default() };
        let entries = self.words.len() as u64;
        let merged = self.words.each_key(&mut self.sums, |key, once, more| {
            best_of_sums(once, more, tops.top(), best);
            tops.place(key, best, piece, &mut part);
        });
        merged.map_err(|Overflow { key, song }| {
            Error::from(ErrorKind::SumOverflow { key: tops.kind.describe(key), song })
        })?;
        tops.context.observer.advance(Phase::Emit, entries);
        Ok(part)
    }
}

impl<'t, 'a> Chooser<'t, 'a> {
    fn new(tops: &'t Tops<'a>) -> Self {
        let top = TopK::new(tops.top());
        Chooser {
            tops,
            top,
            best: Vec::new(),
            narrow: Packed::default(),
            wide: Packed::default(),
            takes_wide: false,
        }
    }

    fn choose(&mut self, piece: &Piece) -> Result<Part> {
        match self.tops.kind.song_lists() {
            SongLists::Long => self.choose_from_long(piece),
            SongLists::Short => self.choose_from_short(piece),
        }
    }

    /// For keys with many songs, of which nearly none is among the best.
    fn choose_from_long(&mut self, piece: &Piece) -> Result<Part> {
        let Tops { context, runs, kind, .. } = *self.tops;
        let mut part = Part { lines: self.tops.take_buffer(), ..Part::default() };
        let mut merge = merge_piece(runs, kind, piece);
        let known = self.tops.floor.of(piece.start.key);
        if let Some(count) = known {
            merge.set_floor(piece.start.key, count);
        }
        let mut batch = Batch::default();
        let mut open: Option<u64> = None;
        let mut told = 0;
        while merge.next(&mut batch)? {
            context.check_stop()?;
            for (key, songs) in batch.entries().by_key() {
                if open.is_some_and(|open| open != key) {
                    self.end_key(open, piece, &mut part);
                }
                open = Some(key);
                self.top.extend(songs);
            }
            if let Some((key, floor)) = open.zip(self.top.floor()) {
                let known = known.filter(|_| key == piece.start.key).unwrap_or(0);
                merge.set_floor(key, floor.max(known));
            }
            context.observer.advance(Phase::Emit, merge.entries_read() - told);
            told = merge.entries_read();
        }
        if let Some((key, floor)) = open.zip(self.top.floor()) {
            self.tops.floor.raise(key, floor);
        }
        self.end_key(open, piece, &mut part);
        Ok(part)
    }

    /// For keys with few songs, which are all looked at.
    fn choose_from_short(&mut self, piece: &Piece) -> Result<Part> {
        let tops = self.tops;
        if !self.takes_wide {
            match self.narrow.pack(tops, piece)? {
                Packing::Done => return self.narrow.choose(tops, piece, &mut self.best),
                Packing::TooMany => return self.choose_from_long(piece),
                Packing::TooWide => {}
            }
        }
        match self.wide.pack(tops, piece)? {
            Packing::Done => {
                // The next piece is most likely like this one.
                self.takes_wide = !self.wide.words.would_fit::<u64>();
                self.wide.choose(tops, piece, &mut self.best)
            }
            Packing::TooMany | Packing::TooWide => self.choose_from_long(piece),
        }
    }

    /// Puts the songs gathered for `key` where they belong.
    fn end_key(&mut self, key: Option<u64>, piece: &Piece, part: &mut Part) {
        let Some(key) = key else { return };
        self.top.best(&mut self.best);
        self.top.clear();
        self.tops.place(key, &self.best, piece, part);
    }
}

/// Joins parts in order.
struct Join<'t, 'a> {
    tops: &'t Tops<'a>,
    /// The key that may go on.
    open: Option<(u64, TopK)>,
    keys: u64,
    line: Lines,
}

impl Join<'_, '_> {
    fn add(&mut self, part: Part, out: &mut dyn Pieces) -> Result<()> {
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

    /// Adds songs of the key that is open, or closes that and opens another.
    fn open_key(&mut self, OpenKey { key, best }: OpenKey, out: &mut dyn Pieces) -> Result<()> {
        if self.open.as_ref().is_some_and(|(open, _)| *open != key) {
            self.close(out)?;
        }
        let (_, top) = self.open.get_or_insert_with(|| (key, TopK::new(self.tops.top())));
        best.into_iter().for_each(|ranked| top.push(ranked));
        if let Some(count) = top.floor() {
            self.tops.floor.raise(key, count);
        }
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
        out.append(self.line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_rises_goes_on_to_later_keys_and_is_of_no_other_key() {
        let floor = Floor::default();
        assert_eq!(floor.of(3), None);
        floor.raise(3, 10);
        floor.raise(3, 7);
        assert_eq!((floor.of(3), floor.of(2), floor.of(4)), (Some(10), None, None));
        floor.raise(4, 1);
        floor.raise(3, 99);
        assert_eq!((floor.of(3), floor.of(4)), (None, Some(1)));
    }
}
