//! Stage 5: the runs of a window to the best songs of each key.
//!
//! Best means the highest count, and of equal counts the lowest song id.
//!
//! There are two merges, because the cost depends on the length of a key's list
//! ([`Kind::song_lists`](crate::model::Kind::song_lists)). A user of a week has some 25 entries on a few days. To look
//! up lists and songs would cost more than the entries. So a piece of the key space is merged as plain words, with key,
//! song and count in one number, and every sum is compared (`short`). A country has up to millions of songs, and 50 are
//! wanted. So the merge in rounds gets the minimum count of a song, and skips nearly all songs ([`LongKeys`]). Both
//! merges find the same. Pieces that do not fit words are merged in rounds.

mod input;
mod long;
mod ranker;
mod short;
mod slots;

pub use input::RankInput;
pub use long::{Floor, LongKeys};
pub use ranker::Ranker;
pub use slots::TopK;
