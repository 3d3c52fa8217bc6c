//! Exact daily counts and weekly top songs from huge listening logs, in bounded memory.
//!
//! A log's row is one stream, `sng_id|user_id|country`. A day's logs are reduced once to a **partial**, a sorted file
//! with the exact counts of (user, song) and (country, song). A **window** merges the partials of some days
//! and keeps the best songs of each country and each user.
//!
//! ```text
//!            reduce_day: one day, all threads                        emit_window: N days
//!
//!  logs      input     row       run                    partial      merge      topk      output
//! .log  -> windows -> rows -> ranges of the -> sorted -> blocks  -> one     -> best K -> topK_….txt
//! .gz      of whole   and     key space,       entries   in one     sorted     of each   manifest.json
//! .zst     rows       rejects sorted in cache            file a day stream     key
//!  -                             |                         ^          ^
//!                                | arena full              |          | the other days' partials
//!                                v                         |
//!                              spilled runs -----> merge --+
//! ```
//!
//! No row enters a hash table, and only the files grow with the log: what exceeds the memory is spilled as runs. One
//! merge joins spilled runs, pieces of a day, and days.
//!
//! # Example
//!
//! ```
//! use agg::budget::Budget;
//! use agg::job::{Context, EmitOptions, ReduceOptions, emit_window, reduce_day};
//!
//! let folder = tempfile::tempdir()?;
//! let log = folder.path().join("listen-20211201.log");
//! std::fs::write(&log, "9|7|FR\n5|7|FR\n9|8|FR\n9,8,FR\n4|8|BR\n")?;
//!
//! let context = Context::new(folder.path().join("store"), Budget::new(64 << 20, 2)?);
//! let options = ReduceOptions { logs: vec![log], max_reject_ratio: 0.2, ..Default::default() };
//! let reduced = reduce_day(&context, &options)?;
//! assert_eq!((reduced.counts.rows, reduced.counts.rejected()), (5, Some(1)));
//!
//! let week = EmitOptions::new(reduced.day, folder.path().join("out"));
//! let emitted = emit_window(&context, &EmitOptions { allow_missing: true, ..week })?;
//! let text = |name| std::fs::read_to_string(emitted.folder.join(name));
//! assert_eq!(text("top50_songs_per_country.txt")?, "BR|4:1\nFR|9:2,5:1\n");
//! assert_eq!(text("top50_songs_per_user.txt")?, "7|5:1,9:1\n8|4:1,9:1\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! In the order in which data passes them. The numbered stages never import one another; they share the vocabulary and
//! the tools, and [`job`] alone joins them.
//!
//! | | |
//! | --- | --- |
//! | [`model`] | the vocabulary: days, countries, kinds of key, rows, entries, and *the* order |
//! | [`input`] | 1: logs to windows of whole rows; files, compression, days in names, digests |
//! | [`row`] | 2: rows to batches of numbers, and counts of corrupt rows |
//! | [`run`] | 3: rows to sorted, counted entries, by partitioning and sorting in an arena |
//! | [`partial`] | 4: a day's two sorted runs to one immutable file, and back |
//! | [`topk`] | 5: merged entries to the best songs of each key |
//! | [`output`] | 6: tops to files, and the manifest beside them |
//! | [`codec`] | tool: sorted entries to checked bytes and back |
//! | [`runfile`] | tool: one sorted run on disk, found by position |
//! | [`merge`] | tool: sorted streams to one, equal entries added |
//! | [`ordered`] | tool: pieces made on all threads, delivered in order |
//! | [`exchange`] | tool: counts and tops as Parquet, CSV and JSON lines |
//! | [`changes`] | tool: two files of tops to their difference, and back |
//! | [`job`] | the stages joined: reduce a day, emit a window, back-fill, query, export, import, … |
//! | [`page`] | the page that shows a window: figures and names to one HTML file |
//! | [`store`] | where files live and how they get there: names, locks, publishing, sweeping |
//! | [`fs`] | all access to the operating system's files |
//! | [`generate`] | synthetic logs, shaped like real ones, for trials |
//! | [`budget`] | how many bytes each part of a run may hold |
//! | [`text`] | how names, paths, digests and days are written |
//! | [`Error`] | the error type: what, where, what to do |
//!
//! `docs/design.md` has the reason of each decision, `docs/format.md` the files byte by byte.

#[cfg(any(target_endian = "big", target_pointer_width = "16", target_pointer_width = "32"))]
compile_error!(
    "agg needs a 64-bit little-endian target: offsets and words of its files are used as they are in memory"
);

pub mod changes;
pub mod codec;
pub mod exchange;
pub mod input;
pub mod merge;
pub mod model;
pub mod ordered;
pub mod output;
pub mod partial;
pub mod row;
pub mod run;
pub mod runfile;
pub mod topk;

pub mod budget;
mod error;
pub mod fs;
pub mod generate;
pub mod job;
pub mod page;
mod simd;
pub mod store;
pub mod text;

pub use error::{Error, ErrorClass, ErrorKind, FirstReject, Place, Result};
pub use model::{Batch, Country, Day, Entry, Kind, RowBatch};

#[cfg(test)]
mod testing;
