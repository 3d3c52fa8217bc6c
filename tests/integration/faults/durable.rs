//! What a power cut may take: nothing gets its name before its bytes are on the disk, nothing old goes before the new
//! name is there to stay, and a run that ends well leaves no name that could still be lost.
//!
//! Only the order of the calls can show this: after a kill the kernel still writes what it was given.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use agg::job::Context;

use crate::faults::calls::Scene;
use crate::faults::killed::Job;
use crate::faulty::{Call, Operation};
use crate::harness::Sandbox;

fn is_temporary(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with(".agg-tmp-"))
}

/// What would be lost if the power was cut now.
#[derive(Debug, Default)]
struct AtRisk {
    /// Files with bytes that were written behind their last sync.
    files: BTreeSet<PathBuf>,
    /// Folders with names that were made, changed or removed behind their last sync.
    folders: BTreeSet<PathBuf>,
}

impl AtRisk {
    fn see(&mut self, call: &Call) {
        use Operation::*;
        let path = call.path.as_path();
        let folder = path.parent().unwrap();
        match call.operation {
            Write => drop(self.files.insert(path.to_owned())),
            Sync => drop(self.files.remove(path)),
            SyncFolder => drop(self.folders.remove(path)),
            CreateNew => drop(self.folders.insert(folder.to_owned())),
            Persist | Rename | Exchange => {
                self.expect_safe(folder, call);
                self.folders.insert(folder.to_owned());
            }
            RemoveFile | RemoveFolder => {
                // An emission that was swapped out goes file by file.
                let temporary = path.ancestors().find(|part| is_temporary(part));
                let successor = temporary.and_then(Path::parent).unwrap_or(folder);
                let is_safe = temporary.is_none() || !self.folders.contains(successor);
                assert!(is_safe, "{call:?}: its successor is not safe yet");
                if temporary.is_none() {
                    self.folders.insert(folder.to_owned());
                }
            }
            _ => {}
        }
    }

    /// Nothing that lies in the folder, or in one that is built there, is at risk; nor, where a file of the store gets its
    /// name, any other that will: a day's two files are synced before either is named.
    fn expect_safe(&self, folder: &Path, call: &Call) {
        let root = match folder.file_name().and_then(|name| name.to_str()) {
            Some("partials" | "rejects") => folder.parent().unwrap(),
            _ => folder,
        };
        let is_scratch = |path: &Path| path.parent() == Some(&root.join("tmp"));
        let inside = |path: &&PathBuf| path.starts_with(root) && !is_scratch(path);
        assert_eq!(self.files.iter().find(inside), None, "{call:?}: bytes are not on the disk");
        let built = |path: &&PathBuf| path.starts_with(folder) && path.as_path() != folder;
        assert_eq!(self.folders.iter().find(built), None, "{call:?}: names are not on the disk");
    }
}

#[test]
fn nothing_is_published_before_it_is_on_the_disk_and_nothing_removed_before_its_successor_is() {
    for job in Job::ALL {
        let sandbox = Sandbox::new();
        job.prepare(&sandbox);
        let run = |context: &Context| job.run(context, &sandbox.path(""));
        let scene = Scene::new(&sandbox, job.memory(), &run);
        let mut risk = AtRisk::default();
        scene.calls.iter().for_each(|call| risk.see(call));
        let is_published = |call: &&Call| {
            [Operation::Persist, Operation::Rename, Operation::Exchange].contains(&call.operation)
        };
        let published = scene.calls.iter().filter(is_published).count();
        assert_eq!(published == 0, job == Job::Prune, "{job:?}");
        assert_eq!(risk.folders, BTreeSet::new(), "{job:?}: a name may still be lost");
        let removed = [Operation::RemoveFile, Operation::RemoveFolder];
        let removes = scene.calls.iter().any(|call| removed.contains(&call.operation));
        assert!(removes || job != Job::Prune && job != Job::EmitAgain, "{job:?}");
    }
}

#[test]
fn an_order_that_loses_something_is_seen() {
    let call = |number, operation, path: &str| Call { number, operation, path: path.into() };
    use Operation::*;
    for (what, calls) in [
        (
            "bytes",
            vec![(Write, "out/.agg-tmp-1/a"), (SyncFolder, "out/.agg-tmp-1"), (Rename, "out/b")],
        ),
        ("names", vec![(CreateNew, "out/.agg-tmp-1/a"), (Rename, "out/b")]),
        ("successor", vec![(Exchange, "out/b"), (RemoveFolder, "out/.agg-tmp-1")]),
        ("successor", vec![(Exchange, "out/b"), (RemoveFile, "out/.agg-tmp-1/a")]),
        ("bytes", vec![(Write, "store/partials/.agg-tmp-1"), (Persist, "store/rejects/a")]),
    ] {
        let seen = std::panic::catch_unwind(|| {
            let mut risk = AtRisk::default();
            for (number, (operation, path)) in calls.iter().enumerate() {
                risk.see(&call(number, *operation, path));
            }
        });
        let text = *seen.unwrap_err().downcast::<String>().unwrap();
        assert!(text.contains(what), "{text}");
    }
}
