//! Tables of counts and tops in the formats that other programs read: Parquet, CSV, JSON lines.
//!
//! A [`Table`] has the [column](crate::model::Kind::column) of its kind, perhaps a `rank`, `sng_id` and `streams`. A [`TableEncoder`]
//! turns stretches of rows into [`EncodedRows`]s on any thread; a [`TableWriter`] writes the chunks of a file one after
//! the other. Cut every [`TableEncoder::group_rows`] rows, the bytes depend on the rows and their [`Facts`] alone.
//!
//! Tables come back through a `TableDecoder`; the library's own, `TrustingDecoder`, trusts the files that it decodes.
//!
//! Parquet is behind the feature `parquet`; a build without it refuses the format and has no reader. `store` decides
//! which files there are and where they go, `job` what is in them.

mod encoder;
mod facts;
#[cfg(feature = "parquet")]
mod open;
#[cfg(feature = "parquet")]
mod parquet;
mod table;
mod text;

use std::fmt;

use serde::{Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};

pub use encoder::{EncodedRows, GROUP_ROWS, MAX_GROUPS, TableEncoder, TableWriter};
pub use facts::{Facts, Origin, PartialFacts};
#[cfg(feature = "parquet")]
pub use open::{GroupOutline, Judge, OpenTable, Outline, TableDecoder, TableRules};
#[cfg(feature = "parquet")]
pub use parquet::TrustingDecoder;
pub use table::{Rows, SONG, STREAMS, Table};
use text::TextForm;

/// How a table is written. All that depends on the format is here; a format of text adds its two functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TableFormat {
    /// Apache Parquet, compressed with zstd.
    Parquet,
    /// Comma-separated values with a header, as in RFC 4180; no value needs quoting.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

impl TableFormat {
    /// Number of formats; the match reminds you to add a new format to [`TableFormat::ALL`].
    const COUNT: usize = match TableFormat::Parquet {
        TableFormat::Parquet | TableFormat::Csv | TableFormat::JsonLines => 3,
    };

    /// All of them.
    pub const ALL: [TableFormat; TableFormat::COUNT] =
        [TableFormat::Parquet, TableFormat::Csv, TableFormat::JsonLines];

    /// How names of such files end, without the dot; also the format's name on the command line.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            TableFormat::Parquet => "parquet",
            TableFormat::Csv => "csv",
            TableFormat::JsonLines => "jsonl",
        }
    }

    /// A description, for a list of formats.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            TableFormat::Parquet => "Apache Parquet",
            TableFormat::Csv => "Comma-separated values with a header",
            TableFormat::JsonLines => "One JSON object a line",
        }
    }

    /// How its files are written, if they are text.
    const fn text(self) -> Option<TextForm> {
        match self {
            TableFormat::Parquet => None,
            TableFormat::Csv => Some(text::CSV),
            TableFormat::JsonLines => Some(text::JSON_LINES),
        }
    }

    /// Whether a file of this name may be a table.
    #[must_use]
    pub fn has_table_name(name: &std::ffi::OsStr) -> bool {
        let name = std::path::Path::new(name);
        let ends = |format: TableFormat| {
            name.extension().is_some_and(|extension| extension == format.extension())
        };
        TableFormat::ALL.into_iter().any(ends)
    }
}

impl Serialize for TableFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.extension())
    }
}

impl fmt::Display for TableFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

/// The error of more row groups than a Parquet file may have.
pub(crate) fn too_many_groups() -> Error {
    let text = "the footer of a Parquet file with this number of rows exceeds the memory; raise --memory, or use --format csv or jsonl";
    ErrorKind::Usage(text.to_owned()).into()
}

/// Whether this build writes (and, for Parquet, reads) the format.
///
/// # Errors
/// [`ErrorKind::Usage`], which says so.
pub fn check_supported(format: TableFormat) -> Result<()> {
    match format {
        #[cfg(not(feature = "parquet"))]
        TableFormat::Parquet => Err(unsupported()),
        _ => Ok(()),
    }
}

#[cfg(not(feature = "parquet"))]
fn unsupported() -> Error {
    let text = "this build of agg lacks Parquet: build it with the feature 'parquet', which is on unless turned off";
    ErrorKind::Usage(text.to_owned()).into()
}
