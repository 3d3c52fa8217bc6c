//! `manifest.json`: what an emission was made from, and its files.
//!
//! It has no clock, host or path, so the same partials give the same bytes.

use serde::{Deserialize, Serialize};

use crate::model::{Day, RowCounts, Shape};

/// What an emission was made from, and its files.
///
/// # Example
/// ```
/// use agg::output::Manifest;
/// use agg::job::{EmitOptions, emit_window};
/// # use agg::budget::Budget;
/// # use agg::job::{Context, ReduceOptions, reduce_day};
/// # let folder = tempfile::tempdir()?;
/// # let log = folder.path().join("listen-20211201.log");
/// # std::fs::write(&log, "9|7|FR\n5|7|FR\n9|8|FR\n4|8|BR\n")?;
/// # let context = Context::new(folder.path().join("store"), Budget::new(64 << 20, 2)?);
/// # let options = ReduceOptions { logs: vec![log], ..Default::default() };
/// # let day = reduce_day(&context, &options)?.day;
///
/// let options = EmitOptions { days: 1, ..EmitOptions::new(day, folder.path().join("out")) };
/// let emitted = emit_window(&context, &options)?;
/// let bytes = std::fs::read(emitted.folder.join("manifest.json"))?;
/// let manifest = Manifest::decode(&bytes)?;
/// assert_eq!((manifest.totals.rows, manifest.partials.len(), manifest.files.len()), (4, 1, 2));
/// assert_eq!(manifest.encode()?, bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The days summed.
    pub window: Window,
    /// Maximum songs of each key.
    pub top: u32,
    /// The partials, oldest first.
    pub partials: Vec<PartialEntry>,
    /// Days of the window without a partial.
    pub missing: Vec<Day>,
    /// The files beside it.
    pub files: Vec<FileEntry>,
    /// Rows of all partials.
    pub totals: RowCounts,
}

/// The days of an emission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The first.
    pub from: Day,
    /// The last.
    pub to: Day,
    /// Number of days.
    pub days: u32,
}

/// One partial of an emission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialEntry {
    /// Its day.
    pub day: Day,
    /// Its digest, 32 hexadecimal digits.
    pub digest: String,
    /// Rows of its logs.
    pub rows: u64,
    /// Corrupt rows; `None` where they are unknown.
    pub rejected: Option<u64>,
}

/// One file of an emission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Name in the same folder.
    pub name: String,
    /// Lines, one a key.
    pub keys: u64,
    /// Size.
    pub bytes: u64,
    /// XXH3-64 of its bytes, 16 hexadecimal digits.
    pub xxh3_64: String,
}

/// What was compared, and the files beside it, which say what changed.
///
/// It has no clock, host or path: the same two emissions give the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangesManifest {
    /// Maximum songs of each key, of both emissions.
    pub top: u32,
    /// The emission from which the changes lead.
    pub older: ComparedEmission,
    /// The emission to which they lead.
    pub newer: ComparedEmission,
    /// The files beside it; keys are those that changed.
    pub files: Vec<FileEntry>,
}

/// An emission and those of its files that were compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedEmission {
    /// The days summed.
    pub window: Window,
    /// Its text files.
    pub files: Vec<FileEntry>,
}

/// Indented JSON, fields in their order, an LF at the end.
fn encoded(document: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(document)?;
    bytes.push(b'\n');
    Ok(bytes)
}

impl ChangesManifest {
    /// The bytes of the file: indented JSON, fields in this order, an LF at the end.
    pub fn encode(&self) -> serde_json::Result<Vec<u8>> {
        encoded(self)
    }

    /// Reads the bytes of a file.
    pub fn decode(bytes: &[u8]) -> serde_json::Result<ChangesManifest> {
        serde_json::from_slice(bytes)
    }
}

impl Manifest {
    /// What its files are of.
    #[must_use]
    pub fn shape(&self) -> Shape {
        let files = self.files.iter().map(|file| file.name.clone()).collect();
        Shape { days: self.window.days, top: self.top, files }
    }

    /// The bytes of the file: indented JSON, fields in this order, an LF at the end.
    pub fn encode(&self) -> serde_json::Result<Vec<u8>> {
        encoded(self)
    }

    /// Reads the bytes of a file.
    pub fn decode(bytes: &[u8]) -> serde_json::Result<Manifest> {
        serde_json::from_slice(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RejectCounts;
    use crate::text;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn a_manifest_of_changes_is_this_text() {
        let file = |name: &str, keys| FileEntry {
            name: name.to_owned(),
            keys,
            bytes: 9,
            xxh3_64: text::hex64(11),
        };
        let compared = |from, to, keys| ComparedEmission {
            window: Window { from: day(from), to: day(to), days: 7 },
            files: vec![file("top50_songs_per_user.txt", keys)],
        };
        let manifest = ChangesManifest {
            top: 50,
            older: compared("2021-11-25", "2021-12-01", 3),
            newer: compared("2021-11-26", "2021-12-02", 4),
            files: vec![file("top50_changes_per_user.txt", 2)],
        };
        let expected = r#"{
  "top": 50,
  "older": {
    "window": {
      "from": "2021-11-25",
      "to": "2021-12-01",
      "days": 7
    },
    "files": [
      {
        "name": "top50_songs_per_user.txt",
        "keys": 3,
        "bytes": 9,
        "xxh3_64": "000000000000000b"
      }
    ]
  },
  "newer": {
    "window": {
      "from": "2021-11-26",
      "to": "2021-12-02",
      "days": 7
    },
    "files": [
      {
        "name": "top50_songs_per_user.txt",
        "keys": 4,
        "bytes": 9,
        "xxh3_64": "000000000000000b"
      }
    ]
  },
  "files": [
    {
      "name": "top50_changes_per_user.txt",
      "keys": 2,
      "bytes": 9,
      "xxh3_64": "000000000000000b"
    }
  ]
}
"#;
        let bytes = manifest.encode().unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
        assert_eq!(ChangesManifest::decode(&bytes).unwrap(), manifest);
    }

    #[test]
    fn a_manifest_is_this_text() {
        let manifest = Manifest {
            window: Window { from: day("2021-11-25"), to: day("2021-12-01"), days: 7 },
            top: 50,
            partials: vec![PartialEntry {
                day: day("2021-12-01"),
                digest: text::hex128(10),
                rows: 5,
                rejected: Some(2),
            }],
            missing: vec![day("2021-11-25")],
            files: vec![FileEntry {
                name: "top50_songs_per_user.txt".to_owned(),
                keys: 1,
                bytes: 9,
                xxh3_64: text::hex64(11),
            }],
            totals: RowCounts::of_day(5, Some(RejectCounts([0, 1, 0, 0, 0, 1]))),
        };
        let expected = r#"{
  "window": {
    "from": "2021-11-25",
    "to": "2021-12-01",
    "days": 7
  },
  "top": 50,
  "partials": [
    {
      "day": "2021-12-01",
      "digest": "0000000000000000000000000000000a",
      "rows": 5,
      "rejected": 2
    }
  ],
  "missing": [
    "2021-11-25"
  ],
  "files": [
    {
      "name": "top50_songs_per_user.txt",
      "keys": 1,
      "bytes": 9,
      "xxh3_64": "000000000000000b"
    }
  ],
  "totals": {
    "rows": 5,
    "accepted": 3,
    "rejected": 2,
    "rejects": {
      "too_long": 0,
      "blank": 1,
      "field_count": 0,
      "song_id": 0,
      "user_id": 0,
      "country": 1
    }
  }
}
"#;
        let bytes = manifest.encode().unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
        assert_eq!(Manifest::decode(&bytes).unwrap(), manifest);
    }
}
