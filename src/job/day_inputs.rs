//! The logs of a day in a report: held, or left in the day's partial.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde::{Serialize, Serializer};

use super::Context;
use super::join::open_again;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::fs::FileSystem;
use crate::model::Inputs;
use crate::partial::Partial;

/// The logs of a day.
///
/// A report of one day holds them. A report of many days, which together can have more logs than fit in memory, leaves
/// them in the partials until they are shown.
#[derive(Debug, Clone)]
pub struct DayInputs(Place);

#[derive(Debug, Clone)]
enum Place {
    Here(Arc<Inputs>),
    Stored {
        files: Arc<dyn FileSystem>,
        path: Arc<Path>,
        digest: u128,
        count: usize,
        bytes: u64,
        /// Why they could not be shown.
        failure: Arc<OnceLock<Error>>,
    },
    /// This run has removed the day since.
    Removed {
        count: usize,
    },
}

impl DayInputs {
    /// The logs of a partial, read when they are asked for.
    pub(super) fn stored(context: &Context, partial: &Partial) -> Self {
        DayInputs(Place::Stored {
            files: Arc::clone(&context.files),
            path: partial.path().into(),
            digest: partial.digest(),
            count: usize::try_from(partial.metadata().inputs).unwrap_or(usize::MAX),
            bytes: partial.metadata_bytes(),
            failure: Arc::default(),
        })
    }

    /// The logs of a day that this run has removed: as many, and none to show.
    pub(super) fn removed(&self) -> Self {
        DayInputs(Place::Removed { count: self.len() })
    }

    /// Number of logs.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Place::Here(inputs) => inputs.len(),
            Place::Stored { count, .. } | Place::Removed { count } => *count,
        }
    }

    /// Whether there is no log.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that they take in memory, or slightly more.
    pub(super) fn bytes(&self) -> u64 {
        match &self.0 {
            Place::Here(inputs) => inputs.encoded().len() as u64,
            Place::Stored { bytes, .. } => *bytes,
            Place::Removed { .. } => 0,
        }
    }

    /// The same, held, to be shown; the error of a reading that fails is kept.
    pub(super) fn held(&self) -> Option<DayInputs> {
        match (self.read(), &self.0) {
            (Ok(inputs), _) => Some(DayInputs(Place::Here(inputs))),
            (Err(error), Place::Stored { failure, .. }) => {
                let _ = failure.set(error);
                None
            }
            (Err(_), Place::Here(_) | Place::Removed { .. }) => None,
        }
    }

    /// Why the logs could not be read when the report was serialized: a serializer has no place for the error.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        match &self.0 {
            Place::Here(_) | Place::Removed { .. } => None,
            Place::Stored { failure, .. } => failure.get(),
        }
    }

    /// The logs; reads them where they are not held. None of a day that the same run has removed since.
    ///
    /// Memory: 48 bytes a log and its name, as long as the result is held.
    ///
    /// # Errors
    /// [`ErrorKind::Removed`] and [`ErrorKind::Replaced`] where another run changed the day meanwhile;
    /// [`ErrorKind::Damaged`] and [`ErrorKind::Io`]; all at the partial's path.
    pub fn read(&self) -> Result<Arc<Inputs>> {
        match &self.0 {
            Place::Here(inputs) => Ok(Arc::clone(inputs)),
            Place::Removed { .. } => Ok(Arc::default()),
            Place::Stored { files, path, digest, .. } => {
                let partial = open_again(files.as_ref(), path, *digest)?;
                partial.inputs().map(Arc::new)
            }
        }
    }
}

impl Serialize for DayInputs {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.read().map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl From<Inputs> for DayInputs {
    fn from(inputs: Inputs) -> Self {
        DayInputs(Place::Here(Arc::new(inputs)))
    }
}
