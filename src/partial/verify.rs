//! Checks a whole partial.

use super::reader::Partial;
use crate::error::{Error, Result};
use crate::runfile::verify_run;

/// Checks every byte of an open partial: checksums, that blocks tile the file, order within and across blocks, block
/// lengths, keys, and the totals against the metadata. `stop` is called once a block; its error ends the check.
///
/// # Errors
/// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) and [`ErrorKind::Io`](crate::ErrorKind::Io), with path and offset.
pub fn verify(partial: &Partial, stop: &dyn Fn() -> Result<()>) -> Result<()> {
    for (kind, facts) in partial.metadata().runs.iter() {
        let found = verify_run(partial.run(kind), partial.block_entries(), stop)?;
        if found != *facts {
            let text = format!("the {} run has {found}, but the metadata has {facts}", kind.noun());
            return Err(Error::damaged(text)
                .at_offset(partial.metadata_offset())
                .at(partial.path()));
        }
    }
    Ok(())
}
