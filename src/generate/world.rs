//! Makes any chunk of a day's rows from its number, with users, songs and shape.

use super::flaw::Flaw;
use super::ids::Ids;
use super::options::{Options, Shape};
use super::random::{Random, hash};
use super::row::LogRow;
use super::songs::Catalogue;
use super::users::Users;
use crate::model::{Day, RejectCounts};

/// Rows of a chunk: some 1.6 MB of text, a piece of work of a few milliseconds.
pub(super) const CHUNK_ROWS: u64 = 1 << 16;

/// Users of [`Shape::FewUsers`].
const FEW: u64 = 1000;

/// The part of the seed for a part of the world.
#[derive(Clone, Copy)]
enum SeedPart {
    UserIds,
    SongIds,
    Users,
    Songs,
    Rows,
}

/// Everything that rows are drawn from. Memory: a few kilobytes, shared by the threads.
#[derive(Debug, Clone)]
pub(super) struct World {
    shape: Shape,
    rows: u64,
    corrupt: f64,
    rows_key: u64,
    users: Users,
    songs: Catalogue,
    song_ids: Ids,
}

impl World {
    /// The world that checked options describe.
    pub(super) fn new(options: &Options) -> Self {
        let shape = options.shape;
        let key = |part: SeedPart| hash(options.seed, part as u64);
        let ids = |key| match shape {
            Shape::WideIds => Ids::Wide { key },
            Shape::DenseIds => Ids::Dense,
            _ => Ids::Sparse { key },
        };
        let count = match shape {
            Shape::FewUsers => FEW.min(options.users),
            _ => options.users,
        };
        let user_ids = match shape {
            Shape::Sorted => Ids::ascending(key(SeedPart::UserIds), count),
            _ => ids(key(SeedPart::UserIds)),
        };
        World {
            shape,
            rows: options.rows,
            corrupt: if shape == Shape::Corrupt { 1.0 } else { options.corrupt },
            rows_key: key(SeedPart::Rows),
            users: Users::new(key(SeedPart::Users), count, user_ids, shape == Shape::OneCountry),
            songs: Catalogue::new(key(SeedPart::Songs), options.songs),
            song_ids: ids(key(SeedPart::SongIds)),
        }
    }

    /// Number of chunks of a day.
    pub(super) fn chunks(&self) -> u64 {
        self.rows.div_ceil(CHUNK_ROWS)
    }

    /// The rows of each day.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The numbers of a chunk's rows among the day's.
    fn numbers(&self, chunk: u64) -> std::ops::Range<u64> {
        let start = chunk * CHUNK_ROWS;
        start..self.rows.min(start.saturating_add(CHUNK_ROWS))
    }

    /// Number of rows of a chunk; the last chunk may have fewer.
    pub(super) fn chunk_rows(&self, chunk: u64) -> u64 {
        let numbers = self.numbers(chunk);
        numbers.end - numbers.start
    }

    /// Appends the rows of a chunk, each with its LF; returns the corrupt rows by reason.
    pub(super) fn chunk(&self, day: Day, chunk: u64, out: &mut Vec<u8>) -> RejectCounts {
        let day = day.since_1970();
        let mut random = Random::new(hash(hash(self.rows_key, day), chunk));
        let mut rejects = RejectCounts::default();
        for number in self.numbers(chunk) {
            let row = self.row(day, number, &mut random);
            if random.unit() < self.corrupt {
                let next = self.row(day, number, &mut random);
                let flaw = Flaw::draw(&mut random);
                flaw.write(&row, &next, &mut random, out);
                rejects.count(flaw.reason());
            } else {
                row.write(out);
            }
            out.push(b'\n');
        }
        rejects
    }

    fn row(&self, day: u64, number: u64, random: &mut Random) -> LogRow {
        let user = self.user(day, number, random);
        let home = self.users.home(user);
        let song = match self.shape {
            // All users once, then again with the next song of each.
            Shape::Distinct => {
                let first = hash(self.rows_key, user) % self.songs.songs();
                (first + number / self.users.count()) % self.songs.songs()
            }
            _ => self.users.choose(user, home, day, &self.songs, random),
        };
        let (song, user) = (self.song_ids.of(song), self.users.id(user));
        LogRow { song, user, country: self.users.code(home) }
    }

    fn user(&self, day: u64, number: u64, random: &mut Random) -> u64 {
        match self.shape {
            Shape::OneUser => 0,
            Shape::HotUser if random.below(3) == 0 => 0,
            Shape::Distinct => number % self.users.count(),
            #[expect(clippy::cast_precision_loss, reason = "only the order matters")]
            Shape::Sorted => self.users.at((number as f64 + 0.5) / self.rows as f64),
            _ => self.users.draw(day, random),
        }
    }
}
