//! Makes a file durable while it is still being written, so that the sync at its end has little left to do.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

/// Bytes after which the disk is set to work again.
const STEP: usize = 16 << 20;

/// A thread that syncs a file again and again while others write it.
///
/// It has the file open for itself: a failure to write is reported to every descriptor that was open then, so
/// the writer's own sync still hears of each, and what this thread hears can be left alone. It never holds the writer
/// up, and ends by itself behind the last sync that was asked for.
#[derive(Debug)]
pub(super) struct WriteBack {
    wake: SyncSender<()>,
    /// Bytes written since it was woken last.
    since: usize,
}

impl WriteBack {
    /// For the file at this path.
    pub(super) fn start(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let (wake, woken) = sync_channel(1);
        let sync = move || while woken.recv().is_ok() && file.sync_data().is_ok() {};
        std::thread::Builder::new().name("agg-sync".to_owned()).spawn(sync)?;
        Ok(WriteBack { wake, since: 0 })
    }

    /// So many more bytes were written.
    pub(super) fn written(&mut self, bytes: usize) {
        self.since += bytes;
        if self.since >= STEP {
            self.since = 0;
            // Busy with what came before, or done with: no matter.
            let _ = self.wake.try_send(());
        }
    }
}
