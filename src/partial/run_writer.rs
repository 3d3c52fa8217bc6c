//! Writes one run from sorted pieces that are made on all threads.

use std::io::Write;

use super::cutter::{Cut, Cutter};
use super::writer::{EncodedBlocks, Writer};
use crate::codec::block::Encoder;
use crate::error::Result;
use crate::model::Batch;
use crate::ordered;

/// How a run comes: so many pieces, made on the threads of a pool.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    /// Where pieces are made and encoded.
    pub pool: &'a rayon::ThreadPool,
    /// How many there are. All keys and songs of a piece come before those of the next.
    pub pieces: usize,
}

/// Makes the pieces of the next run with `make`, encodes them and appends them in order.
///
/// `state` makes what one thread keeps between its pieces. The bytes are the same however the run is cut
/// into pieces. Memory: a few pieces a thread, decoded (24 bytes an entry) or encoded.
pub fn write_run<W: Write + Send, S>(
    writer: &mut Writer<W>,
    shape: Shape<'_>,
    state: impl Fn() -> S + Sync,
    make: impl Fn(&mut S, usize) -> Result<Batch> + Sync,
) -> Result<()> {
    let block_entries = writer.block_entries();
    let mut cutter = Cutter::new(block_entries);
    ordered::run(
        shape.pool,
        shape.pieces,
        || (state(), Encoder::default()),
        |(state, _), piece| make(state, piece),
        |batch| Ok(cutter.cut(batch)),
        |(_, encoder), cut| encode(encoder, &cut, block_entries),
        |blocks| writer.push(&blocks),
    )?;
    let rest = encode(&mut Encoder::default(), &cutter.finish(), block_entries)?;
    writer.push(&rest)?;
    writer.end_run()
}

fn encode(encoder: &mut Encoder, cut: &Cut, block_entries: usize) -> Result<EncodedBlocks> {
    let mut blocks = EncodedBlocks::default();
    blocks.bytes.reserve((cut.head.len() + cut.full.len()) * 5);
    blocks.add(encoder, &cut.head, 0..cut.head.len())?;
    for start in cut.full.clone().step_by(block_entries) {
        blocks.add(encoder, &cut.body, start..start + block_entries)?;
    }
    Ok(blocks)
}
