//! Stage 6: tops to files.
//!
//! A format is a file that implements the trait [`Format`], and a variant of [`TopsFormat`]. The [`Manifest`] beside
//! the files records what the emission was made from.

mod format;
mod lines;
mod manifest;
mod table;
mod text;

use crate::error::Result;
use crate::exchange::{Facts, TableFormat};
use crate::model::Kind;

pub use format::{Format, Pieces};
pub use lines::Lines;
pub use manifest::{ChangesManifest, ComparedEmission, FileEntry, Manifest, PartialEntry, Window};
pub use table::Tabular;
pub use text::Text;

/// How tops are written. All that depends on the format is here, except how a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopsFormat {
    /// A line a key, `key|song:count,…`.
    Text,
    /// A table with a row a song.
    Table(TableFormat),
}

impl TopsFormat {
    /// All of them: lines, then tables.
    pub fn all() -> impl Iterator<Item = TopsFormat> {
        [TopsFormat::Text].into_iter().chain(TableFormat::ALL.map(TopsFormat::Table))
    }

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            TopsFormat::Text => "text",
            TopsFormat::Table(format) => format.extension(),
        }
    }

    /// A description, for a list of formats.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            TopsFormat::Text => "A line a country or user: key|song:count,…",
            TopsFormat::Table(format) => format.description(),
        }
    }

    /// The name of the file with the best `top` songs of each key of a kind.
    #[must_use]
    pub fn file_name(self, kind: Kind, top: u32) -> String {
        format!("top{top}_songs_per_{}.{}", kind.noun(), self.extension())
    }

    /// The name of the file with what changed in the best `top` songs of each key of a kind.
    #[must_use]
    pub fn changes_name(self, kind: Kind, top: u32) -> String {
        format!("top{top}_changes_per_{}.{}", kind.noun(), self.extension())
    }

    /// How its files' names end.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            TopsFormat::Text => "txt",
            TopsFormat::Table(format) => format.extension(),
        }
    }

    /// The writer of the format. Tables call `facts` for their metadata; `memory` bounds the footer of a table.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a format that this build lacks, and the error of `facts`.
    pub fn open(
        self,
        facts: impl FnOnce() -> Result<Facts>,
        memory: u64,
    ) -> Result<Box<dyn Format>> {
        Ok(match self {
            TopsFormat::Text => Box::new(Text),
            TopsFormat::Table(format) => Box::new(Tabular::new(format, facts()?, memory)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_a_name_and_a_file_of_its_own() {
        let named =
            TopsFormat::all().map(|format| (format.name(), format.file_name(Kind::User, 50)));
        let expected = [
            ("text", "top50_songs_per_user.txt"),
            ("parquet", "top50_songs_per_user.parquet"),
            ("csv", "top50_songs_per_user.csv"),
            ("jsonl", "top50_songs_per_user.jsonl"),
        ];
        assert!(named.eq(expected.map(|(name, file)| (name, file.to_owned()))));
    }
}
