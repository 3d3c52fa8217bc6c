//! The layout of zstd frames in a file: where a frame ends and how much text it can hold, without decoding it.
//!
//! A frame is a header, blocks that each start with their length, and perhaps a checksum. This module reads only these
//! lengths; the decoder finds out whether a frame is complete and valid.

use std::ops::ControlFlow;

const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// Maximum bytes of a frame header, magic included.
pub(super) const MAX_HEADER: usize = 18;
/// Maximum bytes of text of a block, unless the window is smaller.
const MAX_BLOCK: u64 = 128 << 10;

/// Whether the bytes may be the start of a frame, as far as they go.
pub(super) fn starts_a_frame(header: &[u8]) -> bool {
    let magic = header.get(..4).unwrap_or(header);
    let skippable = skipped(header).is_some() || magic.first().is_some_and(|b| b & 0xF0 == 0x50);
    !magic.is_empty() && (MAGIC.starts_with(magic) || skippable)
}

/// Bytes of the mark that each frame begins with.
pub(super) const MARK: usize = MAGIC.len();

/// Whether the bytes begin with the mark of a frame, as far as they go. Unlike after a frame, one byte is not enough
/// for a skippable frame.
pub(super) fn begins(start: &[u8]) -> bool {
    let mark = start.get(..MARK).unwrap_or(start);
    let skippable = mark
        .split_first()
        .is_some_and(|(first, rest)| first & 0xF0 == 0x50 && [0x2A, 0x4D, 0x18].starts_with(rest));
    MAGIC.starts_with(mark) || skippable
}

/// The bytes of a skippable frame, if it is one.
fn skipped(header: &[u8]) -> Option<u64> {
    let (magic, rest) = header.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*rest.first_chunk::<4>()?);
    let is_skippable = u32::from_le_bytes(*magic) & 0xFFFF_FFF0 == 0x184D_2A50;
    is_skippable.then(|| 8 + u64::from(length))
}

/// The window that a frame's header asks for, in bytes; `None` if it is not a whole header of a frame with content.
pub(super) fn window_of(header: &[u8]) -> Option<u64> {
    let descriptor = *header.strip_prefix(&MAGIC)?.first()?;
    if descriptor & SINGLE_SEGMENT != 0 {
        // The window is the content.
        return content_of(header).flatten();
    }
    let window = header.get(5)?;
    let base = 1_u64 << (10 + (window >> 3));
    Some(base + base / 8 * u64::from(window & 7))
}

/// A bit of the descriptor, the byte after the magic.
const SINGLE_SEGMENT: u8 = 0x20;
const CHECKSUM: u8 = 0x04;

/// Where in a header the content's size is, and how many bytes it takes, which may be 0.
fn content_field(descriptor: u8) -> (usize, usize) {
    let single = descriptor & SINGLE_SEGMENT != 0;
    let id_length = [0, 1, 2, 4].get(usize::from(descriptor & 3)).copied().unwrap_or(0);
    let size_length = match descriptor >> 6 {
        0 => usize::from(single),
        log => 1 << log,
    };
    (5 + usize::from(!single) + id_length, size_length)
}

/// The content's size, if the header has it; the outer `None` if it is not a whole header of a frame with content.
fn content_of(header: &[u8]) -> Option<Option<u64>> {
    let descriptor = *header.strip_prefix(&MAGIC)?.first()?;
    let (start, length) = content_field(descriptor);
    let size = header.get(start..start + length)?;
    let value = size.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
    Some((length > 0).then_some(if length == 2 { value + 256 } else { value }))
}

/// Steps over adjacent frames in growing bytes.
pub(super) struct Walk {
    /// Maximum bytes of a window.
    window_limit: u64,
    /// Bytes and text of the whole frames seen so far.
    whole: usize,
    text_before: u64,
    /// The next place to check, which may be after all bytes so far.
    at: usize,
    part: Part,
}

/// The part of a frame at the walk's place.
#[derive(Clone, Copy)]
enum Part {
    Header,
    Block {
        /// Maximum bytes of text of a block.
        largest: u64,
        /// Maximum bytes of text of the blocks before.
        text: u64,
        /// Bytes of the frame's text, if its header has them.
        stated: Option<u64>,
        checksum: bool,
    },
    /// The end of a frame with at most this much text.
    End(u64),
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// One more frame is whole.
    Frame,
    /// The current frame continues after the bytes.
    More,
    /// The next bytes are not a frame, or a frame that may not be decoded.
    Stop,
}

impl Walk {
    /// At the start of the first frame.
    pub(super) fn new(window_limit: u64) -> Self {
        Walk { window_limit, whole: 0, text_before: 0, at: 0, part: Part::Header }
    }

    /// Bytes of the whole frames, skippable frames included, so far.
    pub(super) fn whole(&self) -> usize {
        self.whole
    }

    /// Maximum bytes of text of those frames; it is exact if all headers have the size.
    pub(super) fn text(&self) -> u64 {
        self.text_before
    }

    /// Bytes of text up to the walk's place, with the known part of the current frame.
    pub(super) fn text_in_sight(&self) -> u64 {
        let in_hand = match self.part {
            Part::Header => 0,
            Part::Block { text, stated, .. } => stated.unwrap_or(text),
            Part::End(text) => text,
        };
        self.text_before.saturating_add(in_hand)
    }

    /// Bytes up to the end of the known part of the current frame.
    pub(super) fn in_sight(&self) -> usize {
        self.at
    }

    /// Goes on to the end of a frame. `bytes` are those of the call before, and perhaps more.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let next = match self.part {
                Part::Header => self.header(rest),
                Part::Block { .. } => self.block(rest),
                Part::End(text) if self.at <= bytes.len() => {
                    self.whole = self.at;
                    self.text_before = self.text_before.saturating_add(text);
                    self.part = Part::Header;
                    ControlFlow::Break(Step::Frame)
                }
                Part::End(_) => ControlFlow::Break(Step::More),
            };
            if let ControlFlow::Break(step) = next {
                return step;
            }
        }
    }

    fn header(&mut self, rest: &[u8]) -> ControlFlow<Step> {
        let header = rest.get(..MAX_HEADER).unwrap_or(rest);
        if let Some(length) = skipped(header) {
            return self.advance(length, Part::End(0));
        }
        let Some((stated, window)) = content_of(header).zip(window_of(header)) else {
            let may_be = header.is_empty() || starts_a_frame(header);
            let more = header.len() < MAX_HEADER && may_be;
            return ControlFlow::Break(if more { Step::More } else { Step::Stop });
        };
        if window > self.window_limit {
            return ControlFlow::Break(Step::Stop);
        }
        let descriptor = header.get(4).copied().unwrap_or(0);
        let (start, length) = content_field(descriptor);
        let largest = window.min(MAX_BLOCK);
        let checksum = descriptor & CHECKSUM != 0;
        self.advance((start + length) as u64, Part::Block { largest, text: 0, stated, checksum })
    }

    fn block(&mut self, rest: &[u8]) -> ControlFlow<Step> {
        let Part::Block { largest, text, stated, checksum } = self.part else {
            return ControlFlow::Continue(());
        };
        let Some([low, middle, high]) = rest.first_chunk::<3>().copied() else {
            return ControlFlow::Break(Step::More);
        };
        let size = u64::from(u32::from_le_bytes([low, middle, high, 0]) >> 3);
        let (length, holds) = match low >> 1 & 3 {
            0 => (size, size),
            1 => (1, size),
            2 => (size, largest),
            _ => return ControlFlow::Break(Step::Stop),
        };
        if size > largest {
            return ControlFlow::Break(Step::Stop);
        }
        let text = text.saturating_add(holds);
        if low & 1 == 0 {
            return self.advance(3 + length, Part::Block { largest, text, stated, checksum });
        }
        let end = 3 + length + if checksum { 4 } else { 0 };
        self.advance(end, Part::End(stated.map_or(text, |stated| stated.min(text))))
    }

    fn advance(&mut self, bytes: u64, part: Part) -> ControlFlow<Step> {
        self.at = self.at.saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX));
        self.part = part;
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::twin::zstd;

    const LIMIT: u64 = 8 << 20;

    #[test]
    fn a_window_is_read_from_every_kind_of_header() {
        let of = |tail: &[u8]| window_of(&[&MAGIC[..], tail].concat());
        assert_eq!(of(&[0x00, 0x00]), Some(1 << 10));
        assert_eq!(of(&[0x04, 0x0F]), Some((1 << 11) + 7 * (1 << 8)));
        assert_eq!(of(&[0x20, 200]), Some(200));
        assert_eq!(of(&[0x61, 9, 0x01, 0x02]), Some(0x0201 + 256));
        assert_eq!(of(&[0xA2, 9, 9, 1, 2, 3, 4]), Some(0x0403_0201));
        assert_eq!(of(&[0xE3, 9, 9, 9, 9, 1, 0, 0, 0, 0, 0, 0, 1]), Some(0x0100_0000_0000_0001));
        assert_eq!(of(&[0xE3, 9, 9, 9, 9, 1, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(of(&[0x00]), None);
        assert_eq!(window_of(b"\x29\xB5\x2F\xFD\x00\x00"), None);
    }

    /// The whole frames of the bytes, where they end, and their maximum text.
    fn walk(bytes: &[u8], chunk: usize) -> (Vec<(usize, u64)>, Step) {
        let (mut walk, mut seen, mut frames) = (Walk::new(LIMIT), 0, Vec::new());
        loop {
            match walk.step(&bytes[..seen]) {
                Step::Frame => frames.push((walk.whole(), walk.text())),
                Step::More if seen < bytes.len() => seen = (seen + chunk).min(bytes.len()),
                step => return (frames, step),
            }
        }
    }

    #[test]
    fn frames_end_where_the_encoder_ended_them_however_the_bytes_come() {
        let text: Vec<u8> =
            (0..300_000_u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
        let skippable = [&0x184D_2A5F_u32.to_le_bytes()[..], &[3, 0, 0, 0, 1, 2, 3]].concat();
        let stated = ::zstd::bulk::compress(&text, 1).unwrap();
        let (mut file, mut ends, mut decoded, mut exact) = (Vec::new(), Vec::new(), 0, Vec::new());
        for (frame, holds, is_told) in [
            (stated, text.len(), true),
            (::zstd::bulk::compress(b"1|2|FR\n", 1).unwrap(), 7, true),
            (skippable, 0, true),
            (zstd(b""), 0, false),
            (zstd(&text), text.len(), false),
            (zstd(&vec![b'a'; 500_000]), 500_000, false),
        ] {
            file.extend(frame);
            decoded += holds as u64;
            ends.push((file.len(), decoded));
            exact.push(is_told);
        }
        for chunk in [1 << 20, 5000, 7] {
            let (frames, step) = walk(&file, chunk);
            assert_eq!((frames.len(), step), (ends.len(), Step::More));
            for ((frame, end), is_exact) in frames.iter().zip(&ends).zip(&exact) {
                assert_eq!(frame.0, end.0);
                assert!(frame.1 == end.1 || !is_exact && frame.1 > end.1, "{frame:?} {end:?}");
            }
        }
    }

    #[test]
    fn only_frames_that_may_be_decoded_are_stepped_over() {
        let good = zstd(b"1|2|FR\n");
        let wide = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 13 << 3 | 1, 0x01, 0x00, 0x00];
        let reserved = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x00, 0x07, 0x00, 0x00];
        let over_the_largest = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x00, 0x01, 0x40, 0x00];
        for tail in [&b"\0"[..], b"x", &wide, &reserved, &over_the_largest] {
            // After the longest header, so that no more bytes can make it a header.
            let file = [&good, tail, &[0; 20]].concat();
            let (frames, step) = walk(&file, 3);
            assert_eq!((frames.len(), frames[0].0, step), (1, good.len(), Step::Stop), "{tail:?}");
        }
        for cut in 0..good.len() {
            assert_eq!(walk(&good[..cut], 4), (Vec::new(), Step::More));
        }
    }
}
