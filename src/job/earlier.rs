//! Which days an earlier version made: their counts change at a user's request, not because of an update.

use super::Context;
use super::inspect::open_day;
use crate::error::{ErrorClass, Result};
use crate::partial::Partial;
use crate::store::{StoreLock, record_earlier_partials};

/// Takes the lock of the store, as the one writer. The first time, records the partials that are there already.
///
/// # Errors
/// As [`StoreLock::take`]; a stored day that cannot be read.
pub(super) fn lock_store(context: &Context) -> Result<StoreLock> {
    let store = context.store();
    let lock = context.locked(|| StoreLock::take(&store))?;
    // A damaged record is reported where it matters.
    if !matches!(store.earlier_partials(), Ok(None)) {
        return Ok(lock);
    }
    let mut digests = Vec::new();
    for day in store.days()? {
        match open_day(&store, day) {
            Ok(partial) => digests.extend(partial.map(|partial| partial.digest())),
            // It has to be made again in any case.
            Err(error) if error.class() == ErrorClass::Data => {}
            Err(error) => return Err(error),
        }
    }
    record_earlier_partials(&lock, digests)?;
    Ok(lock)
}

/// Those of a stored day's logs that version 0.1 did not read, if it made the day: `unread` or none.
///
/// # Errors
/// As [`Store::earlier_partials`](crate::store::Store::earlier_partials).
pub(super) fn unread_before<'a>(
    context: &Context,
    partial: &Partial,
    unread: &'a [usize],
) -> Result<&'a [usize]> {
    if unread.is_empty() || partial.metadata().rules.is_some() {
        return Ok(&[]);
    }
    let earlier = context.store().earlier_partials()?;
    let is_earlier = earlier.is_none_or(|digests| digests.binary_search(&partial.digest()).is_ok());
    Ok(if is_earlier { unread } else { &[] })
}
