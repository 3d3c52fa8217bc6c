//! Makes days on all threads and writes them to their files.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::options::{Options, Shape};
use super::world::{CHUNK_ROWS, World};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, creation_error};
use crate::job::{Context, Phase};
use crate::model::{Day, RejectCounts, RowCounts};
use crate::ordered;
use crate::store::TEMPORARY_PREFIX;
use crate::text::json;

/// Room for a chunk's text: a row of usual ids has 24 bytes or so.
const CHUNK_BYTES: usize = 26 << CHUNK_ROWS.ilog2();

/// One log that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GeneratedLog {
    /// Its day.
    pub day: Day,
    /// Its path.
    #[serde(serialize_with = "json::path")]
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its lines, with the corrupt lines by the reason for which a reader rejects them.
    #[serde(flatten)]
    pub counts: RowCounts,
}

/// What was generated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GenerateReport {
    /// The seed.
    pub seed: u64,
    /// The shape of the logs.
    #[serde(serialize_with = "shape")]
    pub shape: Shape,
    /// The logs, in the order of the days.
    pub logs: Vec<GeneratedLog>,
}

fn shape<S: Serializer>(shape: &Shape, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(shape.name())
}

/// Writes the logs, one after the other, each with all threads of the budget.
///
/// A log appears under its name when it is complete and durable. A run that is stopped keeps the finished days and
/// removes the day that it was writing.
///
/// Memory: at most four chunks a thread, under 8 MB. Speed: some 5 million rows a second and thread.
///
/// # Errors
/// [`ErrorKind::Usage`] for options that are not valid. [`ErrorKind::CannotCreate`] before anything
/// is written if one of the logs exists already and [`Options::force`] is not set; also, as
/// [`ErrorKind::Io`], when the folder or a file cannot be created, written or named.
/// [`ErrorKind::Interrupted`] on a signal.
pub fn generate(context: &Context, options: &Options) -> Result<GenerateReport> {
    let days = options.check()?;
    let files = context.files.as_ref();
    let folder = &options.folder;
    files.create_folders(folder).map_err(|error| creation_error(error).at(folder))?;
    let logs: Vec<_> = days.iter().map(|day| (*day, folder.join(log_name(*day)))).collect();
    if !options.force {
        logs.iter().try_for_each(|(_, path)| refuse_existing(files, path))?;
    }
    let pool = context.pool()?;
    let world = World::new(options);
    let total = options.rows.saturating_mul(days.len() as u64);
    let logs = context.phase(Phase::Generate, Some(total), || {
        let logs = logs.into_iter();
        logs.map(|(day, path)| write_log(context, &pool, &world, day, path)).collect()
    })?;
    Ok(GenerateReport { seed: options.seed, shape: options.shape, logs })
}

fn log_name(day: Day) -> String {
    let (year, month, day) = day.parts();
    format!("listen-{year:04}{month:02}{day:02}.log")
}

fn refuse_existing(files: &dyn FileSystem, path: &Path) -> Result<()> {
    match files.stat(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(creation_error(error).at(path)),
        Ok(_) => {
            let text = "it exists already; name another folder, or replace it with --force";
            let error = io::Error::new(io::ErrorKind::AlreadyExists, text);
            Err(Error::from(ErrorKind::CannotCreate(error)).at(path))
        }
    }
}

fn write_log(
    context: &Context,
    pool: &rayon::ThreadPool,
    world: &World,
    day: Day,
    path: PathBuf,
) -> Result<GeneratedLog> {
    let files = context.files.as_ref();
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = files
        .create_temporary(folder, TEMPORARY_PREFIX)
        .map_err(|error| creation_error(error).at(folder))?;
    let mut progress = |rows| {
        context.observer.advance(Phase::Generate, rows);
        context.check_stop()
    };
    let (bytes, rejects) = write_chunks(pool, world, day, &mut file, &mut progress)
        .map_err(|error| error.at(&path))?;
    file.sync().map_err(|error| Error::io("sync", error).at(&path))?;
    file.persist(&path).map_err(|error| creation_error(error).at(&path))?;
    files.sync_folder(folder).map_err(|error| Error::io("sync", error).at(folder))?;
    tracing::info!(%day, ?path, bytes, rejects = rejects.total(), "generated a log");
    Ok(GeneratedLog { day, path, bytes, counts: RowCounts::of_day(world.rows(), Some(rejects)) })
}

/// Writes one day's rows to `out`, made on the threads of `pool`; returns the corrupt rows by reason.
///
/// The bytes are those of the day's log by [`generate`]. Benches and tests use it without a file.
///
/// ```
/// use agg::generate::{Options, write_day};
/// let day = "2021-12-01".parse().unwrap();
/// let options = Options { rows: 1000, corrupt: 0.0, ..Options::new(day, "unused".into()) };
/// let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
/// let mut log = Vec::new();
/// let rejects = write_day(&options, day, &pool, &mut log)?;
/// assert_eq!((log.iter().filter(|byte| **byte == b'\n').count(), rejects.total()), (1000, 0));
/// # Ok::<(), agg::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Usage`] for options that are not valid, [`ErrorKind::Io`] when `out` fails.
pub fn write_day(
    options: &Options,
    day: Day,
    pool: &rayon::ThreadPool,
    out: &mut (dyn Write + Send),
) -> Result<RejectCounts> {
    options.check()?;
    let (_, rejects) = write_chunks(pool, &World::new(options), day, out, &mut |_| Ok(()))?;
    Ok(rejects)
}

/// Writes the rows chunk by chunk and calls `progress` with the rows of each; returns bytes and rejects.
fn write_chunks(
    pool: &rayon::ThreadPool,
    world: &World,
    day: Day,
    out: &mut (dyn Write + Send),
    progress: &mut (dyn FnMut(u64) -> Result<()> + Send),
) -> Result<(u64, RejectCounts)> {
    let chunks = usize::try_from(world.chunks());
    let chunks =
        chunks.map_err(|_| ErrorKind::Usage("--rows is too large for this machine".to_owned()))?;
    let (mut bytes, mut rejects) = (0, RejectCounts::default());
    ordered::run(
        pool,
        chunks,
        || (),
        |(), chunk| {
            let mut text = Vec::with_capacity(CHUNK_BYTES);
            let found = world.chunk(day, chunk as u64, &mut text);
            Ok((chunk as u64, text, found))
        },
        Ok,
        |(), made| Ok(made),
        |(chunk, text, found)| {
            out.write_all(&text).map_err(|error| Error::io("write", error))?;
            bytes += text.len() as u64;
            rejects.add(&found);
            progress(world.chunk_rows(chunk))
        },
    )?;
    Ok((bytes, rejects))
}
