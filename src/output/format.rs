//! What a format of the tops has to say.

use std::fmt::Debug;

use super::Lines;
use crate::model::{Kind, Ranked};

/// A way to write the best songs of each key. Called from many threads, a key at a time, in no order; the pieces
/// it writes are put together in the order of the keys.
pub trait Format: Debug + Sync {
    /// The name of the file with the best `top` songs of each key of this kind.
    fn file_name(&self, kind: Kind, top: u32) -> String;
    /// Appends one key with its best songs, the best first.
    fn write_key(&self, kind: Kind, key: u64, best: &[Ranked], out: &mut Lines);
}
