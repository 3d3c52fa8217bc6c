//! Country runs to figures: each block is read once and serves all three windows.
//!
//! A piece of the key space is held decoded, a list for each day. From the lists come the streams of each country and
//! day, the best songs of each window (by the same merge that emits windows) and the streams of the current window's
//! best songs on each day. If a country is in several pieces, the best songs of the pieces are joined in order: a song
//! occurs in one piece only.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::super::{Context, Phase};
use super::windows::{ComparedWindows, countries};
use crate::error::{Error, ErrorKind, Result};
use crate::merge::{Merge, Stream};
use crate::model::{Batch, Country, Kind, Position, Ranked};
use crate::ordered;
use crate::page::{CountryFigures, Report, SongFigures, Standing};
use crate::partial::Partial;
use crate::runfile::{Piece, Run, split};
use crate::topk::LongKeys;

/// Entries that a list hands to a merge at once.
const CHUNK: usize = 4096;

/// Reads the windows' country runs; `top` songs of each country are kept.
pub(super) fn figures(context: &Context, windows: &ComparedWindows, top: u32) -> Result<Report> {
    let partials = &windows.partials;
    let pool = context.pool()?;
    let piece_entries = context.budget.emit(partials.len()).piece_entries;
    let runs: Vec<&Run> = partials.iter().map(|partial| partial.run(Kind::Country)).collect();
    let pieces = split(&runs, piece_entries)?;
    let mut join =
        CountryJoin { windows, top, countries: Vec::new(), read: vec![0; partials.len()] };
    let songs = usize::try_from(top).unwrap_or(usize::MAX);
    ordered::run(
        &pool,
        pieces.len(),
        || PieceReader::new(context, windows, songs),
        |reader, at| reader.read(&pieces[at]),
        Ok,
        |_, part| Ok(part),
        |part| join.add(part),
    )?;
    join.finish()
}

/// The figures of a country, or of its part in a piece.
#[derive(Debug, Default)]
struct Gathered {
    /// Streams on the day of each partial.
    streams: Vec<u64>,
    /// The best songs of the current window, with the streams on the day of each partial.
    songs: Vec<(Ranked, Vec<u64>)>,
    /// The best songs of the earlier windows.
    earlier: [Vec<Ranked>; 2],
}

/// By country number.
type GatheredPart = BTreeMap<u64, Gathered>;

/// What one thread reads pieces with.
struct PieceReader<'a> {
    context: &'a Context,
    windows: &'a ComparedWindows,
    /// The piece's entries of each day.
    lists: Vec<Batch>,
    ranking: LongKeys,
}

impl<'a> PieceReader<'a> {
    fn new(context: &'a Context, windows: &'a ComparedWindows, top: usize) -> Self {
        let lists = vec![Batch::default(); windows.partials.len()];
        PieceReader { context, windows, lists, ranking: LongKeys::new(top) }
    }

    fn read(&mut self, piece: &Piece) -> Result<GatheredPart> {
        for (partial, list) in self.windows.partials.iter().zip(&mut self.lists) {
            read_list(self.context, partial, piece, list)?;
        }
        let mut part = self.count_streams()?;
        let windows = self.windows;
        let current: Vec<usize> = windows.current.iter().filter_map(|(_, place)| *place).collect();
        self.choose(&current, |key, best, lists| {
            let gathered = part.entry(key).or_default();
            gathered.songs =
                best.iter().map(|song| (*song, days_of(lists, key, song.song))).collect();
        })?;
        for (at, window) in windows.earlier.iter().enumerate() {
            self.choose(&window.places, |key, best, _| {
                part.entry(key).or_default().earlier[at] = best.to_vec();
            })?;
        }
        Ok(part)
    }

    /// Adds up each country's streams of each day.
    fn count_streams(&self) -> Result<GatheredPart> {
        let mut part = GatheredPart::new();
        for (place, list) in self.lists.iter().enumerate() {
            for (key, songs) in list.entries().by_key() {
                let sum = songs.counts.iter().try_fold(0_u64, |sum, count| sum.checked_add(*count));
                let gathered = part.entry(key).or_default();
                gathered.streams.resize(self.lists.len(), 0);
                gathered.streams[place] = sum.ok_or_else(|| exceeds(key))?;
            }
        }
        Ok(part)
    }

    /// Merges the lists at `places` and hands the best songs of each country, the best first, to `take`.
    fn choose(
        &mut self,
        places: &[usize],
        mut take: impl FnMut(u64, &[Ranked], &[Batch]),
    ) -> Result<()> {
        // There is a list for each partial, and places are places of partials.
        let lists = &self.lists;
        let chosen = places.iter().map(|place| BatchChunks { list: &lists[*place], at: 0 });
        let merge = Merge::new(Kind::Country, chosen.collect());
        let progress = |_| self.context.check_stop();
        self.ranking.rank(merge, None, &progress, |key, best| take(key, best, lists))
    }
}

/// Replaces `list` by the partial's entries in the piece.
fn read_list(context: &Context, partial: &Partial, piece: &Piece, list: &mut Batch) -> Result<()> {
    list.clear();
    let mut blocks = partial.run(Kind::Country).blocks(piece.clone());
    let mut batch = Batch::default();
    while blocks.next(&mut batch)? {
        context.check_stop()?;
        context.observer.advance(Phase::Emit, batch.len() as u64);
        list.extend_from(&batch, 0..batch.len());
    }
    Ok(())
}

/// The count of the song under the key in each list.
fn days_of(lists: &[Batch], key: u64, song: u64) -> Vec<u64> {
    lists.iter().map(|list| list.entries().count_at(Position { key, song })).collect()
}

/// A list in parts, as a merge takes it.
struct BatchChunks<'a> {
    list: &'a Batch,
    at: usize,
}

impl Stream for BatchChunks<'_> {
    fn next(&mut self, batch: &mut Batch) -> Result<bool> {
        batch.clear();
        let end = self.list.len().min(self.at + CHUNK);
        batch.extend_from(self.list, self.at..end);
        self.at = end;
        Ok(!batch.is_empty())
    }
}

/// Joins parts in order.
struct CountryJoin<'a> {
    windows: &'a ComparedWindows,
    top: u32,
    countries: Vec<(u64, Gathered)>,
    /// Streams found on the day of each partial.
    read: Vec<u64>,
}

impl CountryJoin<'_> {
    fn add(&mut self, part: GatheredPart) -> Result<()> {
        let most = usize::try_from(self.top).unwrap_or(usize::MAX);
        for (key, gathered) in part {
            for (sum, more) in self.read.iter_mut().zip(&gathered.streams) {
                *sum = sum.checked_add(*more).ok_or_else(|| exceeds(key))?;
            }
            match self.countries.last_mut() {
                Some((last, known)) if *last == key => known.add(key, gathered, most)?,
                _ => self.countries.push((key, gathered)),
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Report> {
        for (partial, read) in self.windows.partials.iter().zip(&self.read) {
            if countries(partial).streams != *read {
                let what = "the streams of all countries are not those of the metadata";
                return Err(Error::damaged(what).at(partial.path()));
            }
        }
        let figures = |(key, gathered)| self.country(key, gathered);
        Ok(Report {
            days: self.windows.current.iter().map(|(day, _)| *day).collect(),
            top: self.top,
            daily: self.windows.daily(),
            earlier: self.windows.earlier_on_page(),
            countries: self
                .countries
                .iter()
                .map(|(key, gathered)| (*key, gathered))
                .filter_map(figures)
                .collect(),
        })
    }

    /// The figures of a country; `None` for a country that only earlier windows have.
    fn country(&self, key: u64, gathered: &Gathered) -> Option<CountryFigures> {
        let of_window = |streams: &[u64]| -> Vec<u64> {
            let of = |place: &Option<usize>| place.and_then(|place| streams.get(place)).copied();
            self.windows.current.iter().map(|(_, place)| of(place).unwrap_or(0)).collect()
        };
        let earlier = self.windows.earlier.each_ref().map(|window| {
            let streams = window.places.iter().filter_map(|place| gathered.streams.get(*place));
            let sum = streams.fold(0_u64, |sum, streams| sum.saturating_add(*streams));
            (sum > 0).then_some(sum)
        });
        let ranks = gathered.earlier.each_ref().map(|best| {
            let ranked = best.iter().zip(1_u32..).map(|(ranked, rank)| (ranked.song, rank));
            ranked.collect::<BTreeMap<u64, u32>>()
        });
        let [known_day, known_week] = earlier.map(|streams| streams.is_some());
        let [day_earlier, week_earlier] = &ranks;
        let songs: Vec<SongFigures> = gathered
            .songs
            .iter()
            .map(|(ranked, streams)| SongFigures {
                song: ranked.song,
                streams: of_window(streams),
                earlier: [
                    standing(known_day, day_earlier.get(&ranked.song)),
                    standing(known_week, week_earlier.get(&ranked.song)),
                ],
            })
            .collect();
        let country = Country::from_number(key).filter(|_| !songs.is_empty())?;
        Some(CountryFigures { country, streams: of_window(&gathered.streams), earlier, songs })
    }
}

impl Gathered {
    /// Adds the country's part in the next piece.
    fn add(&mut self, key: u64, next: Gathered, most: usize) -> Result<()> {
        for (sum, more) in self.streams.iter_mut().zip(&next.streams) {
            *sum = sum.checked_add(*more).ok_or_else(|| exceeds(key))?;
        }
        let best_first = |ranked: &Ranked| (Reverse(ranked.count), ranked.song);
        self.songs.extend(next.songs);
        self.songs.sort_unstable_by_key(|(ranked, _)| best_first(ranked));
        self.songs.truncate(most);
        for (best, more) in self.earlier.iter_mut().zip(next.earlier) {
            best.extend(more);
            best.sort_unstable_by_key(best_first);
            best.truncate(most);
        }
        Ok(())
    }
}

fn standing(known: bool, rank: Option<&u32>) -> Standing {
    match (known, rank) {
        (false, _) => Standing::Unknown,
        (true, None) => Standing::New,
        (true, Some(rank)) => Standing::Rank(*rank),
    }
}

fn exceeds(key: u64) -> Error {
    let key = Kind::Country.describe(key);
    Error::from(ErrorKind::Damaged(format!("the streams of {key} exceed 2^64-1")))
}
