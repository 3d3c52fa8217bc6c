//! The open and matching tables of a day to its published partial.

use std::path::{Path, PathBuf};

use super::super::Context;
use super::super::earlier::lock_store;
use super::super::inspect::open_day;
use super::super::join::temporary_writer;
use super::super::reduce_day::ReduceOutcome;
use super::rows::TableReading;
use super::table::ImportTable;
use super::{ImportOptions, ImportReport};
use crate::budget::DecoderPlan;
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::{Facts, Judge, Origin, PartialFacts, TableDecoder, TableRules};
use crate::fs::TemporaryFile;
use crate::input::{PieceDigests, digest_of_piece};
use crate::job::Phase;
use crate::model::{Day, InputFacts, Inputs, Kind, MAX_ID};
use crate::partial::{FinishedPartial, Metadata, Partial, Writer};
use crate::row::CountrySet;
use crate::store::{self, DatasetFolder, Store, StoreLock};

/// Bytes of the pieces whose digests make up a digest.
const PIECE: usize = 1 << 20;

/// Copies of the list of logs: of the tables, of the partial, encoded, and of the outline that is sent again for
/// further row groups.
const LISTS_OF_LOGS: u64 = 4;

/// The tables of one import.
struct Tables {
    files: Vec<ImportTable>,
    /// The facts that all of them have; `None` for tables of other programs.
    facts: Option<Facts>,
}

/// Imports the tables that were found.
pub(super) fn import_found(
    context: &Context,
    options: &ImportOptions,
    found: &[PathBuf],
    decoder: &dyn TableDecoder,
) -> Result<ImportReport> {
    let tables = Tables::open(context, options, found, decoder)?;
    // From here on the decoder has its share, and so have the logs that the tables name.
    let (logs, bytes) = tables.facts.as_ref().map_or((0, 0), |facts| {
        let logs = &facts.inputs;
        (logs.len(), LISTS_OF_LOGS * logs.encoded().len() as u64)
    });
    let budget = context.budget.beside_decoder().beside(logs, bytes)?;
    let context = &Context { budget, ..context.clone() };
    let store = context.store();
    let lock = lock_store(context)?;
    let replaces = store.open_partial(options.day)?.is_some();
    let existing = if options.force { None } else { open_day(&store, options.day)? };
    if let Some(partial) = &existing
        && tables.are_inputs_of(partial)?
    {
        let unchanged = ReduceOutcome::Unchanged;
        return Ok(tables.report(&store, partial.metadata(), partial.bytes(), unchanged));
    }
    let counted = count(context, options, &tables, existing.as_ref(), &lock)?;
    let FinishedPartial { sink, bytes, digest, metadata, .. } = counted.partial;
    let outcome = match &existing {
        Some(partial) if partial.digest() == digest => ReduceOutcome::Unchanged,
        Some(_) => return Err(ErrorKind::OtherCounts(options.day).into()),
        None if replaces => ReduceOutcome::Replaced,
        None => ReduceOutcome::Imported,
    };
    if outcome != ReduceOutcome::Unchanged {
        // A table does not have the rejected rows themselves.
        let rejects = lock.temporary_rejects()?;
        context.phase(Phase::Publish, Some(2), || {
            store::publish_day(&lock, options.day, rejects, sink)
        })?;
    }
    let report = tables.report(&store, &metadata, bytes, outcome);
    Ok(ImportReport { spilled_runs: counted.spilled_runs, ..report })
}

/// A partial that is complete and not yet published.
struct Imported {
    partial: FinishedPartial<Box<dyn TemporaryFile>>,
    spilled_runs: usize,
}

/// Reads all rows into a partial under a temporary name.
fn count(
    context: &Context,
    options: &ImportOptions,
    tables: &Tables,
    existing: Option<&Partial>,
    lock: &StoreLock,
) -> Result<Imported> {
    let pool = context.pool()?;
    let groups = tables.files.iter().flat_map(|file| &file.table.outline().groups);
    let total = groups.fold(0u64, |sum, group| sum.saturating_add(group.rows));
    let scratch = || lock.scratch_file();
    // The rules of another program's rows are unknown.
    let rules = tables.facts.as_ref().map(Facts::rules).unwrap_or_default();
    let mut reading = TableReading::new(context, &pool, &tables.files, &scratch);
    let writer = context.phase(Phase::Import, Some(total), || {
        reading.write(&|| temporary_writer(lock.temporary_partial()?, rules))
    })?;
    let rows = check_sums(&writer).map_err(|error| tables.at_first(error))?;
    if !reading.songs_agree() {
        let text = "a song has other streams by its users than by its countries: both tables have to be of the same rows";
        return Err(tables.at_first(ErrorKind::BadTable(text.to_owned()).into()));
    }
    let (facts, inputs) = match &tables.facts {
        Some(facts) => {
            check_accepted(facts, rows).map_err(|error| tables.at_first(error))?;
            (Some(facts), facts.inputs.clone())
        }
        None => (None, tables.inputs(context, &reading.streams(), existing)?),
    };
    let all_rows = facts.map_or(rows, |facts| facts.rows);
    let rejects = facts.and_then(|facts| facts.rejects).unwrap_or_default();
    let partial = writer.finish(options.day, all_rows, rejects, inputs)?;
    if let Some(facts) = facts {
        check_digest(facts, &partial).map_err(|error| tables.at_first(error))?;
    }
    Ok(Imported { partial, spilled_runs: reading.spilled_runs })
}

/// The streams of each run, which must be the same: they were counted from the same rows.
fn check_sums<W: std::io::Write>(writer: &Writer<W>) -> Result<u64> {
    let runs = writer.written_runs();
    let mut sums = Kind::ALL.into_iter().zip(runs.iter().map(|run| run.streams));
    let Some((first, streams)) = sums.next() else {
        return Err(ErrorKind::Fault("a partial without runs").into());
    };
    if let Some((other, others)) = sums.find(|(_, sum)| *sum != streams) {
        let (first, other) = (first.plural(), other.plural());
        let text = format!(
            "the streams of its {first} sum to {streams}, those of its {other} to {others}: both tables have to be of the same rows"
        );
        return Err(ErrorKind::BadTable(text).into());
    }
    if streams > MAX_ID {
        return Err(ErrorKind::BadTable("its streams sum to more than 2^63-1".to_owned()).into());
    }
    Ok(streams)
}

fn check_accepted(facts: &Facts, rows: u64) -> Result<()> {
    let accepted = facts.accepted();
    if accepted == rows {
        return Ok(());
    }
    let text = format!("its footer has {accepted} counted rows, its streams sum to {rows}");
    Err(ErrorKind::BadTable(text).into())
}

/// Tables that were exported from a partial must give that partial again.
fn check_digest<W>(facts: &Facts, partial: &FinishedPartial<W>) -> Result<()> {
    let (version, digest) = (partial.metadata.version(), crate::text::hex128(partial.digest));
    let is_same =
        |exported: &PartialFacts| exported.version == version && exported.digest == digest;
    if facts.partials.iter().all(is_same) {
        return Ok(());
    }
    let text = "its counts are not those of the partial that its footer names: export it again";
    Err(ErrorKind::BadTable(text.to_owned()).into())
}

impl Tables {
    /// Opens the files and makes the checks that need no rows.
    fn open(
        context: &Context,
        options: &ImportOptions,
        found: &[PathBuf],
        decoder: &dyn TableDecoder,
    ) -> Result<Self> {
        let (mut files, mut facts) = (Vec::<ImportTable>::new(), None);
        let plan = context.budget.decoder();
        let known = CountrySet::of(options.countries);
        let judge = Judge::new(|country| known.contains(country));
        let DecoderPlan { footers, pairs, page, .. } = plan;
        let memory = context.budget.memory;
        let mut rules = TableRules { memory, footers, taken: 0, pairs, page, judge };
        for path in found {
            context.check_stop()?;
            let (file, own) = ImportTable::open(context, path, decoder, rules.clone())?;
            // The groups stay in memory: together they have one allowance. All tables have the facts of the first.
            rules.taken = rules.taken.saturating_add(file.table.outline().footer_bytes);
            check_day(own.as_ref(), options.day).map_err(|error| error.at(path))?;
            match files.first() {
                None => facts = own,
                Some(first) if facts != own => {
                    let other = first.path().display();
                    let text = format!("its footer and that of '{other}' are not of the same day");
                    return Err(Error::from(ErrorKind::BadTable(text)).at(path));
                }
                Some(_) => {}
            }
            files.push(file);
        }
        for kind in Kind::ALL {
            if !files.iter().any(|file| file.kind() == kind) {
                let needed = Kind::ALL.map(|kind| format!("its {}", kind.plural())).join(" and ");
                let text =
                    format!("the counts by {} are missing: a day needs {needed}", kind.noun());
                let error = Error::from(ErrorKind::BadTable(text));
                return Err(match files.first() {
                    Some(file) => error.at(file.path()),
                    None => error,
                });
            }
        }
        Ok(Tables { files, facts })
    }

    fn at_first(&self, error: Error) -> Error {
        match self.files.first() {
            Some(file) => error.at(file.path()),
            None => error,
        }
    }

    /// Whether the partial was imported from these very files, by name, size and time.
    fn are_inputs_of(&self, partial: &Partial) -> Result<bool> {
        if self.facts.is_some() || partial.metadata().inputs != self.files.len() as u64 {
            return Ok(false);
        }
        let inputs = partial.inputs()?;
        let mut known: Vec<_> = inputs
            .iter()
            .map(|input| (input.name.to_vec(), input.size, input.modified_ns))
            .collect();
        let mut given: Vec<_> = self
            .files
            .iter()
            .map(|file| (input_name(file), file.stat().size, file.stat().modified_ns))
            .collect();
        known.sort_unstable();
        given.sort_unstable();
        Ok(known == given)
    }

    /// The tables as inputs. Those of `existing`, if they have the same content: a copy is the same table.
    fn inputs(
        &self,
        context: &Context,
        streams: &[u64],
        existing: Option<&Partial>,
    ) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        for (file, streams) in self.files.iter().zip(streams) {
            inputs.push(InputFacts {
                name: &input_name(file),
                size: file.stat().size,
                modified_ns: file.stat().modified_ns,
                digest: digest(context, file)?,
                // Each row of a log is in the tables of every kind: it is counted once.
                rows: if file.kind() == Kind::User { *streams } else { 0 },
            });
        }
        let contents = |inputs: &Inputs| {
            let mut contents: Vec<_> =
                inputs.iter().map(|input| (input.digest, input.rows)).collect();
            contents.sort_unstable();
            contents
        };
        let known = existing.map(Partial::inputs).transpose()?;
        Ok(known.filter(|known| contents(known) == contents(&inputs)).unwrap_or(inputs))
    }

    fn report(
        &self,
        store: &Store,
        metadata: &Metadata,
        partial_bytes: u64,
        outcome: ReduceOutcome,
    ) -> ImportReport {
        ImportReport {
            day: metadata.day,
            outcome,
            counts: metadata.counts(),
            rejects_known: metadata.counts().rejects.is_some(),
            tables: self.files.iter().map(|file| file.path().to_owned()).collect(),
            runs: metadata.runs,
            partial: store.partial_path(metadata.day),
            partial_bytes,
            spilled_runs: 0,
        }
    }
}

/// Refuses a table that records another day.
fn check_day(facts: Option<&Facts>, day: Day) -> Result<()> {
    let bad = |text: String| Err(ErrorKind::BadTable(text).into());
    match facts.map(|facts| &facts.origin) {
        Some(Origin::Window { from, to, .. }) => bad(format!("it has the sums of {from} to {to}")),
        Some(Origin::Day(other)) if *other != day => {
            bad(format!("it is of {other}: import it with --date {other}"))
        }
        _ => Ok(()),
    }
}

/// A table's name among the inputs of a day: no log's base name has a slash.
fn input_name(file: &ImportTable) -> Vec<u8> {
    let folder = DatasetFolder::kind_folder(Path::new(""), file.kind());
    let name = file.path().file_name().unwrap_or_default();
    folder.join(name).into_os_string().into_encoded_bytes()
}

/// The digest of a table's bytes, defined as that of a log.
fn digest(context: &Context, table: &ImportTable) -> Result<u128> {
    let failed = |error| Error::io("read", error).at(table.path());
    let mut buffer = vec![0; PIECE];
    let (mut digests, mut pieces, mut offset) = (PieceDigests::default(), 0, 0);
    while offset < table.stat().size {
        context.check_stop()?;
        let read = table.file().read_full_at(&mut buffer, offset).map_err(failed)?;
        digests.add(pieces, digest_of_piece(buffer.get(..read).unwrap_or_default()));
        pieces += 1;
        offset += read as u64;
        if read < PIECE {
            break;
        }
    }
    digests.end(pieces);
    let now = table.file().stat().map_err(failed)?;
    let is_same = offset == table.stat().size && now.is_same(&table.stat());
    let digest = digests.digest().filter(|_| is_same);
    digest.ok_or_else(|| Error::from(ErrorKind::LogChanged).at(table.path()))
}
