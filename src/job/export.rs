//! `export`: stored days, or a window's sums, to tables that other engines read.

use std::path::PathBuf;

use super::inspect::open_day;
use super::join::{Input, Scratch, merge_whole, open_merged, overtaken_once};
use super::{Context, Phase};
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::{
    Chunk, Encoder, Facts, Origin, PartialFacts, Rows, Table, TableFormat, TableWriter,
};
use crate::fs::WriteFile;
use crate::model::{Batch, Day, Kind, PerKind, RowCounts};
use crate::ordered;
use crate::partial::Partial;
use crate::runfile::{Cut, Cutter, Run, split};
use crate::store::{
    self, BuildFolder, HashingWriter, Output, OutputLock, Partition, PartitionDays, Store, Written,
};

/// Which days, in which format, and where to.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedFile {
    /// Where it is, published.
    pub path: PathBuf,
    /// Its rows: pairs of key and song.
    pub rows: u64,
    /// Size.
    pub bytes: u64,
    /// XXH3-64 of its bytes.
    pub xxh3_64: u64,
}

/// One partition that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedPartition {
    /// Which one.
    pub partition: Partition,
    /// Its folder.
    pub folder: PathBuf,
    /// Its files, in the order of their rows.
    pub files: Vec<ExportedFile>,
}

/// What an export did.
#[derive(Debug, Clone)]
pub struct ExportReport {
    /// The partitions, in the order published.
    pub partitions: Vec<ExportedPartition>,
    /// Days of the window without a partial.
    pub missing: Vec<Day>,
    /// Rows of the days' logs.
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
/// [`ErrorKind::MissingDays`], before anything is written; [`ErrorKind::CannotCreate`] where a folder of a partition
/// holds anything but tables; [`ErrorKind::TooManyRows`]; a damaged partial; [`ErrorKind::Locked`]; [`ErrorKind::Replaced`] and
/// [`ErrorKind::Removed`] where other runs change days twice meanwhile; failures to write. Partitions that were
/// published before stay.
pub fn export(context: &Context, options: &ExportOptions) -> Result<ExportReport> {
    overtaken_once(|| export_once(context, options))
}

fn export_once(context: &Context, options: &ExportOptions) -> Result<ExportReport> {
    let kinds = options.kinds.iter();
    let encoders =
        kinds.map(|kind| Ok((*kind, Encoder::new(options.format, Table::counts(*kind))?)));
    let encoders: Vec<(Kind, Encoder)> = encoders.collect::<Result<_>>()?;
    let (sets, missing) = look(context, &options.selection)?;
    let mut report = ExportReport { partitions: Vec::new(), missing, counts: total(&sets)? };
    let files = context.files.as_ref();
    let output = Output::new(&options.out);
    let mut lock = OutputLock::take(files, &output)?;
    for set in &sets {
        for (kind, _) in &encoders {
            store::check_partition(files, &lock, set.partition(*kind))?;
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

/// A day or a window, before its runs are read.
struct Set {
    days: PartitionDays,
    /// Oldest first; not open, since there may be more than a process may have open.
    inputs: Vec<Input>,
    counts: RowCounts,
    facts: Facts,
    /// Entries of the runs of each kind.
    pairs: PerKind<u64>,
}

impl Set {
    fn new(days: PartitionDays, origin: Origin) -> Self {
        let RowCounts { rows, rejects, .. } = RowCounts::NONE;
        let facts = Facts { origin, partials: Vec::new(), rows, rejects, inputs: Vec::new() };
        Set { days, inputs: Vec::new(), counts: RowCounts::NONE, facts, pairs: PerKind::default() }
    }

    fn add(&mut self, partial: &Partial) -> Result<()> {
        let metadata = partial.metadata();
        self.counts = self.counts.checked_add(&metadata.counts()).ok_or(ErrorKind::TooManyRows)?;
        (self.facts.rows, self.facts.rejects) = (self.counts.rows, self.counts.rejects);
        self.facts.partials.push(PartialFacts {
            day: metadata.day,
            version: partial.version(),
            digest: format!("{:032x}", partial.digest()),
        });
        if matches!(self.facts.origin, Origin::Day(_)) {
            self.facts.inputs.clone_from(&metadata.inputs);
        }
        for (kind, pairs) in self.pairs.iter_mut() {
            *pairs += metadata.runs[kind].pairs;
        }
        self.inputs.push(Input::stored(partial));
        Ok(())
    }

    fn partition(&self, kind: Kind) -> Partition {
        Partition { kind, days: self.days }
    }

    /// Entries of the runs of these kinds.
    fn entries(&self, kinds: &[Kind]) -> u64 {
        kinds.iter().map(|kind| self.pairs[*kind]).sum()
    }
}

/// The rows of all sets.
fn total(sets: &[Set]) -> Result<RowCounts> {
    let add = |sum: RowCounts, set: &Set| sum.checked_add(&set.counts);
    Ok(sets.iter().try_fold(RowCounts::NONE, add).ok_or(ErrorKind::TooManyRows)?)
}

/// Looks at the partials of the selection; also tells the days of a window without one.
fn look(context: &Context, selection: &Selection) -> Result<(Vec<Set>, Vec<Day>)> {
    let store = Store::new(&context.store);
    let mut missing = Vec::new();
    let mut sets = Vec::new();
    match selection {
        Selection::Days(days) => {
            let mut days = days.clone();
            days.sort_unstable();
            days.dedup();
            for day in days {
                let Some(partial) = open_day(context, &store, day)? else {
                    missing.push(day);
                    continue;
                };
                let mut set = Set::new(PartitionDays::Day(day), Origin::Day(day));
                set.add(&partial)?;
                sets.push(set);
            }
            if missing.is_empty() {
                Ok((sets, missing))
            } else {
                Err(missing_days(context, missing, false))
            }
        }
        Selection::Window { day, days, allow_missing } => {
            let window = day.window(*days);
            let from = window.first().copied().unwrap_or(*day);
            let origin = Origin::Window { from, to: *day, days: *days, missing: Vec::new() };
            let mut set = Set::new(PartitionDays::Window(*day), origin);
            for day in window {
                match open_day(context, &store, day)? {
                    Some(partial) => set.add(&partial)?,
                    None => missing.push(day),
                }
            }
            let can_skip = !set.inputs.is_empty();
            if !can_skip || !(missing.is_empty() || *allow_missing) {
                return Err(missing_days(context, missing, can_skip));
            }
            if let Origin::Window { missing: told, .. } = &mut set.facts.origin {
                told.clone_from(&missing);
            }
            Ok((vec![set], missing))
        }
    }
}

fn missing_days(context: &Context, days: Vec<Day>, can_skip: bool) -> Error {
    Error::from(ErrorKind::MissingDays { days, can_skip }).at(&context.store)
}

/// What the sets of one run are written with.
struct Export<'a> {
    context: &'a Context,
    pool: &'a rayon::ThreadPool,
    encoders: &'a [(Kind, Encoder)],
    lock: &'a mut OutputLock,
}

impl Export<'_> {
    /// Writes the tables of a set; they are published once all of them are complete.
    fn set(self, set: Set) -> Result<Vec<ExportedPartition>> {
        let files = self.context.files.as_ref();
        let root = self.lock.output().root().to_owned();
        let partitions: Vec<Partition> =
            self.encoders.iter().map(|(kind, _)| set.partition(*kind)).collect();
        let plan = self.context.budget.export();
        let mut built = Vec::new();
        {
            let lock = &*self.lock;
            let scratch = || lock.scratch_file(files);
            let scratch: Scratch<'_> = &scratch;
            let opened = open_merged(self.context, self.pool, plan, set.inputs, scratch)?;
            for (kind, encoder) in self.encoders {
                let folder = lock.build_folder(files)?;
                let parts = Parts::begin(&folder, encoder, &set.facts)?;
                let run =
                    Tabulation { context: self.context, pool: self.pool, kind: *kind, encoder };
                let written = run.write(&opened.of(*kind), plan.piece_entries, parts)?;
                built.push((folder, written));
            }
        }
        let mut exported = Vec::new();
        for (partition, (folder, written)) in partitions.into_iter().zip(built) {
            store::publish_partition(files, self.lock, partition, folder)?;
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
    encoder: &'a Encoder,
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
            |(), at| match pieces.get(at) {
                Some(piece) => merge_whole(self.context, Phase::Export, self.kind, runs, piece),
                None => Ok(Batch::default()),
            },
            |batch| Ok(cutter.cut(batch)),
            |(), cut| self.encode(&cut),
            |chunks| parts.append(chunks),
        )?;
        parts.append(self.encode(&cutter.finish())?)?;
        parts.finish()
    }

    fn encode(&self, cut: &Cut) -> Result<Vec<Chunk>> {
        let group = self.encoder.group_rows();
        let head = (!cut.head.is_empty()).then_some((&cut.head, 0..cut.head.len()));
        let body = cut.full.clone().step_by(group).map(|start| (&cut.body, start..start + group));
        let chunks = head.into_iter().chain(body).map(|(batch, range)| {
            self.encoder.encode(Rows { entries: batch.entries().slice(range), ranks: &[] })
        });
        chunks.collect()
    }
}

/// A file that is being written.
type OpenFile = TableWriter<HashingWriter<Box<dyn WriteFile>>>;

/// The files of a partition: the next one begins when one is full.
struct Parts<'a> {
    folder: &'a BuildFolder<'a>,
    encoder: &'a Encoder,
    facts: &'a Facts,
    open: (String, OpenFile),
    done: Vec<(String, ExportedFile)>,
}

impl<'a> Parts<'a> {
    fn begin(folder: &'a BuildFolder<'a>, encoder: &'a Encoder, facts: &'a Facts) -> Result<Self> {
        let open = Self::create(folder, encoder, facts, 0)?;
        Ok(Parts { folder, encoder, facts, open, done: Vec::new() })
    }

    fn create(
        folder: &BuildFolder<'_>,
        encoder: &Encoder,
        facts: &Facts,
        part: usize,
    ) -> Result<(String, OpenFile)> {
        let name = store::part_name(part, encoder.format().extension());
        let sink = HashingWriter::new(folder.create_file(&name)?);
        let file =
            encoder.begin(sink, facts).map_err(|error| error.at(folder.path().join(&name)))?;
        Ok((name, file))
    }

    fn append(&mut self, chunks: Vec<Chunk>) -> Result<()> {
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
fn end(folder: &BuildFolder<'_>, name: String, file: OpenFile) -> Result<(String, ExportedFile)> {
    let path = folder.path().join(&name);
    let rows = file.rows();
    let sink = file.finish().map_err(|error| error.at(&path))?;
    let synced = sink.finish().and_then(|(mut file, written)| file.sync().map(|()| written));
    let Written { bytes, xxh3_64 } = synced.map_err(|error| Error::io("write", error).at(&path))?;
    Ok((name, ExportedFile { path, rows, bytes, xxh3_64 }))
}
