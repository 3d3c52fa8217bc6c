//! `export`: stored days, or a window's sums, to tables that other engines read.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::day_inputs::DayInputs;
use super::join::{Scratch, merge_whole, open_merged};
use super::window::{StoredDay, StoredWindow, check_missing, overtaken_once, total};
use super::{Context, Phase, document};
use crate::error::{Error, Result};
use crate::exchange::{
    EncodedRows, Facts, Origin, Rows, Table, TableEncoder, TableFormat, TableWriter,
};
use crate::fs::WriteFile;
use crate::model::{Batch, Day, Entries, Inputs, Kind, RowCounts};
use crate::ordered;
use crate::runfile::{Cut, Cutter, Run, split};
use crate::store::{
    self, BuildFolder, DatasetFolder, HashingWriter, OutputLock, PartitionDays, Written,
};
use crate::text::json;

/// The days, the format, and the output.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// What to export.
    pub selection: Selection,
    /// The kinds of key, a table each; each kind once.
    pub kinds: Vec<Kind>,
    /// How they are written.
    pub format: TableFormat,
    /// The dataset's folder.
    pub out: PathBuf,
}

/// What to export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Each of these days by itself.
    Days(Vec<Day>),
    /// The sums of the days that end on one.
    Window {
        /// The window's last day.
        day: Day,
        /// Days in the window, 1 to 3,660.
        days: u32,
        /// Export without the days that have no partial.
        allow_missing: bool,
    },
}

/// One file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportedFile {
    /// Where it is, published.
    #[serde(serialize_with = "json::path")]
    pub path: PathBuf,
    /// Its rows: pairs of key and song.
    pub rows: u64,
    /// Size.
    pub bytes: u64,
    /// XXH3-64 of its bytes.
    #[serde(serialize_with = "json::hex64")]
    pub xxh3_64: u64,
}

/// One partition that was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportedPartition {
    /// Its kind and days.
    #[serde(flatten, serialize_with = "document::partition")]
    pub partition: DatasetFolder,
    /// Its folder.
    #[serde(serialize_with = "json::path")]
    pub folder: PathBuf,
    /// Its files, in the order of their rows.
    pub files: Vec<ExportedFile>,
}

/// The report of an export.
#[derive(Debug, Clone, Serialize)]
pub struct ExportReport {
    /// How the tables are written.
    pub format: TableFormat,
    /// The partitions, in the order published.
    pub partitions: Vec<ExportedPartition>,
    /// Days of the window without a partial.
    pub missing: Vec<Day>,
    /// Rows of the days' logs.
    #[serde(flatten)]
    pub counts: RowCounts,
}

/// Writes the tables of the selection and publishes each as a partition of the dataset.
///
/// The same partials give the same bytes, however many threads and whatever the memory, which stays below the
/// budget. The store needs no lock and is not written to.
///
/// # Example
/// ```
/// use agg::exchange::TableFormat;
/// use agg::job::{ExportOptions, Selection, export};
/// use agg::model::Kind;
/// # use agg::budget::Budget;
/// # use agg::job::{Context, ReduceOptions, reduce_day};
/// # let folder = tempfile::tempdir()?;
/// # let log = folder.path().join("listen-20211201.log");
/// # std::fs::write(&log, "9|7|FR\n5|7|FR\n9|8|FR\n4|8|BR\n")?;
/// # let context = Context::new(folder.path().join("store"), Budget::new(64 << 20, 2)?);
/// # let options = ReduceOptions { logs: vec![log], ..Default::default() };
/// # let day = reduce_day(&context, &options)?.day;
///
/// let options = ExportOptions {
///     selection: Selection::Days(vec![day]),
///     kinds: vec![Kind::Country],
///     format: TableFormat::Csv,
///     out: folder.path().join("tables"),
/// };
/// export(&context, &options)?;
/// let path = options.out.join("kind=country/day=2021-12-01/part-0.csv");
/// let text = std::fs::read_to_string(path)?;
/// assert_eq!(text, "country,sng_id,streams\nBR,4,1\nFR,5,1\nFR,9,2\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// `ErrorKind::MissingDays`, before anything is written; `ErrorKind::CannotCreate` where a folder of a partition
/// holds anything but tables; `ErrorKind::TooManyRows`; a damaged partial; `ErrorKind::Locked`; `ErrorKind::Replaced` and
/// `ErrorKind::Removed` where other runs change days twice meanwhile; failures to write. Partitions that were
/// published before stay.
pub fn export(context: &Context, options: &ExportOptions) -> Result<ExportReport> {
    overtaken_once(|| export_once(context, options))
}

fn export_once(context: &Context, options: &ExportOptions) -> Result<ExportReport> {
    let kinds = options.kinds.iter();
    let encoders =
        kinds.map(|kind| Ok((*kind, TableEncoder::new(options.format, Table::counts(*kind))?)));
    let encoders: Vec<(Kind, TableEncoder)> = encoders.collect::<Result<_>>()?;
    let (sets, missing) = look(context, &options.selection)?;
    let counts = total(sets.iter().map(|set| set.counts))?;
    let (format, partitions) = (options.format, Vec::new());
    let mut report = ExportReport { format, partitions, missing, counts };
    let output = context.output(&options.out);
    let mut lock = context.locked(|| OutputLock::take(&output))?;
    for set in &sets {
        for (kind, _) in &encoders {
            store::check_partition(&lock, set.partition(*kind), TableFormat::has_table_name)?;
        }
    }
    let pool = context.pool()?;
    let entries = sets.iter().map(|set| set.entries(&options.kinds)).sum();
    context.phase(Phase::Export, Some(entries), || {
        for set in sets {
            let export = Export { context, pool: &pool, encoders: &encoders, lock: &mut lock };
            report.partitions.extend(export.set(set)?);
        }
        Ok(())
    })?;
    Ok(report)
}

/// The list of a day's logs is in a footer as text, which takes twice the bytes and is copied before it is written.
const TEXT_OF_LOGS: u64 = 6;

/// A day or a window, before its runs are read.
struct Set {
    days: PartitionDays,
    window: StoredWindow<StoredDay>,
    counts: RowCounts,
    facts: Facts,
    /// The logs of a day, whose tables describe them too.
    logs: DayInputs,
}

impl Set {
    fn new(
        days: PartitionDays,
        window: StoredWindow<StoredDay>,
        origin: Origin,
        logs: DayInputs,
    ) -> Result<Self> {
        let (counts, facts) = (window.counts()?, window.facts(origin, Inputs::default())?);
        Ok(Set { days, window, counts, facts, logs })
    }

    fn partition(&self, kind: Kind) -> DatasetFolder {
        DatasetFolder { kind, days: self.days }
    }

    /// Entries of the runs of these kinds.
    fn entries(&self, kinds: &[Kind]) -> u64 {
        kinds.iter().map(|kind| self.window.entries[*kind]).sum()
    }
}

/// Opens the partials of the selection; also returns the days of a window without a partial.
fn look(context: &Context, selection: &Selection) -> Result<(Vec<Set>, Vec<Day>)> {
    match selection {
        Selection::Days(days) => Ok((look_at_days(context, days)?, Vec::new())),
        Selection::Window { day, days, allow_missing } => {
            let all = day.window(*days);
            let window = StoredWindow::look(context, all, |partial| StoredDay::of(&partial))?;
            window.check_missing(context, *allow_missing)?;
            let missing = window.missing.clone();
            let origin = window.origin(*day, *days);
            Ok((
                vec![Set::new(
                    PartitionDays::Window(*day),
                    window,
                    origin,
                    Inputs::default().into(),
                )?],
                missing,
            ))
        }
    }
}

/// Each day is a set, whose tables describe its logs too.
fn look_at_days(context: &Context, days: &[Day]) -> Result<Vec<Set>> {
    let (mut sets, mut missing) = (Vec::new(), Vec::new());
    for day in days.iter().copied().collect::<BTreeSet<Day>>() {
        let mut logs = DayInputs::from(Inputs::default());
        let window = StoredWindow::look(context, vec![day], |partial| {
            logs = DayInputs::stored(context, &partial);
            StoredDay::of(&partial)
        })?;
        missing.extend(&window.missing);
        sets.push(Set::new(PartitionDays::Day(day), window, Origin::Day(day), logs)?);
    }
    check_missing(context, &missing, 0, false)?;
    Ok(sets)
}

/// The tools that write the sets of one run.
struct Export<'a> {
    context: &'a Context,
    pool: &'a rayon::ThreadPool,
    encoders: &'a [(Kind, TableEncoder)],
    lock: &'a mut OutputLock,
}

impl Export<'_> {
    /// Writes the tables of a set; they are published once all of them are complete.
    fn set(self, set: Set) -> Result<Vec<ExportedPartition>> {
        let root = self.lock.output().root().to_owned();
        let partitions: Vec<DatasetFolder> =
            self.encoders.iter().map(|(kind, _)| set.partition(*kind)).collect();
        let Set { window, mut facts, logs, .. } = set;
        let bytes = TEXT_OF_LOGS * logs.bytes();
        let plan = self.context.budget.beside(logs.len(), bytes)?.export();
        facts.inputs = Arc::unwrap_or_clone(logs.read()?);
        let mut built = Vec::new();
        {
            let lock = &*self.lock;
            let scratch = || lock.scratch_file();
            let scratch: Scratch<'_> = &scratch;
            let opened = open_merged(self.context, self.pool, plan, window.inputs(), scratch)?;
            for (kind, encoder) in self.encoders {
                let folder = lock.build_folder()?;
                let parts = Parts::begin(&folder, encoder, &facts)?;
                let run =
                    Tabulation { context: self.context, pool: self.pool, kind: *kind, encoder };
                let written = run.write(&opened.of(*kind), plan.piece_entries, parts)?;
                built.push((folder, written));
            }
        }
        let mut exported = Vec::new();
        for (partition, (folder, written)) in partitions.into_iter().zip(built) {
            store::publish_partition(self.lock, partition, folder)?;
            let folder = partition.folder(&root);
            let published = |(name, file): (String, ExportedFile)| ExportedFile {
                path: folder.join(name),
                ..file
            };
            let files = written.into_iter().map(published).collect();
            exported.push(ExportedPartition { partition, folder, files });
        }
        Ok(exported)
    }
}

/// One run on its way to a table.
struct Tabulation<'a> {
    context: &'a Context,
    pool: &'a rayon::ThreadPool,
    kind: Kind,
    encoder: &'a TableEncoder,
}

impl Tabulation<'_> {
    /// Merges, cuts and encodes on all threads; appends in order. Returns the files with their names.
    fn write(
        &self,
        runs: &[&Run],
        piece_entries: u64,
        mut parts: Parts<'_>,
    ) -> Result<Vec<(String, ExportedFile)>> {
        let pieces = split(runs, piece_entries)?;
        let mut cutter = Cutter::new(self.encoder.group_rows());
        ordered::run(
            self.pool,
            pieces.len(),
            || (),
            |(), at| {
                let room = Batch::default();
                merge_whole(self.context, Phase::Export, self.kind, runs, &pieces[at], room)
            },
            |batch| Ok(cutter.cut(batch)),
            |(), cut| self.encode(&cut),
            |chunks| parts.append(chunks),
        )?;
        parts.append(self.encode(&cutter.finish())?)?;
        parts.finish()
    }

    fn encode(&self, cut: &Cut) -> Result<Vec<EncodedRows>> {
        let group = self.encoder.group_rows();
        let head = (!cut.head.is_empty()).then_some((&cut.head, 0..cut.head.len()));
        let body = cut.full.clone().step_by(group).map(|start| (&cut.body, start..start + group));
        let chunks = head.into_iter().chain(body).map(|(batch, range)| {
            let Entries { keys, songs, counts } = batch.entries().slice(range);
            self.encoder.encode(Rows { keys, numbers: &[songs, counts] })
        });
        chunks.collect()
    }
}

/// A file that is being written.
type OpenFile = TableWriter<HashingWriter<Box<dyn WriteFile>>>;

/// The files of a partition: when a file is full, the next begins.
struct Parts<'a> {
    folder: &'a BuildFolder,
    encoder: &'a TableEncoder,
    facts: &'a Facts,
    open: (String, OpenFile),
    done: Vec<(String, ExportedFile)>,
}

impl<'a> Parts<'a> {
    fn begin(folder: &'a BuildFolder, encoder: &'a TableEncoder, facts: &'a Facts) -> Result<Self> {
        let open = Self::create(folder, encoder, facts, 0)?;
        Ok(Parts { folder, encoder, facts, open, done: Vec::new() })
    }

    fn create(
        folder: &BuildFolder,
        encoder: &TableEncoder,
        facts: &Facts,
        part: usize,
    ) -> Result<(String, OpenFile)> {
        let name = store::part_name(part, encoder.format().extension());
        let sink = HashingWriter::new(folder.create_file(&name)?);
        let file = encoder
            .begin(sink, Some(facts))
            .map_err(|error| error.at(folder.path().join(&name)))?;
        Ok((name, file))
    }

    fn append(&mut self, chunks: Vec<EncodedRows>) -> Result<()> {
        for chunk in chunks {
            if self.open.1.is_full() {
                let part = self.done.len() + 1;
                let next = Self::create(self.folder, self.encoder, self.facts, part)?;
                let (name, full) = std::mem::replace(&mut self.open, next);
                self.done.push(end(self.folder, name, full)?);
            }
            let (name, open) = &mut self.open;
            open.append(chunk).map_err(|error| error.at(self.folder.path().join(name)))?;
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<(String, ExportedFile)>> {
        let Parts { folder, open: (name, file), mut done, .. } = self;
        done.push(end(folder, name, file)?);
        Ok(done)
    }
}

/// Ends and syncs a file; its path is still that before it is published.
fn end(folder: &BuildFolder, name: String, file: OpenFile) -> Result<(String, ExportedFile)> {
    let path = folder.path().join(&name);
    let rows = file.rows();
    let sink = file.finish().map_err(|error| error.at(&path))?;
    let synced = sink.finish().and_then(|(mut file, written)| file.sync().map(|()| written));
    let Written { bytes, xxh3_64 } = synced.map_err(|error| Error::io("write", error).at(&path))?;
    Ok((name, ExportedFile { path, rows, bytes, xxh3_64 }))
}
