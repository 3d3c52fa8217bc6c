//! One row and its text.

/// A row before it is written: `song|user|country`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogRow {
    pub(super) song: u64,
    pub(super) user: u64,
    /// Two capitals.
    pub(super) country: [u8; 2],
}

impl LogRow {
    /// Appends the text, without an end of line.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_id(out, self.song);
        out.push(b'|');
        write_id(out, self.user);
        let [first, second] = self.country;
        out.extend_from_slice(&[b'|', first, second]);
    }
}

/// Appends an id's digits.
pub(super) fn write_id(out: &mut Vec<u8>, id: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
}
