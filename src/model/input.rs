//! The logs of a day, as a partial's metadata hold them.

use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::text::json;

/// An input log that was read to its end. Binary in partials; JSON in reports and tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct InputFacts<'a> {
    /// Base name, in the bytes of the file system (`-` for standard input).
    #[serde(serialize_with = "json::name::serialize")]
    pub name: &'a [u8],
    /// Bytes of the file on disk (of the stream, for standard input).
    #[serde(rename = "bytes")]
    pub size: u64,
    /// Modification time in nanoseconds since 1970 (0 for standard input).
    pub modified_ns: i64,
    /// XXH3-128 over the little-endian XXH3-128s of its decompressed 1-MiB pieces, in order.
    #[serde(serialize_with = "json::hex128::serialize")]
    pub digest: u128,
    /// Rows in it, corrupt ones too.
    pub rows: u64,
}

/// The logs of a day, in the order read.
///
/// Kept as they are encoded in a partial (`docs/format.md`), so that reading and writing copy nothing.
///
/// Memory: 48 bytes a log and its name.
///
/// # Example
/// ```
/// use agg::model::{InputFacts, Inputs};
///
/// let log = InputFacts { name: b"a.log", size: 7, modified_ns: 0, digest: 5, rows: 1 };
/// let inputs: Inputs = [log].into_iter().collect();
/// assert_eq!((inputs.len(), inputs.iter().next()), (1, Some(log)));
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Inputs {
    bytes: Vec<u8>,
    count: usize,
}

impl Inputs {
    /// Bytes of an encoded input before its name: the name's length.
    pub const LENGTH_BYTES: usize = 8;
    /// Bytes of an encoded input after its name: size, time, digest, rows.
    pub const NUMBER_BYTES: usize = 40;

    /// Adds a log at the end.
    pub fn push(&mut self, facts: InputFacts<'_>) {
        let InputFacts { name, size, modified_ns, digest, rows } = facts;
        self.bytes.extend_from_slice(&(name.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(&size.to_le_bytes());
        self.bytes.extend_from_slice(&modified_ns.to_le_bytes());
        self.bytes.extend_from_slice(&digest.to_le_bytes());
        self.bytes.extend_from_slice(&rows.to_le_bytes());
        self.count += 1;
    }

    /// Adds all logs of another list at the end.
    pub fn append(&mut self, other: &Inputs) {
        self.bytes.extend_from_slice(&other.bytes);
        self.count += other.count;
    }

    /// The logs.
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.bytes, left: self.count }
    }

    /// Number of logs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no log.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// As they are encoded, one after the other.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes `count` encoded logs; `None` if the bytes are not exactly those.
    #[must_use]
    pub fn from_encoded(bytes: Vec<u8>, count: usize) -> Option<Self> {
        let inputs = Inputs { bytes, count };
        let mut iter = inputs.iter();
        for _ in 0..count {
            iter.next()?;
        }
        iter.rest.is_empty().then_some(inputs)
    }
}

impl<'a> FromIterator<InputFacts<'a>> for Inputs {
    fn from_iter<I: IntoIterator<Item = InputFacts<'a>>>(facts: I) -> Self {
        let mut inputs = Inputs::default();
        facts.into_iter().for_each(|facts| inputs.push(facts));
        inputs
    }
}

impl<'a> IntoIterator for &'a Inputs {
    type Item = InputFacts<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Serialize for Inputs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de> Deserialize<'de> for Inputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Pushing)
    }
}

/// Adds one log after the other to a list.
struct Pushing;

/// A log as JSON has it.
#[derive(Deserialize)]
struct Log {
    #[serde(deserialize_with = "json::name::deserialize")]
    name: Vec<u8>,
    bytes: u64,
    modified_ns: i64,
    #[serde(deserialize_with = "json::hex128::deserialize")]
    digest: u128,
    rows: u64,
}

impl<'de> Visitor<'de> for Pushing {
    type Value = Inputs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of logs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut logs: A) -> Result<Inputs, A::Error> {
        let mut inputs = Inputs::default();
        while let Some(Log { name, bytes: size, modified_ns, digest, rows }) =
            logs.next_element()?
        {
            inputs.push(InputFacts { name: &name, size, modified_ns, digest, rows });
        }
        Ok(inputs)
    }
}

impl fmt::Debug for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// Walks over the logs of [`Inputs`].
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iter<'a> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    fn facts(&mut self) -> Option<InputFacts<'a>> {
        let length = usize::try_from(u64::from_le_bytes(self.bytes()?)).ok()?;
        let (name, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(InputFacts {
            name,
            size: u64::from_le_bytes(self.bytes()?),
            modified_ns: i64::from_le_bytes(self.bytes()?),
            digest: u128::from_le_bytes(self.bytes()?),
            rows: u64::from_le_bytes(self.bytes()?),
        })
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = InputFacts<'a>;

    fn next(&mut self) -> Option<InputFacts<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.facts()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_comes_back_and_other_bytes_are_not_taken() {
        let logs = [(&b"a.log"[..], 1), (b"", 2), (b"\xff", u128::MAX)];
        let facts = |(name, digest)| InputFacts { name, size: 9, modified_ns: -1, digest, rows: 3 };
        let mut inputs: Inputs = logs.map(facts).into_iter().collect();
        assert_eq!(inputs.iter().collect::<Vec<_>>(), logs.map(facts));
        assert_eq!(inputs.encoded().len(), 3 * 48 + 6);
        let bytes = inputs.encoded().to_vec();
        assert_eq!(Inputs::from_encoded(bytes.clone(), 3), Some(inputs.clone()));
        for (cut, count) in [(bytes.len(), 2), (bytes.len(), 4), (bytes.len() - 1, 3), (7, 1)] {
            assert_eq!(Inputs::from_encoded(bytes[..cut].to_vec(), count), None);
        }
        inputs.append(&inputs.clone());
        assert_eq!((inputs.len(), inputs.iter().last()), (6, Some(facts(logs[2]))));
    }
}
