//! Decoding ahead: threads that wait for their turn at a zstd file decode its next frames meanwhile.
//!
//! One thread at a time reads a stream, in order, so rows, digests and errors have a fixed order. If the file has
//! several frames, a thread that finds the stream busy finds the next frames, decodes some, and leaves their text for
//! the reader, which then only copies it.
//!
//! Decoding ahead only saves time. Frames that cannot be decoded ahead, for any reason (too large for the share of
//! memory, a window over the limit, damage, a failing disk), are left to the reader, which reports the error at its
//! place. So errors have one source, and only bytes of whole frames with a valid checksum are handed on. (The library's
//! own words for damage may differ, because they depend on what its decoder did before.)

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::frames::{Step, Walk};
use super::slots::{DECODER, Slot, Slots};
use crate::fs::ReadFile;
use crate::input::lock;

/// The sizes of a span; tests use tiny sizes.
#[derive(Debug, Clone, Copy)]
struct Measures {
    /// Bytes read at a time.
    chunk: usize,
    /// Bytes of text that are worth a turn: smaller frames are decoded several at a time.
    worth: u64,
}

impl Measures {
    const REAL: Measures = Measures { chunk: 256 << 10, worth: 1 << 20 };
}

/// The frames of one file that are decoded ahead, and the search for them.
///
/// Takes no memory besides its slots, except some 100 bytes a span. Closes the file when dropped.
pub(in crate::input) struct Ahead {
    file: Arc<dyn ReadFile>,
    slots: Arc<Slots>,
    /// Bytes that a zstd window may have.
    window_limit: u64,
    measures: Measures,
    state: Mutex<State>,
    /// A span was decoded, or will not be.
    settled: Condvar,
}

#[derive(Default)]
struct State {
    /// Start of the next frame to check. All frames before it are the reader's or in `spans`.
    next: u64,
    /// The reader decodes the frame at `next` itself.
    passing: bool,
    /// The frame at `next` cannot be decoded ahead; wait until the reader has passed it.
    stopped: bool,
    /// Bytes that the last span took or needed: with less room, a search is useless.
    usual: u64,
    /// By their starts. They do not overlap.
    spans: BTreeMap<u64, Span>,
}

/// Whole frames, one after the other.
enum Span {
    /// Being decoded by a thread.
    Pending,
    Ready(Decoded),
}

/// Frames that were decoded.
pub(super) struct Decoded {
    slot: Slot,
    /// Where in the file they end.
    pub(super) end: u64,
}

impl Decoded {
    /// Their text.
    pub(super) fn text(&self) -> &[u8] {
        &self.slot.room.text
    }
}

/// How far whole frames go, from the start of a slot.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    bytes: usize,
    /// Bytes of text at most.
    text: u64,
}

/// A span that is claimed: its frames are in the slot.
struct Claim<'a> {
    ahead: &'a Ahead,
    start: u64,
    end: u64,
    /// Bytes of text at most.
    text: u64,
    slot: Option<Slot>,
}

impl Ahead {
    /// At the start of the file.
    pub(in crate::input) fn new(
        file: Arc<dyn ReadFile>,
        slots: &Arc<Slots>,
        window_limit: u64,
    ) -> Arc<Self> {
        Self::with_measures(file, slots, window_limit, Measures::REAL)
    }

    fn with_measures(
        file: Arc<dyn ReadFile>,
        slots: &Arc<Slots>,
        window_limit: u64,
        measures: Measures,
    ) -> Arc<Self> {
        let slots = Arc::clone(slots);
        let (state, settled) = (Mutex::default(), Condvar::new());
        Arc::new(Ahead { file, slots, window_limit, measures, state, settled })
    }

    /// For the reader, between two frames: the decoded text from `at` on. `None` if the frame there is left to the
    /// reader. Waits for a thread that decodes it.
    pub(super) fn take(&self, at: u64) -> Option<Decoded> {
        let mut state = lock(&self.state);
        while let Some(Span::Pending) = state.spans.get(&at) {
            state = self.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(Span::Ready(decoded)) = state.spans.remove(&at) {
            return Some(decoded);
        }
        if at >= state.next {
            (state.next, state.passing, state.stopped) = (at, true, false);
        }
        None
    }

    /// For an idle thread: decodes the next frames, if it can; false if not.
    pub(in crate::input) fn help(&self) -> bool {
        match self.claim() {
            Some(claim) => {
                claim.decode();
                true
            }
            None => false,
        }
    }

    /// Finds the next frames and reads them.
    fn claim(&self) -> Option<Claim<'_>> {
        // Held while the file is read; the next thread continues after these frames.
        let mut state = lock(&self.state);
        if state.stopped || !self.slots.has_room(state.usual) {
            return None;
        }
        let mut slot = self.slots.take();
        if state.passing {
            let passed = self.gather(&mut state, &mut slot, 0)?;
            state.next += passed.bytes as u64;
            state.passing = false;
        }
        let found = self.gather(&mut state, &mut slot, self.measures.worth)?;
        let start = state.next;
        let end = start + found.bytes as u64;
        state.next = end;
        state.spans.insert(start, Span::Pending);
        Some(Claim { ahead: self, start, end, text: found.text, slot: Some(slot) })
    }

    /// Reads whole frames from `next` on into the slot, at least one, until their text is worth a turn. `None` if that
    /// is not possible: for now, or (`stopped`) until the reader was there.
    fn gather(&self, state: &mut State, slot: &mut Slot, worth: u64) -> Option<Found> {
        let mut walk = Walk::new(self.window_limit);
        let mut found = Found::default();
        let mut has_room = true;
        slot.room.packed.clear();
        loop {
            let step = walk.step(&slot.room.packed);
            // Up to the end of the frame; or a chunk more, and the known part of the frame.
            let there = slot.room.packed.len();
            let (packed, text) = match step {
                Step::Frame => (there as u64, walk.text()),
                Step::More => {
                    (walk.in_sight().max(there + self.measures.chunk) as u64, walk.text_in_sight())
                }
                Step::Stop => break,
            };
            if packed.saturating_add(text).saturating_add(DECODER) > self.slots.most() {
                break;
            }
            has_room = slot.grow(packed, text);
            if !has_room {
                state.usual = state.usual.max(packed + text + DECODER);
                break;
            }
            if step == Step::Frame {
                found = Found { bytes: walk.whole(), text };
                if text >= worth {
                    break;
                }
            } else if !self.read_on(state.next, &mut slot.room.packed) {
                break;
            }
        }
        slot.room.packed.truncate(found.bytes);
        state.stopped = found.bytes == 0 && has_room;
        (found.bytes > 0).then_some(found)
    }

    /// Reads a chunk more of the bytes from `start` on; false if there are none, or none can be had.
    fn read_on(&self, start: u64, packed: &mut Vec<u8>) -> bool {
        let Measures { chunk, .. } = self.measures;
        let before = packed.len();
        packed.reserve_exact(chunk);
        packed.resize(before + chunk, 0);
        let room = packed.get_mut(before..).unwrap_or_default();
        let read = self.file.read_full_at(room, start.saturating_add(before as u64)).unwrap_or(0);
        packed.truncate(before + read);
        read > 0
    }
}

impl Claim<'_> {
    /// Decodes the frames and leaves their text for the reader.
    fn decode(mut self) {
        let Some(slot) = &mut self.slot else { return };
        let room = &mut slot.room;
        room.text.clear();
        // The slot has grown to have it.
        room.text.reserve_exact(usize::try_from(self.text).unwrap_or(0));
        let decoder = room.decoder.get_or_insert_default();
        if decoder.decompress_to_buffer(&room.packed, &mut room.text).is_err() {
            self.slot = None;
        }
    }
}

impl Drop for Claim<'_> {
    /// Settles the span, whatever happened: the reader may be waiting for it.
    fn drop(&mut self) {
        let mut state = lock(&self.ahead.state);
        match self.slot.take() {
            Some(slot) if !std::thread::panicking() => {
                state.spans.insert(self.start, Span::Ready(Decoded { slot, end: self.end }));
            }
            _ => {
                state.spans.remove(&self.start);
            }
        }
        drop(state);
        self.ahead.settled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;
    use crate::error::{Error, Result};
    use crate::fs::FileSystem;
    use crate::input::decompress::{Compressed, Compression, Decoder, Progress, Windows};
    use crate::input::twin::{Twin, zstd};

    const LIMIT: u64 = 8 << 20;
    const TINY: Measures = Measures { chunk: 16, worth: 40 };
    const TEXT: &[u8] = b"\xEF\xBB\xBF1|2|FR\r\n3|4|US\r\n1|2|FR\n3|4|US\n5555|6666|GB";

    /// How often other threads help: before the first read, then after each.
    type Helps = (usize, usize);

    fn frame(bytes: &[u8], stated: bool, checksum: bool) -> Vec<u8> {
        let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(checksum).unwrap();
        encoder.set_pledged_src_size(stated.then_some(bytes.len() as u64)).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn skippable(length: u8) -> Vec<u8> {
        [&[0x53, 0x2A, 0x4D, 0x18, length, 0, 0, 0][..], &vec![7; length.into()]].concat()
    }

    /// The result of reading a file with this help (the text and how much of the file it took), and how often there was
    /// something to do.
    fn decode(
        twin: &Twin,
        helps: Option<Helps>,
        room: usize,
        share: u64,
    ) -> (Result<(Vec<u8>, u64)>, usize) {
        let file: Arc<dyn ReadFile> = Arc::from(twin.open("f".as_ref()).unwrap());
        let slots = Slots::new(share);
        let ahead = Ahead::with_measures(Arc::clone(&file), &slots, LIMIT, TINY);
        let given = helps.map(|_| Arc::clone(&ahead));
        let (first, each) = helps.unwrap_or_default();
        let mut helped = (0..first).filter(|_| ahead.help()).count();
        let windows = Windows::new(LIMIT);
        let mut decoder =
            Decoder::open(Compression::Zstd, Compressed::new(file), &windows, given).unwrap();
        let (mut out, mut buffer) = (Vec::new(), vec![0; room]);
        let result = loop {
            match decoder.read(&mut buffer) {
                Ok(Progress::Read(0)) => break Ok((out, decoder.consumed())),
                Ok(Progress::Read(read)) => out.extend_from_slice(&buffer[..read]),
                Ok(Progress::Wait { .. }) => panic!("nobody else holds a window"),
                Err(error) => break Err(error),
            }
            helped += (0..each).filter(|_| ahead.help()).count();
        };
        drop((decoder, ahead));
        assert!(slots.has_room(share), "all slots are given back");
        (result, helped)
    }

    /// An error with its place. The library's words for damage depend on the buffers that a decoder had before.
    fn message(error: Error) -> String {
        let text = error.at("f").to_string();
        text.replace("Destination buffer is too small", "Data corruption detected")
    }

    /// Reads a file with all kinds of help and without; the results must be the same. Returns how often there was
    /// something to do.
    fn compare(twin: &Twin, share: u64) -> usize {
        let mut all = 0;
        for room in [5, 1 << 20] {
            let expected = decode(twin, None, room, share).0.map_err(message);
            for helps in [(0, 1), (1, 0), (100, 100)] {
                let (result, helped) = decode(twin, Some(helps), room, share);
                assert_eq!(result.map_err(message), expected, "{helps:?} {room}");
                all += helped;
            }
        }
        all
    }

    fn compare_bytes(bytes: &[u8]) -> usize {
        let twin = Twin::new();
        twin.put("f", bytes);
        compare(&twin, 2 << 20)
    }

    #[test]
    fn frames_of_every_kind_give_the_text_that_the_reader_alone_gives() {
        assert!(
            compare_bytes(&frame(TEXT, true, true)) > 0,
            "one frame is one for who comes first"
        );
        for (stated, checksum) in [(true, true), (true, false), (false, true), (false, false)] {
            for size in [7, 41, 120] {
                let whole = TEXT.repeat(8);
                let packed: Vec<Vec<u8>> =
                    whole.chunks(size).map(|piece| frame(piece, stated, checksum)).collect();
                // Like pzstd's files, with a skippable frame before each frame; and like the seekable format, with a
                // skippable frame at the end.
                let before: Vec<u8> = packed
                    .iter()
                    .flat_map(|frame| [skippable(4), frame.clone()].concat())
                    .collect();
                let after = [packed.concat(), skippable(200)].concat();
                for file in [packed.concat(), before, after] {
                    assert!(compare_bytes(&file) > 6, "{stated} {checksum} {size}");
                }
            }
        }
    }

    #[test]
    fn what_follows_the_frames_is_for_the_reader_to_judge() {
        let frames = [zstd(TEXT), zstd(b""), zstd(TEXT)].concat();
        let wide = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 13 << 3 | 1, 0x01, 0x00, 0x00];
        for tail in
            [&b"\0"[..], &[0; 300], b"x", b"\0x", b"\n", b"\x27\xB5", &wide, &skippable(3)[..10]]
        {
            for file in [[&frames, tail].concat(), tail.to_vec(), [&frames, tail, &frames].concat()]
            {
                compare_bytes(&file);
            }
        }
        compare_bytes(b"");
    }

    #[test]
    fn a_file_cut_at_any_byte_is_the_same_damage() {
        let file =
            [frame(TEXT, false, true), skippable(4), frame(TEXT, true, true), zstd(TEXT)].concat();
        for cut in 0..=file.len() {
            compare_bytes(&file[..cut]);
        }
    }

    #[test]
    fn a_changed_byte_in_any_frame_is_the_same_damage_at_the_same_place() {
        let file = [zstd(TEXT), frame(TEXT, true, false), frame(TEXT, false, true)].concat();
        for at in 0..file.len() {
            for bit in [0, 6] {
                let mut file = file.clone();
                file[at] ^= 1 << bit;
                compare_bytes(&file);
            }
        }
    }

    #[test]
    fn a_failing_disk_fails_for_the_reader_alone() {
        let file = [zstd(TEXT), zstd(TEXT), zstd(TEXT)].concat();
        for fail_from in 0..file.len() {
            let twin = Twin::new();
            twin.put("f", &file);
            twin.read_at_most(5);
            twin.fail_reads_from("f", fail_from as u64);
            compare(&twin, 2 << 20);
        }
    }

    #[test]
    fn frames_over_the_share_are_left_to_the_reader_and_those_after_them_are_not() {
        let large: Vec<u8> =
            (0..200_000_u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
        let small = zstd(TEXT);
        let stated = [&small[..], &frame(&large, true, true), &small, &small].concat();
        let unstated = [&small[..], &frame(&large, false, true), &small, &small].concat();
        for file in [stated, unstated] {
            let twin = Twin::new();
            twin.put("f", &file);
            let expected = decode(&twin, None, 1 << 20, 0).0.unwrap();
            let (result, helped) = decode(&twin, Some((9, 9)), 1 << 20, 4 * DECODER);
            assert_eq!(result.unwrap(), expected);
            assert_eq!(helped, 2, "the first and the last: the reader is at the one between");
            assert_eq!(decode(&twin, Some((9, 9)), 1 << 20, DECODER).1, 0, "no room for any");
        }
    }

    #[test]
    fn no_thread_waits_for_a_full_share() {
        let twin = Twin::new();
        twin.put("f", &frame(TEXT, true, true).repeat(200));
        let file: Arc<dyn ReadFile> = Arc::from(twin.open("f".as_ref()).unwrap());
        let slots = Slots::new(3 * DECODER);
        let ahead = Ahead::with_measures(file, &slots, LIMIT, TINY);
        assert_eq!((0..9).filter(|_| ahead.help()).count(), 2);
        let first = ahead.take(0).unwrap();
        assert_eq!(first.text(), TEXT);
        assert!(!ahead.help(), "the reader still has it");
        let end = first.end;
        drop(first);
        assert!(ahead.help());
        assert_eq!(ahead.take(end).unwrap().text(), TEXT);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_text_in_any_frames_comes_back_and_any_cut_is_the_same_damage(
            parts in prop::collection::vec(
                (prop::collection::vec(0_u8..4, 0..100), any::<bool>(), any::<bool>(), 0_u8..9), 1..12),
            cut in any::<prop::sample::Index>(),
            short_reads in 1_usize..50,
        ) {
            let mut file = Vec::new();
            for (text, stated, checksum, skipped) in &parts {
                file.extend(frame(text, *stated, *checksum));
                if *skipped < 4 {
                    file.extend(skippable(*skipped));
                }
            }
            let text: Vec<u8> = parts.iter().flat_map(|part| part.0.clone()).collect();
            let twin = Twin::new();
            twin.read_at_most(short_reads);
            twin.put("f", &file);
            let length = file.len() as u64;
            prop_assert_eq!(decode(&twin, Some((1, 2)), 9, 2 << 20).0.unwrap(), (text, length));
            compare(&twin, 2 << 20);
            file.truncate(cut.index(file.len()));
            twin.put("f", &file);
            compare(&twin, 2 << 20);
        }
    }
}
