//! An open table as an import sees it: its footer, then its rows. The caller chooses the decoder.
//!
//! The library decodes in the process it runs in ([`TrustingDecoder`](super::TrustingDecoder)), which trusts the file:
//! the crates that decode Parquet may panic, loop or allocate without bound on a file that was made to do that. The
//! program `agg` passes a decoder that does the same in a child process.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Facts;
use crate::error::Result;
use crate::fs::ReadFile;
use crate::model::{Batch, Country, Kind};

/// Opens tables.
pub trait TableDecoder: Debug + Send + Sync {
    /// Reads and checks a footer.
    ///
    /// # Errors
    /// [`ErrorKind::NotParquet`](crate::ErrorKind::NotParquet), and [`ErrorKind::BadTable`](crate::ErrorKind::BadTable)
    /// for other columns than those of [`Table::counts`](super::Table::counts) (in any order), for types that do not
    /// convert exactly, and for what exceeds the limits.
    fn open(
        &self,
        file: Arc<dyn ReadFile>,
        path: &Path,
        rules: TableRules,
    ) -> Result<Box<dyn OpenTable>>;
}

/// A table whose footer was read.
pub trait OpenTable: Debug + Send + Sync {
    /// What the footer says.
    fn outline(&self) -> &Outline;

    /// Takes the facts out of the outline: the logs of a day can be many.
    fn take_facts(&mut self) -> Option<Facts>;

    /// Reads a row group. Its rows are passed to `take` some thousand at a time, in the order of the file; the batch is
    /// reused. Ends with the first error, which can be `take`'s.
    ///
    /// # Errors
    /// [`ErrorKind::BadRow`](crate::ErrorKind::BadRow) with the row's number in the file,
    /// [`ErrorKind::NotParquet`](crate::ErrorKind::NotParquet), failures to read.
    fn read(&self, group: usize, take: &mut dyn FnMut(&Batch) -> Result<()>) -> Result<()>;
}

/// Limits of a table, and the countries that it may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRules {
    /// Bytes of memory of the run, with which the limits of footers grow in proportion.
    pub memory: u64,
    /// Bytes of the footers of all tables without their key-value pairs; in memory, these become some ten times as many.
    pub footers: u64,
    /// Bytes of these that the footers of other tables have.
    pub taken: u64,
    /// Bytes of its footer's key-value pairs; in memory, these become some three times as many.
    pub pairs: u64,
    /// Bytes of a page, compressed or not.
    pub page: u64,
    /// Which countries there are.
    pub judge: Judge,
}

/// Which countries there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judge {
    /// By number.
    countries: Vec<bool>,
}

impl Judge {
    /// Takes the countries of which `known` says so.
    pub fn new(known: impl Fn(Country) -> bool) -> Self {
        let countries = (0..u64::from(Country::COUNT)).filter_map(Country::from_number);
        Judge { countries: countries.map(known).collect() }
    }

    /// Whether this is the number of a country.
    #[must_use]
    pub fn knows(&self, number: u64) -> bool {
        let known = usize::try_from(number).ok().and_then(|number| self.countries.get(number));
        known.is_some_and(|known| *known)
    }

    /// Whether any two capitals are a country.
    #[must_use]
    pub fn takes_any(&self) -> bool {
        self.countries.iter().all(|known| *known)
    }
}

/// A table's rows according to its footer. Memory: some 40 bytes a row group, and the facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// What its keys are.
    pub kind: Kind,
    /// Its facts, if `agg` wrote it.
    pub facts: Option<Facts>,
    /// Size of its footer without the key-value pairs.
    pub footer_bytes: u64,
    /// Its row groups.
    pub groups: Vec<GroupOutline>,
}

/// A row group according to the footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupOutline {
    /// Its rows.
    pub rows: u64,
    /// The smallest and the largest key, where the footer has them: a hint, which may be wrong.
    pub keys: Option<(u64, u64)>,
}
