//! Text that grows at its end, in memory that stays.

/// Lines, one behind the other.
///
/// Whoever writes them asks for more room than a line may need, fills it from the front and says how much was used: no
/// look at the capacity for every few bytes, and no byte is set twice. Memory: what was ever asked for, and a quarter more.
#[derive(Debug, Default)]
pub struct Lines {
    /// The text, and then room with anything in it.
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

    /// At least `bytes` bytes behind the text, with anything in them.
    #[inline]
    pub fn room(&mut self, bytes: usize) -> &mut [u8] {
        let end = self.used + bytes;
        if self.bytes.len() < end {
            self.grow(end);
        }
        &mut self.bytes[self.used..]
    }

    /// The first `bytes` bytes of the room are text now; the room has at least as many.
    #[inline]
    pub fn advance(&mut self, bytes: usize) {
        self.used += bytes;
    }

    /// Forgets the text, keeps the memory.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// Bytes of memory.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    #[cold]
    fn grow(&mut self, least: usize) {
        let length = least.max(self.bytes.len() / 4 * 5).max(4 << 10);
        self.bytes.reserve_exact(length - self.bytes.len());
        self.bytes.resize(length, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_advanced_over_is_the_text_until_it_is_cleared() {
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
