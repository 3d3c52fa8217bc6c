//! Sorted runs to one of each kind, by the same merge that joins the days of a window.

use std::io;
use std::path::{Path, PathBuf};

use super::{Context, Phase};
use crate::budget::MergePlan;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, TemporaryFile};
use crate::merge::Stream;
use crate::model::{Batch, Kind, Rules};
use crate::partial::{Partial, Writer};
use crate::runfile::{Piece, Run, RunFacts, RunFile, RunPieces, merge_piece, split};

/// Makes a file that is gone when dropped.
pub(super) type Scratch<'a> = &'a (dyn Fn() -> Result<Box<dyn TemporaryFile>> + Sync);

/// A partial whose runs are written one by one, and whose footer is not.
pub(super) type OpenPartial = Writer<Box<dyn TemporaryFile>>;

/// Runs that are not open: there can be more of them than a process may have open.
pub(super) enum JoinInput {
    /// A partial of the store, with its digest when it was first opened.
    Stored { path: PathBuf, digest: u128 },
    /// A run of each kind, counted from the same rows.
    Spilled(Vec<RunFile>),
}

impl JoinInput {
    /// A partial of the store, as it is now.
    pub(super) fn stored(partial: &Partial) -> Self {
        JoinInput::Stored { path: partial.path().to_owned(), digest: partial.digest() }
    }

    /// Adds its runs, open.
    fn open(&self, context: &Context, runs: &mut Vec<Run>) -> Result<()> {
        let files = context.files.as_ref();
        match self {
            JoinInput::Stored { path, digest } => {
                let partial = open_again(files, path, *digest)?;
                runs.extend(partial.into_runs().into_array());
            }
            JoinInput::Spilled(spilled) => {
                for run in spilled {
                    runs.push(run.open(files)?);
                }
            }
        }
        Ok(())
    }
}

/// Few enough runs of each kind to be read at once, open.
pub(super) struct Opened(Vec<Run>);

impl Opened {
    fn open(context: &Context, inputs: &[JoinInput]) -> Result<Self> {
        let mut runs = Vec::new();
        inputs.iter().try_for_each(|input| input.open(context, &mut runs))?;
        Ok(Opened(runs))
    }

    /// The runs of a kind.
    pub(super) fn of(&self, kind: Kind) -> Vec<&Run> {
        self.0.iter().filter(|run| run.kind() == kind).collect()
    }
}

/// Where runs are written.
pub(super) trait WriteRun {
    /// Writes a run; a partial takes them in the order of [`Kind::ALL`].
    fn write_run<S>(
        &mut self,
        kind: Kind,
        shape: RunPieces<'_>,
        state: impl Fn() -> S + Sync,
        make: impl Fn(&mut S, usize, Batch) -> Result<Batch> + Sync,
    ) -> Result<RunFacts>;
}

impl WriteRun for OpenPartial {
    fn write_run<S>(
        &mut self,
        _: Kind,
        shape: RunPieces<'_>,
        state: impl Fn() -> S + Sync,
        make: impl Fn(&mut S, usize, Batch) -> Result<Batch> + Sync,
    ) -> Result<RunFacts> {
        Writer::write_run(self, shape, state, make)
    }
}

/// Runs in files of their own, to be merged later.
pub(super) struct Spill<'a> {
    scratch: Scratch<'a>,
    runs: Vec<RunFile>,
}

impl<'a> Spill<'a> {
    /// Files that `scratch` makes.
    pub(super) fn new(scratch: Scratch<'a>) -> Self {
        Spill { scratch, runs: Vec::new() }
    }

    /// The runs that were written.
    pub(super) fn finish(self) -> JoinInput {
        JoinInput::Spilled(self.runs)
    }
}

impl WriteRun for Spill<'_> {
    fn write_run<S>(
        &mut self,
        kind: Kind,
        shape: RunPieces<'_>,
        state: impl Fn() -> S + Sync,
        make: impl Fn(&mut S, usize, Batch) -> Result<Batch> + Sync,
    ) -> Result<RunFacts> {
        let run = RunFile::write(kind, (self.scratch)()?, shape, state, make)?;
        let facts = run.facts();
        self.runs.push(run);
        Ok(facts)
    }
}

/// Opens the inputs, after merging groups of them until at most `plan.fan_in` are left: a window of ten years or a day
/// of ten billion rows takes more passes than a small input, but no more memory or open files.
pub(super) fn open_merged(
    context: &Context,
    pool: &rayon::ThreadPool,
    plan: MergePlan,
    mut inputs: Vec<JoinInput>,
    scratch: Scratch<'_>,
) -> Result<Opened> {
    while inputs.len() > plan.fan_in {
        tracing::info!(inputs = inputs.len(), plan.fan_in, "merging in several passes");
        let mut merged = Vec::new();
        let mut rest = inputs.into_iter().peekable();
        while rest.peek().is_some() {
            let group: Vec<JoinInput> = rest.by_ref().take(plan.fan_in).collect();
            if group.len() == 1 {
                // Left over: this pass has no input to merge it with.
                merged.extend(group);
                continue;
            }
            let opened = Opened::open(context, &group)?;
            let mut spill = Spill::new(scratch);
            join(context, pool, plan, &opened, &mut spill)?;
            merged.push(spill.finish());
        }
        inputs = merged;
    }
    Opened::open(context, &inputs)
}

/// A writer of a partial by these rules to a file that has no name of its own yet.
pub(super) fn temporary_writer(file: Box<dyn TemporaryFile>, rules: Rules) -> Result<OpenPartial> {
    let path = file.path().to_owned();
    Ok(Writer::with_rules(file, rules)?.named(&path))
}

/// Writes a run of each kind, which merges all open runs of the kind.
pub(super) fn join(
    context: &Context,
    pool: &rayon::ThreadPool,
    plan: MergePlan,
    opened: &Opened,
    target: &mut impl WriteRun,
) -> Result<()> {
    for kind in Kind::ALL {
        let runs = opened.of(kind);
        if !runs.is_empty() {
            join_run(context, pool, plan, kind, &runs, target)?;
        }
    }
    Ok(())
}

/// Writes the merge of these runs as one run.
pub(super) fn join_run(
    context: &Context,
    pool: &rayon::ThreadPool,
    plan: MergePlan,
    kind: Kind,
    runs: &[&Run],
    target: &mut impl WriteRun,
) -> Result<()> {
    let pieces = split(runs, plan.piece_entries)?;
    let shape = RunPieces { pool, pieces: pieces.len() };
    let make = |(): &mut (), at: usize, room: Batch| {
        merge_whole(context, Phase::Merge, kind, runs, &pieces[at], room)
    };
    target.write_run(kind, shape, || (), make)?;
    Ok(())
}

/// All entries of the runs in a piece of the key space, put into an empty batch. Entries read advance `phase`.
pub(super) fn merge_whole(
    context: &Context,
    phase: Phase,
    kind: Kind,
    runs: &[&Run],
    piece: &Piece,
    mut whole: Batch,
) -> Result<Batch> {
    let mut batch = Batch::default();
    let mut merge = merge_piece(runs, kind, piece);
    let mut reported = 0;
    while merge.next(&mut batch)? {
        context.check_stop()?;
        whole.extend_from(&batch, 0..batch.len());
        context.observer.advance(phase, merge.entries_read() - reported);
        reported = merge.entries_read();
    }
    Ok(whole)
}

/// Opens a partial again that was opened before.
///
/// # Errors
/// [`ErrorKind::Removed`] and [`ErrorKind::Replaced`] where another run changed it meanwhile.
pub(super) fn open_again(files: &dyn FileSystem, path: &Path, digest: u128) -> Result<Partial> {
    let opened = files.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::Removed.into(),
        _ => Error::io("open", error),
    });
    let partial = Partial::open(opened.map_err(|error| error.at(path))?, path)?;
    if digest != partial.digest() {
        return Err(Error::from(ErrorKind::Replaced).at(path));
    }
    Ok(partial)
}
