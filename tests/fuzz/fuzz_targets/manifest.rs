//! What is read back from an output folder: `manifest.json`, and the link `latest`.
//!
//! Any bytes are either an error or a manifest that stays the same when it is written and read again. With any bytes as
//! its target, the link stays where it is or moves to the newest date, never to an older one or anywhere else.

#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use agg::Day;
use agg::fs::FileSystem;
use agg::output::Manifest;
use agg::store::{Output, OutputLock, publish_emission};
use agg_fuzz::Memory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::decode(bytes) {
        let written = manifest.encode().unwrap();
        let read = Manifest::decode(&written).unwrap();
        assert_eq!(read, manifest);
        assert_eq!(read.encode().unwrap(), written);
    }
    publish_beside_link(bytes);
});

fn publish_beside_link(target: &[u8]) {
    let day: Day = "2021-12-07".parse().unwrap();
    let (out, link) = (Path::new("out"), Path::new("out/latest"));
    let files = Arc::new(Memory::default());
    let before = Path::new(OsStr::from_bytes(target));
    files.create_folders(out).unwrap();
    files.create_folders(&out.join("2021-12-06")).unwrap();
    files.symlink(before, link).unwrap();
    let mut lock = OutputLock::take(&Output::on(files.clone(), out)).unwrap();
    let built = lock.build_folder().unwrap();
    publish_emission(&mut lock, day, built).unwrap();

    let after = files.read_link(link).unwrap();
    if after != Path::new("2021-12-07") {
        assert_eq!(after, before);
        let name = before.to_str().unwrap();
        let name = name.strip_prefix("./").unwrap_or(name);
        let named: Day = name.strip_suffix('/').unwrap_or(name).parse().unwrap();
        assert!(named >= day, "{named} is not a newer date");
    }
    let names = files.list(out).unwrap();
    let names: Vec<&OsStr> = names.iter().map(|(name, _)| name.as_os_str()).collect();
    assert_eq!(names, ["2021-12-06", "2021-12-07", "latest"]);
}
