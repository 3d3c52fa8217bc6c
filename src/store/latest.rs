//! `OUT/latest`: a relative symbolic link to the newest emission, which never goes back.

use std::io;
use std::path::Path;

use super::folders::{in_the_way, sync_folder};
use super::paths::{Output, TEMPORARY_PREFIX};
use crate::error::{Error, Result};
use crate::fs::{creation_error, leads_nowhere};
use crate::model::Day;

/// What has the name `latest`.
enum Latest {
    Absent,
    /// Our link; the date may be gone.
    Date(Day),
    /// A link to something else, free to be replaced.
    Foreign,
}

/// An error if the name is not a link's: such an entry is not ours to remove.
pub(super) fn check_latest(output: &Output) -> Result<()> {
    read_latest(output).map(drop)
}

/// Points `latest` to the newest emission in the output folder, unless it is at that or a newer one.
///
/// That is the newest emission in the folder, not the one just published. So any later run catches up for a run that
/// was killed before it could move the link.
pub(super) fn advance_latest(output: &Output) -> Result<()> {
    let Some(newest) = unlinked(output)? else { return Ok(()) };
    replace_link(output, newest)?;
    sync_folder(output.files().as_ref(), output.root())
}

/// The emission that `latest` should point to and does not.
pub(super) fn unlinked(output: &Output) -> Result<Option<Day>> {
    let Some(newest) = newest_emission(output)? else { return Ok(None) };
    match read_latest(output)? {
        Latest::Date(at) if at >= newest => Ok(None),
        Latest::Date(_) | Latest::Absent | Latest::Foreign => Ok(Some(newest)),
    }
}

/// The date that `latest` points to, where neither its emission nor a later one is there any more: the link stays.
///
/// # Errors
/// As [`publish_emission`](super::publish_emission).
pub fn lost_latest(output: &Output) -> Result<Option<Day>> {
    match read_latest(output)? {
        Latest::Date(at) if newest_emission(output)?.is_none_or(|newest| newest < at) => {
            Ok(Some(at))
        }
        _ => Ok(None),
    }
}

/// The newest dated folder that has a manifest. An empty folder, or a link to a disk that is not mounted, is not an
/// emission.
fn newest_emission(output: &Output) -> Result<Option<Day>> {
    for day in output.days()?.into_iter().rev() {
        let manifest = output.manifest_path(day);
        match output.files().stat(&manifest) {
            Ok(_) => return Ok(Some(day)),
            Err(error) if leads_nowhere(&error) => {}
            // This user may not read it, so it is taken for an emission.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(Some(day)),
            Err(error) => return Err(Error::io("look at", error).at(manifest)),
        }
    }
    Ok(None)
}

fn read_latest(output: &Output) -> Result<Latest> {
    let link = output.latest_link();
    match output.files().read_link(&link) {
        Ok(target) => Ok(target.to_str().and_then(date_of).map_or(Latest::Foreign, Latest::Date)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Ok(Latest::Absent),
            io::ErrorKind::InvalidInput => {
                Err(in_the_way("something that is not a symbolic link").at(link))
            }
            _ => Err(Error::io("read", error).at(link)),
        },
    }
}

/// The date of a target as we write it, or as a shell completes it (`./2021-12-01/`).
fn date_of(target: &str) -> Option<Day> {
    let target = target.strip_prefix("./").unwrap_or(target);
    target.strip_suffix('/').unwrap_or(target).parse().ok()
}

fn replace_link(output: &Output, newest: Day) -> Result<()> {
    let (files, link) = (output.files(), output.latest_link());
    // Longer than the random part of other temporaries, so never one of them.
    let temporary = output.root().join(format!("{TEMPORARY_PREFIX}latest-link"));
    let replaced = (|| {
        // A try that failed earlier in this process may have left it.
        match files.remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        files.symlink(Path::new(&newest.to_string()), &temporary)?;
        files.rename(&temporary, &link).inspect_err(|_| {
            // The next run sweeps what cannot be removed now.
            let _ = files.remove_file(&temporary);
        })
    })();
    replaced.map_err(|error| creation_error(error).at(link))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_date_is_ours() {
        let day = "2021-12-01".parse().ok();
        for ours in ["2021-12-01", "./2021-12-01", "2021-12-01/"] {
            assert_eq!(date_of(ours), day, "{ours}");
        }
        for foreign in ["../2021-12-01", "/2021-12-01", "2021-12-01/x", "2021-13-01", ""] {
            assert_eq!(date_of(foreign), None, "{foreign}");
        }
    }
}
