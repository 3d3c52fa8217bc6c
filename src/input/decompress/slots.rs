//! The memory of frames that are decoded ahead of their turn: one share for all streams of a source.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex};

use ::zstd::bulk::Decompressor;

use crate::input::lock;

/// Bytes of a decoder that needs no window of its own.
pub(super) const DECODER: u64 = 256 << 10;

/// The slots that threads decode ahead into.
pub(in crate::input) struct Slots {
    /// Bytes that all may take together.
    share: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Bytes of the slots in use.
    used: u64,
    /// Unused buffers of slots, for the next slot, with their bytes. The allocator would keep them for the thread that
    /// returns them, so other threads could not use them.
    spare: Vec<(Room, u64)>,
}

/// The buffers of one slot.
#[derive(Default)]
pub(super) struct Room {
    /// Made for the first frames.
    pub(super) decoder: Option<Decompressor<'static>>,
    /// Whole frames as they are in the file.
    pub(super) packed: Vec<u8>,
    /// Their text.
    pub(super) text: Vec<u8>,
}

impl Slots {
    /// None is in use.
    pub(in crate::input) fn new(share: u64) -> Arc<Self> {
        Arc::new(Slots { share, state: Mutex::default() })
    }

    /// Bytes that one slot may take: half, so that one is read out while another is filled.
    pub(super) fn most(&self) -> u64 {
        self.share / 2
    }

    /// Whether there is room for a slot of this number of bytes now.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        lock(&self.state).used.saturating_add(bytes) <= self.share
    }

    /// An empty slot, which has the right to nothing yet.
    pub(super) fn take(self: &Arc<Self>) -> Slot {
        Slot { slots: Arc::clone(self), room: Room::default(), held: 0 }
    }

    /// Gives all unused memory to the allocator.
    pub(in crate::input) fn clear(&self) {
        lock(&self.state).spare.clear();
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("share", &self.share).finish_non_exhaustive()
    }
}

/// The right to a part of the share, with its buffers; given back when dropped.
pub(super) struct Slot {
    slots: Arc<Slots>,
    pub(super) room: Room,
    /// Bytes that `room` may take.
    held: u64,
}

impl Slot {
    /// Gets the right to this number of bytes of frames and their text together; false if there is no room now. It
    /// keeps its frames.
    pub(super) fn grow(&mut self, packed: u64, text: u64) -> bool {
        let granted = self.claim(packed.saturating_add(text).saturating_add(DECODER));
        let Room { packed: frames, text: old, .. } = &mut self.room;
        let taken = packed.max(frames.capacity() as u64) + text.max(old.capacity() as u64);
        if granted && taken.saturating_add(DECODER) > self.held {
            // An earlier use divided the room otherwise.
            *old = Vec::new();
            frames.shrink_to(usize::try_from(packed).unwrap_or(usize::MAX));
        }
        granted
    }

    fn claim(&mut self, bytes: u64) -> bool {
        if bytes <= self.held {
            return true;
        }
        let share = self.slots.share;
        let mut state = lock(&self.slots.state);
        let others = state.used - self.held;
        if self.held == 0
            && let Some((room, held)) = state.spare.pop()
        {
            (self.room, self.held) = (room, held);
        }
        let bytes = bytes.max(self.held);
        let mut spare: u64 = state.spare.iter().map(|(_, held)| *held).sum();
        while others.saturating_add(bytes).saturating_add(spare) > share
            && let Some((_, held)) = state.spare.pop()
        {
            spare -= held;
        }
        let granted = others.saturating_add(bytes) <= share;
        if granted {
            self.held = bytes;
        }
        state.used = others + self.held;
        granted
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.held == 0 {
            return;
        }
        let mut room = mem::take(&mut self.room);
        room.packed.clear();
        room.text.clear();
        let mut state = lock(&self.slots.state);
        state.used -= self.held;
        state.spare.push((room, self.held));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn slots_and_the_buffers_that_they_left_stay_within_the_share() {
        let slots = Slots::new(10 * MIB);
        let held = |slots: &Slots| {
            let state = lock(&slots.state);
            (state.used, state.spare.iter().map(|(_, held)| *held).sum::<u64>())
        };
        let [mut one, mut other] = [slots.take(), slots.take()];
        assert!(one.grow(2 * MIB, 2 * MIB) && other.grow(MIB, 3 * MIB));
        assert!(!slots.has_room(2 * MIB) && !one.grow(4 * MIB, 3 * MIB), "a third has no room");
        assert_eq!(held(&slots), (8 * MIB + 2 * DECODER, 0));
        one.room.text.reserve_exact(2 << 20);
        drop(one);
        assert_eq!(held(&slots), (4 * MIB + DECODER, 4 * MIB + DECODER));
        let mut third = slots.take();
        assert!(third.grow(MIB / 2, 0));
        assert_eq!(third.room.text.capacity(), 2 << 20, "it goes on with what was left");
        assert!(third.grow(3 * MIB, MIB));
        assert_eq!(third.room.text.capacity(), 0, "which is divided anew");
        drop((third, other));
        let mut large = slots.take();
        assert!(large.grow(5 * MIB, 4 * MIB), "spare room makes place");
        assert_eq!(held(&slots), (9 * MIB + DECODER, 0));
        drop(large);
        slots.clear();
        assert_eq!(held(&slots), (0, 0));
    }
}
