//! Partials to one partial, by the same merge that joins the days of a window.

use std::io::Write;
use std::path::Path;

use super::{Context, Phase};
use crate::budget::MergePlan;
use crate::error::Result;
use crate::fs::TemporaryFile;
use crate::merge::{Merge, Stream};
use crate::model::{Batch, Day, Kind, RejectCounts};
use crate::partial::{self, Partial, Piece, Shape, Writer};

/// Makes a file that is gone when dropped.
pub(super) type Scratch<'a> = &'a (dyn Fn() -> Result<Box<dyn TemporaryFile>> + Sync);

/// Partials to be read, and the unnamed files that some of them are in.
pub(super) struct Inputs {
    pub(super) partials: Vec<Partial>,
    /// Kept so that the files are there for as long as they are read.
    scratch: Vec<Box<dyn TemporaryFile>>,
}

impl Inputs {
    /// Partials that have names.
    pub(super) fn stored(partials: Vec<Partial>) -> Self {
        Inputs { partials, scratch: Vec::new() }
    }

    /// Partials in unnamed files.
    pub(super) fn scratch(context: &Context, scratch: Vec<Box<dyn TemporaryFile>>) -> Result<Self> {
        let open = |path: &Path| {
            let opened = context.files.open(path);
            let opened = opened.map_err(|error| crate::Error::io("open", error).at(path))?;
            Partial::open(opened, path)
        };
        Ok(Inputs {
            partials: scratch.iter().map(|file| open(file.path())).collect::<Result<_>>()?,
            scratch,
        })
    }

    /// Merges groups of partials until at most `plan.fan_in` are left, so that a window of ten years or a day of ten
    /// billion rows takes no more memory than a small one, only more passes.
    pub(super) fn narrow(
        mut self,
        context: &Context,
        pool: &rayon::ThreadPool,
        plan: MergePlan,
        scratch: Scratch<'_>,
    ) -> Result<Inputs> {
        while self.partials.len() > plan.fan_in {
            tracing::info!(inputs = self.partials.len(), plan.fan_in, "merging in several passes");
            let mut merged = Vec::new();
            let mut rest = self.partials.into_iter().peekable();
            while rest.peek().is_some() {
                let group: Vec<Partial> = rest.by_ref().take(plan.fan_in).collect();
                merged.push(join_to_scratch(context, pool, plan, &group, scratch)?);
            }
            drop(self.scratch);
            self = Inputs::scratch(context, merged)?;
        }
        Ok(self)
    }
}

fn join_to_scratch(
    context: &Context,
    pool: &rayon::ThreadPool,
    plan: MergePlan,
    partials: &[Partial],
    scratch: Scratch<'_>,
) -> Result<Box<dyn TemporaryFile>> {
    let mut writer = Writer::new(scratch()?)?;
    join(context, pool, plan, partials, &mut writer)?;
    let rows = writer.ended_runs().first().map_or(0, |run| run.streams);
    let day = partials.first().map(|partial| partial.metadata().day);
    let day = day.or(Day::new(1970, 1, 1)).ok_or_else(|| crate::Error::damaged("no calendar"))?;
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
    for kind in Kind::ALL {
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
        )?;
    }
    Ok(())
}

/// The merge of what all partials have in a piece of the key space.
pub(super) fn merge_piece<'a>(
    partials: &'a [Partial],
    kind: Kind,
    piece: &Piece,
) -> Merge<partial::BlockReader<'a>> {
    Merge::new(kind, partials.iter().map(|partial| partial.blocks(kind, piece.clone())).collect())
}
