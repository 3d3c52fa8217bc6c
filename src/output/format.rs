//! The traits that a format of the tops implements.

use std::fmt::Debug;
use std::io::Write;

use super::Lines;
use crate::error::{Error, Result};
use crate::model::{Kind, Ranked};

/// A way to write the best songs of each key. Keys are written from many threads, one at a time, in no order; their
/// pieces are joined in the order of the keys.
pub trait Format: Debug + Sync {
    /// Appends one key with its best songs, the best first.
    fn write_key(&self, kind: Kind, key: u64, best: &[Ranked], out: &mut Lines);

    /// Starts a file of this kind on `out`. Pieces go there unchanged, unless the format changes them.
    fn begin<'a>(
        &'a self,
        _kind: Kind,
        out: &'a mut (dyn Write + Send),
    ) -> Result<Box<dyn Pieces + 'a>> {
        Ok(Box::new(Plain(out)))
    }
}

/// One file, whose pieces come in order.
pub trait Pieces: Send {
    /// Appends what [`Format::write_key`] made of one or more keys.
    fn append(&mut self, piece: &[u8]) -> Result<()>;
    /// Writes what is left.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Pieces as they are.
struct Plain<'a>(&'a mut (dyn Write + Send));

impl Pieces for Plain<'_> {
    fn append(&mut self, piece: &[u8]) -> Result<()> {
        self.0.write_all(piece).map_err(|error| Error::io("write", error))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
