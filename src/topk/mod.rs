//! Stage 5: the runs of a window to the best songs of each key.
//!
//! Best means the highest count, and of equal counts the lowest song id.
//!
//! There are two merges, because what is dear depends on the length of a key's list
//! ([`Kind::song_lists`](crate::model::Kind::song_lists)). A user of a week has some 25 entries on a few days: to look up lists
//! and songs would cost more than the entries, so a piece of the key space is merged as plain words, key, song and count
//! in one number, and every sum is looked at (`short`). A country has up to millions of songs, of which 50 are wanted: the
//! merge in rounds is told what a song needs at least, and leaves nearly all of them unmerged ([`LongKeys`]). Either
//! merge finds the same; pieces that do not fit words go through the rounds.

mod input;
mod long;
mod ranker;
mod short;
mod slots;

pub use input::RankInput;
pub use long::{Floor, LongKeys};
pub use ranker::Ranker;
pub use slots::TopK;
