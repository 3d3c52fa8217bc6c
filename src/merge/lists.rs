//! Sorted lists of songs to one, pair by pair.
//!
//! Two lists are merged without a branch that depends on which of them is ahead: each step takes the smaller song, or
//! both when they are equal, by arithmetic. That is 2 to 3 ns a step where a mispredicted branch alone would
//! cost more. More lists are merged in rounds of pairs, log2(lists) steps an entry.

use crate::model::MAX_ID;

/// Songs, each once and ascending, with their counts: columns of equal length.
#[derive(Debug, Clone, Copy)]
pub(super) struct List<'a> {
    pub(super) songs: &'a [u64],
    pub(super) counts: &'a [u64],
}

impl List<'_> {
    /// Appends the songs with a count of at least `least`.
    pub(super) fn add_songs_from(&self, least: u64, songs: &mut Vec<u64>) {
        // Nearly all groups have none: looking a group over takes no branch a song.
        let groups = self.songs.chunks(16).zip(self.counts.chunks(16));
        for (group_songs, group_counts) in groups {
            if group_counts.iter().fold(false, |any, count| any | (*count >= least)) {
                let pairs = group_songs.iter().zip(group_counts);
                songs.extend(pairs.filter(|(_, count)| **count >= least).map(|(song, _)| *song));
            }
        }
    }

    /// The count of a song; 0 if it is not in the list.
    pub(super) fn count_of(&self, song: u64) -> u64 {
        let at = self.songs.binary_search(&song).ok();
        at.and_then(|at| self.counts.get(at)).copied().unwrap_or(0)
    }
}

/// Several lists side by side, and where each ends.
#[derive(Debug, Default)]
pub(super) struct Lists {
    songs: Vec<u64>,
    counts: Vec<u64>,
    ends: Vec<usize>,
}

impl Lists {
    pub(super) fn clear(&mut self) {
        self.songs.clear();
        self.counts.clear();
        self.ends.clear();
    }

    pub(super) fn push(&mut self, list: List<'_>) {
        self.songs.extend_from_slice(list.songs);
        self.counts.extend_from_slice(list.counts);
        self.ends.push(self.songs.len());
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, at: usize) -> List<'_> {
        let start =
            at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let range = start..self.ends.get(at).copied().unwrap_or(start);
        List {
            songs: self.songs.get(range.clone()).unwrap_or_default(),
            counts: self.counts.get(range).unwrap_or_default(),
        }
    }

    /// Merges all lists, leaving the last step to `last`; `other` is scratch.
    pub(super) fn merge<'a>(&'a mut self, other: &'a mut Lists) -> Result<[List<'a>; 2], Overflow> {
        while self.len() > 2 {
            other.clear();
            for pair in (0..self.len()).step_by(2) {
                if pair + 1 < self.len() {
                    let (one, two) = (self.get(pair), self.get(pair + 1));
                    merge_two(one, two, &mut other.songs, &mut other.counts)?;
                    other.ends.push(other.songs.len());
                } else {
                    other.push(self.get(pair));
                }
            }
            std::mem::swap(self, other);
        }
        Ok([self.get(0), self.get(1)])
    }
}

/// The sum of this song's counts exceeds 2^63 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overflow {
    pub(super) song: u64,
}

/// Appends the sum of two lists to two columns.
pub(super) fn merge_two(
    one: List<'_>,
    two: List<'_>,
    songs: &mut Vec<u64>,
    counts: &mut Vec<u64>,
) -> Result<(), Overflow> {
    let start = songs.len();
    let most = one.songs.len() + two.songs.len();
    songs.resize(start + most, 0);
    counts.resize(start + most, 0);
    let room = songs.get_mut(start..).zip(counts.get_mut(start..));
    let Some((to_songs, to_counts)) = room else { return Ok(()) };
    let (mut i, mut j, mut written, mut excess) = (0, 0, 0, 0);
    let slots = to_songs.iter_mut().zip(to_counts.iter_mut());
    for (song_slot, count_slot) in slots {
        let (Some(&song_one), Some(&song_two)) = (one.songs.get(i), two.songs.get(j)) else {
            break;
        };
        let (Some(&count_one), Some(&count_two)) = (one.counts.get(i), two.counts.get(j)) else {
            break;
        };
        let take_one = u64::from(song_one <= song_two);
        let take_two = u64::from(song_two <= song_one);
        *song_slot = song_one.min(song_two);
        // Masks instead of a choice; two counts below 2^63 do not wrap.
        let sum = (count_one & take_one.wrapping_neg()) + (count_two & take_two.wrapping_neg());
        *count_slot = sum;
        excess |= sum;
        i += usize::from(take_one == 1);
        j += usize::from(take_two == 1);
        written += 1;
    }
    if excess > MAX_ID {
        let written = to_songs.iter().zip(to_counts.iter()).take(written);
        let song = written.filter(|(_, count)| **count > MAX_ID).map(|(song, _)| *song).next();
        return Err(Overflow { song: song.unwrap_or_default() });
    }
    songs.truncate(start + written);
    counts.truncate(start + written);
    for (list, at) in [(one, i), (two, j)] {
        songs.extend_from_slice(list.songs.get(at..).unwrap_or_default());
        counts.extend_from_slice(list.counts.get(at..).unwrap_or_default());
    }
    Ok(())
}
