//! A buffer in front of a file that knows how many bytes the file took, and their hash.

use std::fmt;
use std::io::{self, Write};

use xxhash_rust::xxh3::Xxh3Default;

/// Size and hash of what a sink was given, for a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Bytes.
    pub bytes: u64,
    /// XXH3-64 of them, seed 0.
    pub xxh3_64: u64,
}

/// Collects small writes into large ones and passes large ones on; counts and hashes what the sink really took.
///
/// A sink may take fewer bytes than it is offered, and may fail: hashing follows the write and covers
/// the bytes taken, so count and hash are those of the file whatever happens. Holds
/// [`HashingWriter::BUFFER`] bytes and never allocates again.
///
/// [`finish`](HashingWriter::finish) is the only way to what was written; a writer that is merely
/// dropped leaves the rest of the buffer unwritten, because its file is not to be used.
///
/// ```
/// use std::io::Write;
/// use agg::store::HashingWriter;
/// let mut writer = HashingWriter::new(Vec::new());
/// writer.write_all(b"FR|1:2\n").unwrap();
/// let (file, written) = writer.finish().unwrap();
/// assert_eq!(file, b"FR|1:2\n");
/// assert_eq!((written.bytes, written.xxh3_64), (7, xxhash_rust::xxh3::xxh3_64(&file)));
/// ```
pub struct HashingWriter<W> {
    sink: W,
    /// Capacity is `BUFFER` from the start; the first `taken` bytes are the sink's already.
    buffer: Vec<u8>,
    /// Other than 0 only after a write that failed halfway.
    taken: usize,
    bytes: u64,
    hasher: Xxh3Default,
}

impl<W: Write> HashingWriter<W> {
    /// Bytes of the buffer: enough that a write costs little, small enough for the cache.
    pub const BUFFER: usize = 256 << 10;

    /// A writer in front of `sink`, which is taken to be empty.
    pub fn new(sink: W) -> Self {
        HashingWriter {
            sink,
            buffer: Vec::with_capacity(Self::BUFFER),
            taken: 0,
            bytes: 0,
            hasher: Xxh3Default::new(),
        }
    }

    /// Bytes accepted so far, those that are still in the buffer included: the next byte's offset.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.bytes + (self.buffer.len() - self.taken) as u64
    }

    /// Writes out what is left and returns the sink with what it was given. Does not sync.
    ///
    /// # Errors
    /// The sink's; the sink is dropped then.
    pub fn finish(mut self) -> io::Result<(W, Written)> {
        self.flush()?;
        let written = Written { bytes: self.bytes, xxh3_64: self.hasher.digest() };
        Ok((self.sink, written))
    }

    fn empty_buffer(&mut self) -> io::Result<()> {
        while let Some(rest) = self.buffer.get(self.taken..).filter(|rest| !rest.is_empty()) {
            match self.sink.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    let taken = rest.get(..count).ok_or_else(took_too_much)?;
                    self.hasher.update(taken);
                    self.bytes += taken.len() as u64;
                    self.taken += taken.len();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.buffer.clear();
        self.taken = 0;
        Ok(())
    }
}

fn took_too_much() -> io::Error {
    io::Error::other("the sink says that it took more than it was offered")
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.is_empty() && bytes.len() >= Self::BUFFER {
            // As large as the buffer by itself: not copied.
            let count = self.sink.write(bytes)?;
            let taken = bytes.get(..count).ok_or_else(took_too_much)?;
            self.hasher.update(taken);
            self.bytes += taken.len() as u64;
            return Ok(count);
        }
        if self.buffer.len() == Self::BUFFER {
            self.empty_buffer()?;
        }
        let room = Self::BUFFER - self.buffer.len();
        let fitting = bytes.get(..room).unwrap_or(bytes);
        self.buffer.extend_from_slice(fitting);
        Ok(fitting.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.empty_buffer()?;
        self.sink.flush()
    }
}

impl<W: fmt::Debug> fmt::Debug for HashingWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("HashingWriter");
        debug.field("sink", &self.sink).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use xxhash_rust::xxh3::xxh3_64;

    /// Takes a few bytes at a time, is interrupted before each, and fails once at `fails_at`.
    #[derive(Debug, Default)]
    struct Reluctant {
        taken: Vec<u8>,
        bite: usize,
        calls: usize,
        fails_at: Option<usize>,
    }

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls % 2 == 1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let full = |at: &mut usize| self.taken.len() >= *at;
            if self.fails_at.take_if(full).is_some() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let count = bytes.len().min(self.bite);
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn assert_hash_is_of(written: Written, bytes: &[u8]) {
        assert_eq!(written, Written { bytes: bytes.len() as u64, xxh3_64: xxh3_64(bytes) });
    }

    #[test]
    fn the_hash_is_of_the_bytes_that_a_sink_of_three_at_a_time_took() {
        let bytes: Vec<u8> = (0..100_000u32).map(|number| (number % 251) as u8).collect();
        let mut writer = HashingWriter::new(Reluctant { bite: 3, ..Reluctant::default() });
        writer.write_all(&bytes).unwrap();
        let (sink, written) = writer.finish().unwrap();
        assert!(sink.taken == bytes);
        assert_hash_is_of(written, &bytes);
    }

    #[test]
    fn a_write_that_failed_halfway_can_be_repeated_without_a_byte_twice() {
        let bytes = b"0123456789";
        let sink = Reluctant { bite: 3, fails_at: Some(6), ..Reluctant::default() };
        let mut writer = HashingWriter::new(sink);
        writer.write_all(bytes).unwrap();
        let error = writer.flush().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!((writer.bytes, writer.position()), (6, 10));
        writer.write_all(b"ab").unwrap();
        let (sink, written) = writer.finish().unwrap();
        assert_eq!(sink.taken, b"0123456789ab");
        assert_hash_is_of(written, b"0123456789ab");
    }

    #[test]
    fn a_sink_that_takes_nothing_is_an_error() {
        let mut writer = HashingWriter::new(Reluctant::default());
        writer.write_all(b"x").unwrap();
        assert_eq!(writer.finish().unwrap_err().kind(), io::ErrorKind::WriteZero);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_cut_of_the_writes_gives_the_same_bytes_and_hash(
            sizes in prop::collection::vec(0..400_000usize, 0..6), bite in 1000..600_000usize,
        ) {
            let mut writer = HashingWriter::new(Reluctant { bite, ..Reluctant::default() });
            let mut expected = Vec::new();
            for (seed, size) in sizes.into_iter().enumerate() {
                let piece: Vec<u8> = (0..size).map(|at| (at * 7 + seed).to_le_bytes()[0]).collect();
                writer.write_all(&piece).unwrap();
                expected.extend_from_slice(&piece);
                prop_assert_eq!(writer.position(), expected.len() as u64);
            }
            let (sink, written) = writer.finish().unwrap();
            prop_assert!(sink.taken == expected);
            assert_hash_is_of(written, &expected);
        }
    }
}
