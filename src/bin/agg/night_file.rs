//! `NAME-night.prom`, beside the metrics of a night: when the last good night ended, and for which day it was.
//!
//! Both files are about the newest night. One that is made up by hand, for an older day, leaves them alone.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use agg::Day;
use agg::fs::OsFileSystem;
use agg::store::Aside;

use crate::metrics;

const SUCCESS: &str = "agg_night_last_success_timestamp_seconds";
const DAY: &str = "agg_night_day_timestamp_seconds";

/// The file that a good night writes.
#[derive(Debug)]
pub(crate) struct NightFile {
    path: PathBuf,
    /// Start of the night's day, in seconds since 1970.
    midnight: u64,
}

impl NightFile {
    /// The file beside `metrics`; `None` where the last good night was for a later day.
    ///
    /// # Errors
    /// What has its name may not be replaced.
    pub(crate) fn beside(metrics: &Path, day: Day) -> agg::Result<Option<Self>> {
        let path = path_beside(metrics);
        let before = metrics::checked(&path)?;
        let midnight = day.since_1970() * 86_400;
        let of_line = |line: &str| line.strip_prefix(DAY)?.trim().parse::<u64>().ok();
        let is_newest = before.lines().filter_map(of_line).all(|known| known <= midnight);
        Ok(is_newest.then_some(NightFile { path, midnight }))
    }

    /// Writes that the night was good.
    pub(crate) fn write(&self) -> agg::Result<()> {
        let text = text(metrics::now(), self.midnight);
        Aside::Metrics.publish(&OsFileSystem, &self.path, text.as_bytes())
    }
}

fn path_beside(metrics: &Path) -> PathBuf {
    let mut name = if metrics.extension().is_some_and(|extension| extension == "prom") {
        metrics.file_stem().map(OsString::from).unwrap_or_default()
    } else {
        metrics.file_name().map(OsString::from).unwrap_or_default()
    };
    name.push("-night.prom");
    metrics.with_file_name(name)
}

fn text(now: u64, midnight: u64) -> String {
    let gauge = |name: &str, help: &str, value: u64| {
        format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n")
    };
    let success = gauge(SUCCESS, "When a night ended well last.", now);
    success + &gauge(DAY, "Start of the day that it was for.", midnight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_good_night_is_pinned() {
        assert_eq!(
            text(1_638_930_000, 1_638_835_200),
            "\
# HELP agg_night_last_success_timestamp_seconds When a night ended well last.
# TYPE agg_night_last_success_timestamp_seconds gauge
agg_night_last_success_timestamp_seconds 1638930000
# HELP agg_night_day_timestamp_seconds Start of the day that it was for.
# TYPE agg_night_day_timestamp_seconds gauge
agg_night_day_timestamp_seconds 1638835200
"
        );
    }

    #[test]
    fn it_is_named_after_the_metrics() {
        for (metrics, beside) in [
            ("/var/m/agg.prom", "/var/m/agg-night.prom"),
            ("agg", "agg-night.prom"),
            ("agg.txt", "agg.txt-night.prom"),
        ] {
            assert_eq!(path_beside(Path::new(metrics)), Path::new(beside));
        }
    }

    #[test]
    fn a_night_of_an_older_day_has_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = folder.path().join("agg.prom");
        let day = |text: &str| text.parse::<Day>().unwrap();
        let of = |text| NightFile::beside(&metrics, day(text)).unwrap();
        of("2021-12-07").unwrap().write().unwrap();
        assert!(of("2021-12-06").is_none());
        assert!(of("2021-12-07").is_some() && of("2021-12-08").is_some());
    }
}
