//! Partials to one partial, by the same merge that joins the days of a window.

use std::io::{self, Write};
use std::path::PathBuf;

use super::{Context, Phase};
use crate::budget::MergePlan;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{TemporaryFile, TemporaryName};
use crate::merge::{Merge, Stream};
use crate::model::{Batch, Day, Kind, RejectCounts};
use crate::partial::{self, Partial, Piece, Shape, Writer};

/// Makes a file that is gone when dropped.
pub(super) type Scratch<'a> = &'a (dyn Fn() -> Result<Box<dyn TemporaryFile>> + Sync);

/// A partial that is not open: there may be more of them than a process may have open.
pub(super) struct Input {
    path: PathBuf,
    /// Its digest when it was looked at first.
    digest: Option<u128>,
    /// What keeps an unnamed file there.
    _scratch: Option<Box<dyn TemporaryName>>,
}

impl Input {
    /// A partial of the store, as it is now.
    pub(super) fn stored(partial: &Partial) -> Self {
        let path = partial.path().to_owned();
        Input { path, digest: Some(partial.digest()), _scratch: None }
    }

    /// A partial that was just written to an unnamed file.
    pub(super) fn spilled(file: Box<dyn TemporaryFile>) -> Result<Self> {
        let path = file.path().to_owned();
        let scratch = file.close().map_err(|error| Error::io("close", error).at(&path))?;
        Ok(Input { path, digest: None, _scratch: Some(scratch) })
    }

    /// Both runs of a day's piece, written to an unnamed file: its day and inputs mean nothing.
    pub(super) fn written(writer: Writer<Box<dyn TemporaryFile>>) -> Result<Self> {
        let rows = writer.ended_runs().first().map_or(0, |run| run.streams);
        let day = Day::new(1970, 1, 1)
            .ok_or_else(|| Error::from(ErrorKind::Fault("there is no 1970-01-01")))?;
        Self::spilled(writer.finish(day, rows, RejectCounts::default(), Vec::new())?.sink)
    }

    fn open(&self, context: &Context) -> Result<Partial> {
        let opened = context.files.open(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound if self.digest.is_some() => ErrorKind::Removed.into(),
            _ => Error::io("open", error),
        });
        let partial = Partial::open(opened.map_err(|error| error.at(&self.path))?, &self.path)?;
        if self.digest.is_some_and(|digest| digest != partial.digest()) {
            return Err(Error::from(ErrorKind::Replaced).at(&self.path));
        }
        Ok(partial)
    }
}

/// Runs `work` once more if another run replaced or removed a partial between its look and its reading: the second look
/// finds what is stored by then.
pub(super) fn overtaken_once<T>(work: impl Fn() -> Result<T>) -> Result<T> {
    match work() {
        Err(error) if matches!(error.kind(), ErrorKind::Replaced | ErrorKind::Removed) => {
            tracing::info!(%error, "looking again");
            work()
        }
        outcome => outcome,
    }
}

/// Few enough partials to be read at once, open.
pub(super) struct Opened {
    pub(super) partials: Vec<Partial>,
    /// Keeps unnamed files there for as long as they are read.
    _inputs: Vec<Input>,
}

/// Opens the inputs, after merging groups of them until at most `plan.fan_in` are left: a window of ten years or
/// a day of ten billion rows takes no more memory and no more open files than a small one, only more passes.
pub(super) fn open_merged(
    context: &Context,
    pool: &rayon::ThreadPool,
    plan: MergePlan,
    mut inputs: Vec<Input>,
    scratch: Scratch<'_>,
) -> Result<Opened> {
    while inputs.len() > plan.fan_in {
        tracing::info!(inputs = inputs.len(), plan.fan_in, "merging in several passes");
        let mut merged = Vec::new();
        let mut rest = inputs.into_iter().peekable();
        while rest.peek().is_some() {
            let group: Vec<Input> = rest.by_ref().take(plan.fan_in).collect();
            if group.len() == 1 {
                // Left over: nothing to merge it with in this pass.
                merged.extend(group);
                continue;
            }
            let partials =
                group.iter().map(|input| input.open(context)).collect::<Result<Vec<_>>>()?;
            merged.push(Input::spilled(join_to_scratch(context, pool, plan, &partials, scratch)?)?);
        }
        inputs = merged;
    }
    let partials = inputs.iter().map(|input| input.open(context)).collect::<Result<_>>()?;
    Ok(Opened { partials, _inputs: inputs })
}

/// A writer of a partial to a file that has no name of its own yet.
pub(super) fn temporary_writer(
    file: Box<dyn TemporaryFile>,
) -> Result<Writer<Box<dyn TemporaryFile>>> {
    let path = file.path().to_owned();
    Ok(Writer::new(file)?.named(&path))
}

fn join_to_scratch(
    context: &Context,
    pool: &rayon::ThreadPool,
    plan: MergePlan,
    partials: &[Partial],
    scratch: Scratch<'_>,
) -> Result<Box<dyn TemporaryFile>> {
    let mut writer = temporary_writer(scratch()?)?;
    join(context, pool, plan, partials, &mut writer)?;
    let rows = writer.ended_runs().first().map_or(0, |run| run.streams);
    let day = partials.first().map(|partial| partial.metadata().day);
    let day = day
        .or(Day::new(1970, 1, 1))
        .ok_or_else(|| Error::from(ErrorKind::Fault("there is no 1970-01-01")))?;
    Ok(writer.finish(day, rows, RejectCounts::default(), Vec::new())?.sink)
}

/// Writes both runs of all partials together to `writer`.
pub(super) fn join<W: Write + Send>(
    context: &Context,
    pool: &rayon::ThreadPool,
    plan: MergePlan,
    partials: &[Partial],
    writer: &mut Writer<W>,
) -> Result<()> {
    Kind::ALL.into_iter().try_for_each(|kind| join_run(context, pool, plan, partials, kind, writer))
}

/// Writes one run of all partials together to `writer`.
pub(super) fn join_run<W: Write + Send>(
    context: &Context,
    pool: &rayon::ThreadPool,
    plan: MergePlan,
    partials: &[Partial],
    kind: Kind,
    writer: &mut Writer<W>,
) -> Result<()> {
    let pieces = partial::split(partials, kind, plan.piece_entries)?;
    let shape = Shape { pool, pieces: pieces.len() };
    partial::write_run(
        writer,
        shape,
        || (),
        |(), at| {
            let mut whole = Batch::default();
            if let Some(piece) = pieces.get(at) {
                let mut merge = merge_piece(partials, kind, piece);
                let mut batch = Batch::default();
                while merge.next(&mut batch)? {
                    context.check_stop()?;
                    context.observer.advance(Phase::Merge, batch.len() as u64);
                    whole.extend_from(&batch, 0..batch.len());
                }
            }
            Ok(whole)
        },
    )
}

/// The merge of what all partials have in a piece of the key space.
pub(super) fn merge_piece<'a>(
    partials: &'a [Partial],
    kind: Kind,
    piece: &Piece,
) -> Merge<partial::BlockReader<'a>> {
    Merge::new(kind, partials.iter().map(|partial| partial.blocks(kind, piece.clone())).collect())
}
