//! An emission is removed: it loses its name in one step, before its first file goes.
//!
//! The order, and what a kill (or a power cut) after each step leaves:
//!
//! 1. the folder is renamed aside, to a name that sweeps know: no emission, and a leftover that the next run sweeps;
//! 2. the output folder is synced: the same, after a power cut too; before it, the emission may be back, whole;
//! 3. the folder is removed.
//!
//! So a reader that goes through the date's name meets the whole emission or none. One that has a file open keeps it.

use super::lock::OutputLock;
use super::paths::TEMPORARY_PREFIX;
use super::sweep::remove;
use crate::error::{Error, Result};
use crate::fs::{FileType, creation_error};
use crate::model::Day;

/// Removes the folder of a date, which callers know to be an emission, with all that is in it.
///
/// Needs the lock for itself, as publishing does.
///
/// # Errors
/// [`ErrorKind::CannotCreate`](crate::ErrorKind::CannotCreate) or [`ErrorKind::Io`](crate::ErrorKind::Io), with the path.
pub fn remove_emission(lock: &mut OutputLock, day: Day) -> Result<()> {
    let output = lock.output();
    let files = output.files().as_ref();
    let target = output.day_folder(day);
    // Longer than the random part of other temporaries, so never one of them.
    let aside = output.root().join(format!("{TEMPORARY_PREFIX}removed-{day}"));
    files.rename(&target, &aside).map_err(|error| creation_error(error).at(&target))?;
    files.sync_folder(output.root()).map_err(|error| Error::io("sync", error).at(output.root()))?;
    remove(files, &aside, FileType::Folder)
        .map_err(|error| Error::io("remove", error).at(&aside))?;
    tracing::debug!(%day, path = ?target, "removed the emission");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::paths::Output;
    use super::*;
    use std::fs;

    #[test]
    fn an_emission_goes_whole_and_its_neighbours_stay() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output::new(folder.path());
        for date in ["2021-12-01", "2021-12-02"] {
            fs::create_dir(folder.path().join(date)).unwrap();
            fs::write(folder.path().join(date).join("top.txt"), date).unwrap();
        }
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("mine"), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("2021-12-01/link")).unwrap();
        let mut lock = OutputLock::take(&output).unwrap();
        let day = "2021-12-01".parse().unwrap();
        remove_emission(&mut lock, day).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".out.lock", "2021-12-02"]);
        assert!(outside.path().join("mine").exists());
        // One that is gone already is an error with its path: whoever asks has just seen it.
        assert_eq!(
            remove_emission(&mut lock, day).unwrap_err().path(),
            Some(output.day_folder(day).as_path())
        );
    }
}
