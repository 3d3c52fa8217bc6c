//! Text that grows at its end, in memory that is reused.

/// Adjacent lines of text.
///
/// To write a line, ask for more room than it may need, fill the room from the front, and advance by the bytes used. So
/// the capacity is not checked for every few bytes, and no byte is set twice. Memory: the largest text with its room,
/// and a quarter more.
#[derive(Debug, Default)]
pub struct Lines {
    /// The text, then room with any bytes.
    bytes: Vec<u8>,
    /// Bytes of the text.
    used: usize,
}

impl Lines {
    /// The text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        // `advance` stays within the bytes that `room` has handed out.
        &self.bytes[..self.used]
    }

    /// At least `bytes` bytes after the text, with any content.
    #[inline]
    pub fn room(&mut self, bytes: usize) -> &mut [u8] {
        let end = self.used + bytes;
        if self.bytes.len() < end {
            self.grow(end);
        }
        &mut self.bytes[self.used..]
    }

    /// Appends the first `bytes` bytes of the room, which has at least that number, to the text.
    #[inline]
    pub fn advance(&mut self, bytes: usize) {
        self.used += bytes;
    }

    /// Removes the text and keeps the memory.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// Bytes of memory in use.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    #[cold]
    fn grow(&mut self, min_length: usize) {
        let length = min_length.max(self.bytes.len() / 4 * 5).max(4 << 10);
        self.bytes.reserve_exact(length - self.bytes.len());
        self.bytes.resize(length, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_were_advanced_over_are_the_text_until_it_is_cleared() {
        let mut lines = Lines::default();
        for _ in 0..2 {
            for at in 0..3000u32 {
                let bytes = at.to_le_bytes();
                lines.room(9).get_mut(..4).unwrap().copy_from_slice(&bytes);
                lines.advance(4);
            }
            let expected: Vec<u8> = (0..3000u32).flat_map(u32::to_le_bytes).collect();
            assert_eq!(lines.as_bytes(), expected);
            lines.clear();
            assert!(lines.as_bytes().is_empty());
        }
        assert!(lines.capacity() <= 12_009 / 4 * 5);
    }
}
