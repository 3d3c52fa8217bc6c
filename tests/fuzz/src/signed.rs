//! Gives a damaged partial valid checksums, as `docs/format.md` defines them. Without that, a fuzzer would never get
//! past the first checksum, and the code after it would stay untested.

use xxhash_rust::xxh3::xxh3_64;

const HEADER: usize = 24;
const HANDLE: usize = 40;
const ROOT_ENTRY: usize = 48;
const SECTION: usize = 24;
const TRAILER: usize = 96;

/// The bytes with every checksum that can be found made right, the inner ones first.
pub fn signed(bytes: &[u8]) -> Vec<u8> {
    let mut file = bytes.to_vec();
    if file.len() < HEADER + TRAILER {
        return file;
    }
    let trailer = file.len() - TRAILER;
    file[..8].copy_from_slice(b"agg-part");
    file[trailer + 88..].copy_from_slice(b"part-end");
    for run in 0..2 {
        sign_run(&mut file, trailer + run * SECTION);
    }
    sign(&mut file, 0..16, 16);
    for section in 0..3 {
        let at = trailer + section * SECTION;
        let (offset, length) = (u64_at(&file, at), u64_at(&file, at + 8));
        sign_part(&mut file, (offset, length), at + 16);
    }
    let header = xxh3_64(&file[..HEADER]);
    file[trailer + 72..trailer + 80].copy_from_slice(&header.to_le_bytes());
    sign(&mut file, trailer..trailer + 80, trailer + 80);
    file
}

/// Signs the blocks, then the pages, that the root of the section at `at` names.
fn sign_run(file: &mut [u8], at: usize) {
    let Some(root) = within(file, u64_at(file, at), u64_at(file, at + 8)) else { return };
    for entry in root.step_by(ROOT_ENTRY) {
        if entry + ROOT_ENTRY > file.len() {
            return;
        }
        let offset = u64_at(file, entry + 16);
        let length = u64::from(u32_at(file, entry + 24)) * HANDLE as u64;
        let Some(page) = within(file, offset, length) else { continue };
        for handle in page.step_by(HANDLE) {
            let block = (u64_at(file, handle + 16), u64::from(u32_at(file, handle + 24)));
            sign_part(file, block, handle + 32);
        }
        sign_part(file, (offset, length), entry + 40);
    }
}

fn sign_part(file: &mut [u8], (offset, length): (u64, u64), to: usize) {
    if let Some(part) = within(file, offset, length) {
        sign(file, part, to);
    }
}

fn sign(file: &mut [u8], part: std::ops::Range<usize>, to: usize) {
    let checksum = xxh3_64(&file[part]);
    file[to..to + 8].copy_from_slice(&checksum.to_le_bytes());
}

fn within(file: &[u8], offset: u64, length: u64) -> Option<std::ops::Range<usize>> {
    let end = offset.checked_add(length).filter(|end| *end <= file.len() as u64)?;
    Some(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)
}

fn u64_at(file: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(file[at..at + 8].try_into().unwrap())
}

fn u32_at(file: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(file[at..at + 4].try_into().unwrap())
}
