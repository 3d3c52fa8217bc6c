//! Where files live and how they get there: paths, lock, publish, sweep.
//!
//! ```text
//! STORE/.lock                         held by the one writer
//! STORE/partials/YYYY-MM-DD.agg       one immutable file a day
//! STORE/partials/.earlier             the digests of those that an earlier version made
//! STORE/partials/.floor               the oldest kept day, once days were pruned
//! STORE/rejects/YYYY-MM-DD.txt        its first corrupt rows
//! STORE/seen/YYYY-MM-DD.seen          the cache of its seen logs
//! STORE/tmp/                          sorted runs that did not fit the memory
//! OUT/.out.lock                       held by the one writer
//! OUT/YYYY-MM-DD/                     one emission a date
//! OUT/latest -> YYYY-MM-DD            the newest of them
//! OUT/.floor                          the oldest kept emission, once emissions were pruned
//! OUT/changes/.out.lock               held by the one writer
//! OUT/changes/YYYY-MM-DD/             what changed from the emission before that of the date
//! DIR/.out.lock                       held by the one writer
//! DIR/kind=country/day=YYYY-MM-DD/    one partition of an exported dataset
//! FILE                                a page or metrics, wherever its reader wants it; without a lock
//! ```
//!
//! **Publishing.** A new file is written under a temporary name that begins with [`TEMPORARY_PREFIX`], in the folder of
//! its final name. It is made durable, renamed in one step, and the folder is made durable. So a reader without any
//! lock meets the old file or the new one, and a kill at any instant leaves one of the two. The next run that takes the
//! lock sweeps what a killed run left; names without the prefix are never touched.
//!
//! **Locks.** Each function that changes a file takes a [`StoreLock`] or an [`OutputLock`] as an argument, so a
//! writer without one does not compile. The kernel frees them when the process ends, however it ends.
//! The two have different names, so that one folder can be the store and the output folder.
//!
//! `partial` and `output` decide what the files hold.

mod aside;
mod build;
mod dataset;
mod earlier;
mod emission;
mod floor;
mod folders;
mod latest;
mod lock;
mod paths;
mod publish;
mod record;
mod removal;
mod seen;
mod sweep;
mod writer;

pub use aside::Aside;
pub use build::BuildFolder;
pub use dataset::{DatasetFolder, PartitionDays, check_partition, part_name, publish_partition};
pub use earlier::record_earlier_partials;
pub use emission::{
    check_replaceable, finish_interrupted, publish_changes, publish_emission, settle_changes,
};
pub use floor::{
    oldest_kept_day, oldest_kept_emission, record_oldest_kept_day, record_oldest_kept_emission,
};
pub(crate) use folders::sync_folder;
pub use latest::lost_latest;
pub use lock::{OutputLock, StoreLock};
pub use paths::{MANIFEST, Output, Store, TEMPORARY_PREFIX};
pub use publish::{publish_day, publish_rejects_only, settle_days};
pub use removal::remove_emission;
pub use seen::{SeenLog, replace_seen};
pub use sweep::Swept;
pub use writer::{HashingWriter, Written};
