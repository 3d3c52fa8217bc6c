//! One table of an import: its open file, and its decoder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::{Facts, OpenTable, TableDecoder, TableRules};
use crate::fs::{FileStat, ReadFile};
use crate::model::Kind;

/// One table of an import.
#[derive(Debug)]
pub(super) struct ImportTable {
    pub(super) table: Box<dyn OpenTable>,
    path: PathBuf,
    file: Arc<dyn ReadFile>,
    /// Size and time when it was opened.
    stat: FileStat,
}

impl ImportTable {
    /// Opens it; also returns the facts in its footer.
    pub(super) fn open(
        context: &Context,
        path: &Path,
        decoder: &dyn TableDecoder,
        rules: TableRules,
    ) -> Result<(Self, Option<Facts>)> {
        let unreadable = |error| Error::from(ErrorKind::Unreadable(error)).at(path);
        let file: Arc<dyn ReadFile> = Arc::from(context.files.open(path).map_err(unreadable)?);
        let stat = file.stat().map_err(|error| Error::io("read", error).at(path))?;
        let mut table = decoder.open(Arc::clone(&file), path, rules)?;
        let facts = table.take_facts();
        Ok((ImportTable { table, path: path.to_owned(), file, stat }, facts))
    }

    pub(super) fn kind(&self) -> Kind {
        self.table.outline().kind
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn stat(&self) -> FileStat {
        self.stat
    }

    pub(super) fn file(&self) -> &dyn ReadFile {
        self.file.as_ref()
    }
}
