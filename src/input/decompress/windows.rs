//! How much memory each stream may hold for a window, dictionary or block: all decoders together stay within one limit.
//!
//! A frame says how large a window it needs. Before it is decoded, its stream asks for that window. A stream that gets
//! none gives back what it has (between two frames nothing in it is needed) and tries again later. So a stream that
//! holds a window can be read to the end of its frame, and streams never wait for one another in a circle.

use std::fmt;
use std::sync::{Arc, Mutex};

use ::zstd::stream::raw::{DParameter, Decoder, Operation};

use crate::error::{Error, Result};
use crate::input::lock;

/// Bytes of a decoder besides its window.
const BUFFERS: u64 = 512 << 10;

/// The windows of all streams of a source.
pub(in crate::input) struct Windows {
    /// Maximum bytes of one window, and of all together.
    limit: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Bytes that streams hold.
    taken: u64,
    /// A decoder that a stream no longer needs, for the next stream, and its bytes. The allocator keeps tens of
    /// megabytes for the thread that returns them. So if each stream allocated a window of its own, threads that take
    /// turns at the streams would leave several.
    spare: Option<(Decoder<'static>, u64)>,
}

impl Windows {
    /// None is held.
    pub(in crate::input) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Windows { limit, state: Mutex::default() })
    }

    /// Maximum bytes of a window.
    pub(in crate::input) fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether a stream that holds nothing would now get a window of this number of bytes.
    pub(in crate::input) fn has_room(&self, window: u64) -> bool {
        self.allows(lock(&self.state).taken, window.saturating_add(BUFFERS))
    }

    /// Whether this number of bytes may be held beside those of other streams. A single holder may exceed the limit by
    /// the buffers.
    fn allows(&self, others: u64, bytes: u64) -> bool {
        others == 0 || others.saturating_add(bytes) <= self.limit
    }
}

impl fmt::Debug for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Windows").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// A stream's decoder and the right to the memory that it takes; given back when dropped.
pub(super) struct Lease {
    windows: Arc<Windows>,
    decoder: Option<Decoder<'static>>,
    /// Bytes that `decoder` may take; 0 without one.
    held: u64,
}

impl Lease {
    /// Nothing yet.
    pub(super) fn new(windows: &Arc<Windows>) -> Self {
        Lease { windows: Arc::clone(windows), decoder: None, held: 0 }
    }

    /// Maximum bytes of a window.
    pub(super) fn limit(&self) -> u64 {
        self.windows.limit
    }

    /// The decoder, while it is held.
    pub(super) fn decoder(&mut self) -> Option<&mut Decoder<'static>> {
        self.decoder.as_mut()
    }

    /// Gets a decoder for a frame with this window; false, with nothing held any more, when there is no room now.
    pub(super) fn grow(&mut self, window: u64) -> Result<bool> {
        let needed = window.saturating_add(BUFFERS);
        if self.decoder.is_some() && needed <= self.held {
            return Ok(true);
        }
        let windows = Arc::clone(&self.windows);
        let mut state = lock(&windows.state);
        let others = state.taken - self.held;
        if !windows.allows(others, needed) {
            self.release(&mut state);
            return Ok(false);
        }
        let mut bytes = needed;
        match state.spare.take() {
            // A decoder keeps the largest window that it ever had.
            Some((spare, held))
                if self.decoder.is_none() && windows.allows(others, held.max(needed)) =>
            {
                self.decoder = Some(spare);
                bytes = held.max(needed);
            }
            Some((spare, held)) if windows.allows(others, needed.saturating_add(held)) => {
                state.spare = Some((spare, held));
            }
            _ => {}
        }
        state.taken = others + bytes;
        self.held = bytes;
        debug_assert!(windows.allows(others, bytes), "{others} and {bytes} bytes are held");
        drop(state);
        if self.decoder.is_none() {
            self.decoder = Some(Decoder::new().map_err(|error| Error::io("decompress", error))?);
        }
        self.prepare()?;
        Ok(true)
    }

    /// Makes the decoder forget what it decoded before.
    fn prepare(&mut self) -> Result<()> {
        // A second guard; the exact limit is checked at each frame.
        let guard = DParameter::WindowLogMax(log_of_limit(self.limit()));
        if let Some(decoder) = &mut self.decoder {
            let ready = decoder.reinit().and_then(|()| decoder.set_parameter(guard));
            ready.map_err(|error| Error::io("decompress", error))?;
        }
        Ok(())
    }

    fn release(&mut self, state: &mut State) {
        state.taken -= self.held;
        let held = std::mem::take(&mut self.held);
        if let Some(decoder) = self.decoder.take() {
            state.spare = Some((decoder, held));
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let windows = Arc::clone(&self.windows);
        self.release(&mut lock(&windows.state));
    }
}

/// A stream's right to memory, for a decoder of its own; given back when dropped.
pub(super) struct Claim {
    windows: Arc<Windows>,
    /// Bytes that may be taken.
    held: u64,
}

impl Claim {
    /// Nothing yet.
    pub(super) fn new(windows: &Arc<Windows>) -> Self {
        Claim { windows: Arc::clone(windows), held: 0 }
    }

    /// Maximum bytes of a window.
    pub(super) fn limit(&self) -> u64 {
        self.windows.limit
    }

    /// Gets the right to a window of this many bytes; false, with nothing held any more, when there is no room now. The
    /// caller has no window meanwhile, unless it asks for no larger one.
    pub(super) fn grow(&mut self, window: u64) -> bool {
        let needed = window.saturating_add(BUFFERS);
        if needed <= self.held {
            return true;
        }
        let mut state = lock(&self.windows.state);
        state.taken -= std::mem::take(&mut self.held);
        if !self.windows.allows(state.taken, needed) {
            return false;
        }
        state.taken += needed;
        self.held = needed;
        let limit = self.windows.limit;
        let taken = state.taken;
        state.spare.take_if(|(_, spare)| taken.saturating_add(*spare) > limit);
        true
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.windows.state).taken -= self.held;
    }
}

/// The smallest power of two that is at least the limit, within the library's bounds.
fn log_of_limit(limit: u64) -> u32 {
    limit.checked_next_power_of_two().map_or(31, u64::ilog2).clamp(10, 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_guard_is_never_stricter_than_the_limit() {
        for (limit, log) in [(8 << 20, 23), ((8 << 20) + 1, 24), (12 << 20, 24), (u64::MAX, 31)] {
            assert_eq!(log_of_limit(limit), log);
        }
    }

    #[test]
    fn a_stream_that_gets_no_larger_window_gives_its_own_back_and_the_others_go_on() {
        const MIB: u64 = 1 << 20;
        let windows = Windows::new(16 * MIB);
        let [mut one, mut other] = [Lease::new(&windows), Lease::new(&windows)];
        assert!(one.grow(4 * MIB).unwrap() && other.grow(4 * MIB).unwrap());
        // Both need more than there is for two.
        assert!(!one.grow(12 * MIB).unwrap());
        assert!(one.decoder().is_none() && !windows.has_room(12 * MIB));
        assert!(other.grow(12 * MIB).unwrap());
        assert!(!one.grow(4 * MIB).unwrap());
        drop(other);
        assert!(one.grow(16 * MIB).unwrap(), "alone, up to the limit");
        assert_eq!(lock(&windows.state).taken, one.held);
        drop(one);
        let state = lock(&windows.state);
        assert_eq!((state.taken, state.spare.is_some()), (0, true));
    }
}
