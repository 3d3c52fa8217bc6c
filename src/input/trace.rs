//! Traces of logs, which show the logs that have rows in common.
//!
//! Two logs overlap when they have a whole piece of 1 MiB in common, or when one is the start of the other. Pieces are
//! not equal by chance, but those of a copied log are, also of a log that was copied before it was complete. A log
//! shorter than a piece can only be found by its start: hashes of its first bytes, at a few lengths, show which others
//! begin like it.

use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128};

/// Lengths of the starts that are hashed. A log that begins with a log shorter than a piece has at least an eighth of
/// it in common with the hashed start. So few logs that only begin alike are compared byte by byte.
const STARTS: [usize; 6] = [4, 32, 256, 2 << 10, 16 << 10, 128 << 10];

/// A hash of a part of a log: those of equal parts are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// The hash.
    pub hash: u64,
    /// What was hashed.
    pub part: TracedPart,
}

/// The part of a log that a trace is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TracedPart {
    /// A whole piece of 1 MiB.
    Piece,
    /// The start of a longer log.
    Start,
    /// The longest start that is hashed of a log shorter than a piece, with the bytes of the log.
    StartOfShort(u32),
}

/// Puts the traces of the piece `index` of a log into `traces`; `full` is the size of all pieces except the last.
pub(super) fn trace(index: u64, piece: &[u8], digest: u128, full: usize, traces: &mut Vec<Trace>) {
    traces.clear();
    let is_full = piece.len() == full;
    if is_full {
        #[expect(clippy::cast_possible_truncation, reason = "half of a digest")]
        let hash = digest as u64;
        traces.push(Trace { hash, part: TracedPart::Piece });
    }
    if index > 0 {
        return;
    }
    let starts = STARTS.iter().filter_map(|length| piece.get(..*length));
    traces.extend(starts.map(|start| Trace { hash: xxh3_64(start), part: TracedPart::Start }));
    // A log of fewer bytes than the shortest start has no row that counts.
    if let Some(last) = traces.last_mut().filter(|_| !is_full) {
        last.part = TracedPart::StartOfShort(u32::try_from(piece.len()).unwrap_or(u32::MAX));
    }
}

/// The digests that logs shorter than a piece would have, made of the first bytes of `bytes`: one for each of these
/// lengths, which ascend, up to that of `bytes`.
pub fn digests_of_starts<'a>(
    bytes: &'a [u8],
    lengths: &'a [u32],
) -> impl Iterator<Item = u128> + 'a {
    let (mut hash, mut done) = (Xxh3::new(), 0);
    lengths.iter().map_while(move |length| {
        let length = usize::try_from(*length).unwrap_or(usize::MAX);
        hash.update(bytes.get(done..length)?);
        done = length;
        Some(xxh3_128(&hash.digest128().to_le_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::digest::{digest_of_piece, naive_digest};
    use super::*;

    fn traces(index: u64, piece: &[u8], full: usize) -> Vec<Trace> {
        let mut traces = vec![Trace { hash: 0, part: TracedPart::Piece }];
        trace(index, piece, digest_of_piece(piece), full, &mut traces);
        traces
    }

    #[test]
    fn a_whole_piece_and_the_starts_of_a_log_leave_traces() {
        let bytes: Vec<u8> = (0..=255).collect();
        let parts = |index, length: usize, full| {
            let traces = traces(index, &bytes[..length], full);
            traces.iter().map(|trace| trace.part).collect::<Vec<_>>()
        };
        assert_eq!(parts(0, 64, 64), [TracedPart::Piece, TracedPart::Start, TracedPart::Start]);
        assert_eq!(parts(0, 63, 64), [TracedPart::Start, TracedPart::StartOfShort(63)]);
        assert_eq!(parts(0, 4, 64), [TracedPart::StartOfShort(4)]);
        assert_eq!(parts(0, 3, 64), []);
        assert_eq!(parts(1, 64, 64), [TracedPart::Piece]);
        assert_eq!(parts(1, 63, 64), []);
    }

    #[test]
    fn a_short_log_has_the_trace_of_every_log_that_begins_with_it() {
        let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let all = traces(0, &bytes, 1 << 20);
        for length in [4, 31, 32, 255, 256, 4999] {
            let short = traces(0, &bytes[..length], 1 << 20);
            assert!(all.iter().any(|trace| trace.hash == short.last().unwrap().hash), "{length}");
        }
        let lengths = [4, 300, 4999, 5000, 5001];
        let naive = [4, 300, 4999, 5000].map(|length| naive_digest(&bytes[..length], 1 << 20));
        assert_eq!(digests_of_starts(&bytes, &lengths).collect::<Vec<_>>(), naive);
    }
}
