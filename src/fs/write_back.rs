//! Makes a file durable while it is still being written, so that the sync at its end has little left to do.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

/// Bytes after which the file is synced again.
const STEP: usize = 16 << 20;

/// A thread that syncs a file again and again while others write it.
///
/// It opens the file itself. The kernel reports a failed write to every descriptor that was open then, so the writer's
/// own sync returns it too, and this thread can ignore it. It never delays the writer, and ends by itself after the
/// last sync.
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

    /// Counts bytes that were written.
    pub(super) fn written(&mut self, bytes: usize) {
        self.since += bytes;
        if self.since >= STEP {
            self.since = 0;
            // A thread that is busy or has ended needs no wake-up.
            let _ = self.wake.try_send(());
        }
    }
}
