//! Tables decoded in a child process of the program, which can fail without harm.
//!
//! The decoder of Parquet can panic, overflow its stack, loop or allocate without bound on a malicious or damaged file.
//! So the program starts itself once more for it ([`child`]), one process at a time, and takes rows from it over a
//! socket ([`wire`]). A process decodes one table; it is started for its outline, and again if row groups are read
//! after those of another table. All that it sends is checked: it is trusted no more than the file.

pub(crate) mod child;
mod time;
mod wire;

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use agg::exchange::{Facts, OpenTable, Outline, TableDecoder, TableRules};
use agg::fs::ReadFile;
use agg::job::Context;
use agg::model::{CountryCodes, MAX_ID};
use agg::{Batch, Error, ErrorKind, Kind, Result};
use bytesize::ByteSize;
use signal_hook::consts::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV};
use signal_hook::low_level::signal_name;

use crate::memory;
use child::Task;

/// Processor time that a decoder may take from one answer to the next. The run looks after it: the kernel's own limit
/// ends a process by a signal, which the run's parent may have blocked or ignored, also for the decoder.
const SECONDS: u64 = 60;
/// Bytes that an outline, or the refusal instead of it, may always have.
const MIN_OUTLINE: u64 = 64 << 10;
/// How often a run that waits for an answer checks for a stop and the decoder's processor time.
const STEP: Duration = Duration::from_millis(50);
/// How long after a decoder was ended by a signal the run's own signal may come: a service manager sends a signal to
/// each process of a service.
const SAME: Duration = Duration::from_millis(300);

/// Decodes tables in a child process.
#[derive(Debug)]
pub(crate) struct ChildDecoder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    program: PathBuf,
    memory: u64,
    stop: Arc<AtomicI32>,
    /// Number of tables opened.
    tables: AtomicU64,
    /// The running process; there is at most one.
    running: Mutex<Option<Running>>,
}

/// A table, as it is given to each process that decodes it.
#[derive(Debug)]
struct Source {
    table: u64,
    file: Arc<dyn ReadFile>,
    path: PathBuf,
    rules: TableRules,
}

#[derive(Debug)]
struct ChildTable {
    shared: Arc<Shared>,
    source: Source,
    outline: Outline,
}

impl ChildDecoder {
    /// With the decoder's share of the run's memory.
    pub(crate) fn new(context: &Context) -> Self {
        // Works even if the program's file was renamed or removed.
        Self::of(PathBuf::from("/proc/self/exe"), context)
    }

    fn of(program: PathBuf, context: &Context) -> Self {
        let (memory, stop) = (context.budget.decoder().memory, Arc::clone(&context.stop));
        let (tables, running) = (AtomicU64::default(), Mutex::default());
        ChildDecoder { shared: Arc::new(Shared { program, memory, stop, tables, running }) }
    }
}

impl TableDecoder for ChildDecoder {
    fn open(
        &self,
        file: Arc<dyn ReadFile>,
        path: &Path,
        rules: TableRules,
    ) -> Result<Box<dyn OpenTable>> {
        let table = self.shared.tables.fetch_add(1, Ordering::Relaxed);
        let source = Source { table, file, path: path.to_owned(), rules };
        let mut running = self.shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        // One after the other: their memory would add up.
        drop(running.take());
        let (child, sent) = self.shared.start(&source)?;
        let outline = wire::outline_of_json(sent);
        let outline = outline.ok_or_else(|| nonsense().at(&source.path))?;
        *running = Some(child);
        Ok(Box::new(ChildTable { shared: Arc::clone(&self.shared), source, outline }))
    }
}

impl OpenTable for ChildTable {
    fn outline(&self) -> &Outline {
        &self.outline
    }

    fn take_facts(&mut self) -> Option<Facts> {
        self.outline.facts.take()
    }

    fn read(&self, group: usize, take: &mut dyn FnMut(&Batch) -> Result<()>) -> Result<()> {
        let mut running = self.shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut child = match running.take().filter(|child| child.table == self.source.table) {
            Some(child) => child,
            None => self.shared.start(&self.source)?.0,
        };
        let rows = self.outline.groups.get(group).map_or(0, |group| group.rows);
        let place = |error: Error| error.at(&self.source.path);
        child.ask(group).map_err(place)?;
        let judge = |batch: &Batch| is_possible(batch, self.outline.kind, &self.source.rules);
        let (mut batch, mut left) = (Batch::default(), rows);
        while child.next(&mut batch).map_err(place)? {
            let Some(after) = left.checked_sub(batch.len() as u64).filter(|_| judge(&batch)) else {
                return Err(place(nonsense()));
            };
            left = after;
            take(&batch)?;
        }
        if left > 0 {
            return Err(place(nonsense()));
        }
        *running = Some(child);
        Ok(())
    }
}

/// Whether these are rows, and can be rows of a table that was checked.
fn is_possible(batch: &Batch, kind: Kind, rules: &TableRules) -> bool {
    let key = |key: &u64| match kind {
        Kind::User => *key <= MAX_ID,
        Kind::Country => rules.judge.knows(*key),
    };
    !batch.is_empty()
        && batch.keys.iter().all(key)
        && batch.songs.iter().all(|song| *song <= MAX_ID)
        && batch.counts.iter().all(|count| (1..=MAX_ID).contains(count))
}

fn nonsense() -> Error {
    ErrorKind::NotParquet("its decoder returned invalid data".to_owned()).into()
}

/// It failed before it read the table.
fn unstarted(error: io::Error) -> Error {
    Error::io("start the decoder of tables", error)
}

impl Shared {
    /// Starts a process for the table and takes its outline as it is sent.
    fn start(&self, source: &Source) -> Result<(Running, Vec<u8>)> {
        let mut child = self.spawn(source).map_err(|error| unstarted(error).at(&self.program))?;
        let sent = child.outline(&source.rules).map_err(|error| error.at(&source.path))?;
        Ok((child, sent))
    }

    fn spawn(&self, source: &Source) -> io::Result<Running> {
        let TableRules { memory: whole, footers, taken, pairs, page, ref judge } = source.rules;
        let countries = if judge.takes_any() { CountryCodes::Any } else { CountryCodes::Iso };
        let (parent, memory) = (std::process::id(), self.memory);
        let task = Task { parent, memory, whole, footers, taken, pairs, page, countries };
        let file = source.file.descriptor().ok_or(io::ErrorKind::Unsupported)?;
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_read_timeout(Some(STEP))?;
        let mut command = Command::new(&self.program);
        command.arg(child::COMMAND).arg(serde_json::to_string(&task)?);
        // One arena: others reserve addresses that they do not use. Freed memory is kept, because each row group needs
        // as much.
        command.envs([
            ("MALLOC_ARENA_MAX", "1"),
            ("MALLOC_TRIM_THRESHOLD_", "1073741824"),
            ("MALLOC_MMAP_THRESHOLD_", "4194304"),
        ]);
        command.stdin(file.try_clone_to_owned()?).stdout(OwnedFd::from(theirs));
        // Output of a crate is not a message of agg. A terminal's Ctrl-C goes to the run only.
        command.stderr(Stdio::null()).process_group(0);
        let child = command.spawn()?;
        let (stop, memory) = (Arc::clone(&self.stop), self.memory);
        let seconds = limit_of_a_test().unwrap_or(SECONDS);
        let (table, content, started, spent) = (source.table, Vec::new(), false, None);
        let checked = Instant::now();
        Ok(Running {
            table,
            child,
            socket,
            stop,
            memory,
            seconds,
            started,
            spent,
            checked,
            content,
        })
    }
}

/// A shorter limit of processor time, which tests set; only in debug builds.
fn limit_of_a_test() -> Option<u64> {
    let seconds = std::env::var("AGG_DECODER_SECONDS").ok().filter(|_| cfg!(debug_assertions))?;
    seconds.parse().ok()
}

/// A process that decodes a table; it ends when this is dropped.
#[derive(Debug)]
struct Running {
    table: u64,
    child: Child,
    socket: UnixStream,
    stop: Arc<AtomicI32>,
    memory: u64,
    seconds: u64,
    /// Whether it has sent an outline.
    started: bool,
    /// Its processor time when it was first waited for since its last answer.
    spent: Option<Duration>,
    /// When a stop and its processor time were last checked.
    checked: Instant,
    /// The last frame's.
    content: Vec<u8>,
}

impl Drop for Running {
    fn drop(&mut self) {
        memory::note_child(self.child.id());
        // It may have ended already. It holds nothing that it would have to give back.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn ask(&mut self, group: usize) -> Result<()> {
        match self.socket.write_all(&(group as u64).to_le_bytes()) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.ended()),
        }
    }

    /// The outline as JSON.
    fn outline(&mut self, rules: &TableRules) -> Result<Vec<u8>> {
        // The groups as JSON take more than in the footer, but not eight times as much; the pairs, whose quotes are marked,
        // not twice as much. A refusal takes its room too.
        let max = rules.footers.saturating_mul(8).saturating_add(rules.pairs.saturating_mul(2));
        match self.receive(usize::try_from(max.max(MIN_OUTLINE)).unwrap_or(usize::MAX))? {
            wire::OUTLINE => {
                self.started = true;
                Ok(std::mem::take(&mut self.content))
            }
            _ => Err(nonsense()),
        }
    }

    /// Replaces `batch` by the next rows; false at the end of the row group.
    fn next(&mut self, batch: &mut Batch) -> Result<bool> {
        match self.receive(wire::MAX_CONTENT)? {
            wire::ROWS if wire::take_rows(&self.content, batch) => Ok(true),
            wire::END => Ok(false),
            _ => Err(nonsense()),
        }
    }

    /// Reads a frame's content and returns its tag; a refusal is an error.
    fn receive(&mut self, max: usize) -> Result<u8> {
        let mut header = [0; wire::HEADER];
        self.fill(&mut header)?;
        let (tag, length) = wire::header(header);
        if length > max {
            return Err(nonsense());
        }
        let mut content = std::mem::take(&mut self.content);
        content.resize(length, 0);
        self.fill(&mut content)?;
        self.content = content;
        self.spent = None;
        match tag {
            wire::REFUSAL => Err(wire::refusal_of_json(&self.content).unwrap_or_else(nonsense)),
            tag => Ok(tag),
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        let mut rest = buffer;
        while !rest.is_empty() {
            match self.socket.read(rest) {
                Ok(0) => return Err(self.ended()),
                Ok(read) => rest = rest.get_mut(read..).unwrap_or_default(),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::Interrupted => {}
                    _ => return Err(self.ended()),
                },
            }
            // Bytes may come one by one.
            if self.checked.elapsed() >= STEP {
                // If it crashes, this figure remains.
                memory::note_child(self.child.id());
                self.check_stop()?;
                self.check_time()?;
                self.checked = Instant::now();
            }
        }
        Ok(())
    }

    fn check_stop(&self) -> Result<()> {
        match self.stop.load(Ordering::Relaxed) {
            0 => Ok(()),
            signal => Err(ErrorKind::Interrupted(signal).into()),
        }
    }

    /// Refuses a table whose next answer takes too long; the process is ended when this is dropped.
    fn check_time(&mut self) -> Result<()> {
        let Some(now) = time::of_process(self.child.id()) else { return Ok(()) };
        let spent = *self.spent.get_or_insert(now);
        if now.saturating_sub(spent) < Duration::from_secs(self.seconds) {
            return Ok(());
        }
        let text = format!("decoding it gave no row in {} s of processor time", self.seconds);
        Err(ErrorKind::NotParquet(text).into())
    }

    /// Waits for its end, which follows that of its answers; a process that has only closed its socket is not waited for
    /// without end.
    fn wait(&mut self) -> Result<ExitStatus> {
        let failed = |error| Error::io("wait for the decoder of tables", error);
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().map_err(failed)? {
                return Ok(status);
            }
            self.check_stop()?;
            if started.elapsed() >= Duration::from_secs(self.seconds) {
                return Err(nonsense());
            }
            thread::sleep(STEP / 10);
        }
    }

    /// Why it ended.
    fn ended(&mut self) -> Error {
        // Once it was waited for, its time is gone.
        let spent = time::of_process(self.child.id()).unwrap_or_default();
        let status = match self.wait() {
            Ok(status) => status,
            Err(error) => return error,
        };
        let Some(signal) = status.signal() else {
            return if self.started {
                nonsense()
            } else {
                unstarted(io::Error::other(status.to_string()))
            };
        };
        let name = signal_name(signal).unwrap_or("a signal");
        if matches!(signal, SIGABRT | SIGSEGV | SIGBUS | SIGILL | SIGFPE) {
            let memory = ByteSize(self.memory).display().iec();
            let text = format!(
                "decoding it ended with {name}: it is damaged, or takes more than {memory}; if it is whole, raise --memory"
            );
            return ErrorKind::NotParquet(text).into();
        }
        thread::sleep(SAME);
        self.check_stop().err().unwrap_or_else(|| {
            let remedy = match time::limit(signal, spent) {
                Some(limit) => format!(
                    "raise the limit of {limit} s of processor time (ulimit -t) and run again"
                ),
                None => "run again".to_owned(),
            };
            let text = format!("{name} ended its decoder, a process of this run; {remedy}");
            Error::io("decode it", io::Error::other(text))
        })
    }
}

#[cfg(test)]
mod tests {
    use agg::ErrorClass;
    use agg::budget::Budget;
    use agg::exchange::Judge;
    use agg::fs::{FileSystem, OsFileSystem};

    use super::*;

    fn rules(judge: Judge) -> TableRules {
        TableRules { memory: 0, footers: 1, taken: 0, pairs: 1, page: 1, judge }
    }

    #[test]
    fn a_program_that_cannot_be_started_is_not_the_fault_of_the_table() {
        let context = Context::new("store", Budget::new(Budget::MIN, 1).unwrap());
        let decoder = ChildDecoder::of(PathBuf::from("/nowhere/agg"), &context);
        let table = tempfile::NamedTempFile::new().unwrap();
        let file = OsFileSystem.open(table.path()).unwrap();
        let rules = self::rules(Judge::new(|_| true));
        let error = decoder.open(Arc::from(file), table.path(), rules).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Io);
        assert_eq!(
            error.to_string(),
            "\"/nowhere/agg\": cannot start the decoder of tables: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn a_program_that_ends_before_its_outline_is_not_the_fault_of_the_table() {
        let context = Context::new("store", Budget::new(Budget::MIN, 1).unwrap());
        let decoder = ChildDecoder::of(PathBuf::from("/bin/false"), &context);
        let table = tempfile::NamedTempFile::new().unwrap();
        let file = OsFileSystem.open(table.path()).unwrap();
        let rules = self::rules(Judge::new(|_| true));
        let error = decoder.open(Arc::from(file), table.path(), rules).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Io);
        let words = "cannot start the decoder of tables: exit status: 1";
        assert!(error.to_string().ends_with(words), "{error}");
    }

    #[test]
    fn the_memory_of_a_process_that_refuses_its_table_counts() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("refuse");
        let refusal = wire::refusal_to_json(&ErrorKind::BadTable("x".to_owned()).into()).unwrap();
        let mut frame = Vec::new();
        wire::send(&mut frame, wire::REFUSAL, &refusal).unwrap();
        std::fs::write(folder.path().join("frame"), frame).unwrap();
        // Written by another process, because a program that this process has open for writing cannot be started.
        let script =
            r#"printf '#!/bin/sh\ncat "${0%%refuse}frame"; exec cat <&1\n' >"$0"; chmod +x "$0""#;
        assert!(Command::new("sh").args(["-c", script]).arg(&program).status().unwrap().success());
        let context = Context::new("store", Budget::new(Budget::MIN, 1).unwrap());
        let decoder = ChildDecoder::of(program.clone(), &context);
        let file = Arc::from(OsFileSystem.open(&program).unwrap());
        let rules = self::rules(Judge::new(|_| true));
        let own = || memory::figure("VmHWM:").unwrap();
        let error = decoder.open(file, &program, rules).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BadTable(_)), "{error}");
        assert!(memory::peak().unwrap() > own(), "nothing was added");
    }

    #[test]
    fn a_refusal_arrives_where_other_footers_left_no_room() {
        let (socket, mut theirs) = UnixStream::pair().unwrap();
        let child = Command::new("/bin/true").spawn().unwrap();
        let (stop, content) = (Arc::default(), Vec::new());
        let mut running = Running {
            table: 0,
            child,
            socket,
            stop,
            memory: 0,
            seconds: 1,
            started: false,
            spent: None,
            checked: Instant::now(),
            content,
        };
        let refusal = wire::refusal_to_json(&ErrorKind::BadTable("x".repeat(500)).into()).unwrap();
        wire::send(&mut theirs, wire::REFUSAL, &refusal).unwrap();
        let rules = self::rules(Judge::new(|_| true));
        let error = running.outline(&rules).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BadTable(_)), "{error}");
    }

    #[test]
    fn rows_that_a_checked_table_cannot_have_are_refused() {
        let rules = self::rules(Judge::new(|c| c.to_string() == "FR"));
        let batch =
            |key, song, count| Batch { keys: vec![key], songs: vec![song], counts: vec![count] };
        let france = agg::Country::from_letters(b'F', b'R').unwrap().number().into();
        assert!(is_possible(&batch(MAX_ID, MAX_ID, MAX_ID), Kind::User, &rules));
        assert!(is_possible(&batch(france, 0, 1), Kind::Country, &rules));
        for (key, song, count) in
            [(france + 1, 0, 1), (MAX_ID, 0, 1), (france, MAX_ID + 1, 1), (france, 0, 0)]
        {
            assert!(!is_possible(&batch(key, song, count), Kind::Country, &rules));
        }
        assert!(!is_possible(&batch(MAX_ID + 1, 0, 1), Kind::User, &rules));
        // Without end, these would pass for a table that is read.
        assert!(!is_possible(&Batch::default(), Kind::User, &rules));
    }
}
