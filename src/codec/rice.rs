//! A column of numbers, Rice-coded, with escapes for outliers.
//!
//! Each value is split at bit `k`. The low `k` bits of all values are packed side by side. The high parts are in a
//! second bit string, in unary (that number of zeros, then a one). So both are decoded in straight loops without a
//! branch for each value. A value whose high part is [`ESCAPE`] or more is escaped: its high part is written as
//! `ESCAPE` zeros and a one, its low bits as zeros, and the rest of the value above `ESCAPE << k` as a [`varint`] in a
//! third string. `k` is chosen to make the column short.
//!
//! For gaps between random sorted numbers (geometric, the songs of a user or a country) this is
//! within 0.1 bit of the best code with a whole `k` and about 0.03 to 0.1 bit above the entropy (Golomb 1966,
//! Rice 1979; the split into two strings is Elias-Fano's, 1974). Counts, nearly all 1, take one bit. Because of the
//! escapes, a few large counts do not widen the rest.
//!
//! Layout: `k: u8`, `high_bytes: u16`, `escape_bytes: u16`, then `ceil(n*k/8)` bytes of low parts,
//! `high_bytes` of unary parts, `escape_bytes` of escapes; little-endian, bits filled from the lowest,
//! unused bits of a last byte zero.

use super::{Corrupt, take, take_array, varint};

/// Maximum number of values in a column. It bounds every length below.
pub const MAX_VALUES: usize = 4096;
/// Values with at least this high part are escaped: one gap in 10^5 at a well-chosen `k`.
pub const ESCAPE: u32 = 12;
/// Maximum `k`. At this width, no value below 2^63 needs an escape.
pub const MAX_LOW_BITS: u32 = 60;
/// Bytes before the three strings.
pub const HEADER_BYTES: usize = 1 + 2 + 2;

// Both lengths in the header fit their 16 bits.
const _: () = assert!(MAX_VALUES * (ESCAPE as usize + 1) / 8 < u16::MAX as usize);
const _: () = assert!(MAX_VALUES * varint::MAX_BYTES <= u16::MAX as usize);

/// Appends `values` (at most [`MAX_VALUES`]) to `out`. The bytes depend on the values alone.
pub fn encode(values: &[u64], out: &mut Vec<u8>) {
    encode_here(values, out);
}

/// As [`encode`], inlined into a function that is compiled for this processor.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the assertions above bound both lengths")]
pub(super) fn encode_here(values: &[u64], out: &mut Vec<u8>) {
    debug_assert!(values.len() <= MAX_VALUES);
    let (low_bits, widest) = choose_low_bits(values);
    let header = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    if low_bits <= BitWriter::MAX_BITS {
        pack_low(values, low_bits, out);
    } else {
        pack_wide_low(values, low_bits, out);
    }
    let high = out.len();
    pack_high(values, low_bits, out);
    let escapes = out.len();
    // The smallest escape is 12 << low_bits, which has four bits more.
    if widest >= low_bits + 4 {
        for value in values.iter().filter(|value| is_escape(**value, low_bits)) {
            varint::encode(value - (u64::from(ESCAPE) << low_bits), out);
        }
    }
    let high_bytes = ((escapes - high) as u16).to_le_bytes();
    let escape_bytes = ((out.len() - escapes) as u16).to_le_bytes();
    let [h0, h1] = high_bytes;
    let [e0, e1] = escape_bytes;
    out[header..header + HEADER_BYTES].copy_from_slice(&[low_bits as u8, h0, h1, e0, e1]);
}

#[inline(always)]
fn is_escape(value: u64, low_bits: u32) -> bool {
    value >> low_bits >= u64::from(ESCAPE)
}

/// The `k` with the shortest column, and the bits of the largest value.
///
/// The length is estimated from the number of values of each width, as if all values of a width were equally likely.
/// That is exact enough, and takes a pass over 65 numbers instead of the column.
#[inline(always)]
fn choose_low_bits(values: &[u64]) -> (u32, u32) {
    // Neighbours often have the same number of bits. They are counted in different places, because adding to a number
    // that was just written waits for that write.
    let mut counted = [[0u32; 65]; 4];
    for group in values.chunks(counted.len()) {
        for (value, by_bits) in group.iter().zip(&mut counted) {
            // A `u64` has at most 64 leading zeros.
            by_bits[(64 - value.leading_zeros()) as usize] += 1;
        }
    }
    let [one, two, three, four] = counted;
    let values = one.iter().zip(two).zip(three).zip(four);
    let values = values.map(|(((one, two), three), four)| u64::from(one + two + three + four));
    let bins: Vec<(u32, u64)> = (0u32..).zip(values).filter(|(_, values)| *values > 0).collect();
    let widest = bins.last().map_or(0, |(bits, _)| *bits);
    let cost_in_quarter_bits = |low_bits: u32| -> u64 {
        bins.iter().map(|(bits, values)| values * cost_of_one(*bits, low_bits)).sum::<u64>()
    };
    // The range has at least 0, so there is a minimum.
    let all = 0..=widest.min(MAX_LOW_BITS);
    (all.min_by_key(|low_bits| cost_in_quarter_bits(*low_bits)).unwrap_or(0), widest)
}

/// Estimated size of a value of `bits` bits, in quarters of a bit.
fn cost_of_one(bits: u32, low_bits: u32) -> u64 {
    let fixed = 4 * u64::from(low_bits + 1);
    if bits <= low_bits {
        return fixed;
    }
    let above = bits - low_bits;
    // High parts from 2^(above-1) to 2^above - 1, equally likely: 0.75 * 2^above - 0.5 on average.
    if above < 5 {
        fixed + (3 << above) - 2
    } else {
        fixed + u64::from(4 * ESCAPE + 32 * varint::encoded_bytes(bits))
    }
}

/// Appends bits to reserved bytes, which are eight more than the bits need. Each call writes a whole word and continues
/// after its last full byte, so no branch depends on the number of bits.
struct BitWriter<'a> {
    bytes: &'a mut [u8],
    /// Full bytes.
    at: usize,
    /// The bits after them, fewer than eight.
    word: u64,
    filled: u32,
}

impl<'a> BitWriter<'a> {
    /// Maximum number of bits in one call of [`BitWriter::put`].
    const MAX_BITS: u32 = 56;

    /// Grows `out` by enough bytes for `max_bits`, and eight more. The caller cuts `out` to what [`BitWriter::finish`]
    /// returns.
    fn new(out: &'a mut Vec<u8>, max_bits: usize) -> Self {
        let start = out.len();
        out.resize(start + max_bits.div_ceil(8) + size_of::<u64>(), 0);
        let bytes = &mut out[start..];
        BitWriter { bytes, at: 0, word: 0, filled: 0 }
    }

    /// Appends the lowest `count` bits, at most [`BitWriter::MAX_BITS`]. All other bits must be 0.
    #[inline(always)]
    fn put(&mut self, bits: u64, count: u32) {
        self.word |= bits << self.filled;
        // `new` has reserved eight bytes more than all bits need.
        self.bytes[self.at..self.at + size_of::<u64>()].copy_from_slice(&self.word.to_le_bytes());
        self.filled += count;
        self.at += (self.filled >> 3) as usize;
        self.word >>= self.filled & !7;
        self.filled &= 7;
    }

    /// Number of bytes written.
    fn finish(self) -> usize {
        self.at + usize::from(self.filled > 0)
    }
}

#[inline(always)]
fn low_part(value: u64, low_bits: u32) -> u64 {
    if is_escape(value, low_bits) { 0 } else { value & !(u64::MAX << low_bits) }
}

#[inline(always)]
fn pack_low(values: &[u64], low_bits: u32, out: &mut Vec<u8>) {
    if low_bits == 0 {
        return;
    }
    let start = out.len();
    let mut writer = BitWriter::new(out, values.len() * low_bits as usize);
    for value in values {
        writer.put(low_part(*value, low_bits), low_bits);
    }
    let bytes = writer.finish();
    out.truncate(start + bytes);
}

/// As [`pack_low`], for low parts that do not fit a word together with the bits of the byte before: ids beyond 2^56.
fn pack_wide_low(values: &[u64], low_bits: u32, out: &mut Vec<u8>) {
    let start = out.len();
    let mut writer = BitWriter::new(out, values.len() * low_bits as usize);
    for value in values {
        let low = low_part(*value, low_bits);
        writer.put(low & u64::from(u32::MAX), 32);
        writer.put(low >> 32, low_bits - 32);
    }
    let bytes = writer.finish();
    out.truncate(start + bytes);
}

#[inline(always)]
fn pack_high(values: &[u64], low_bits: u32, out: &mut Vec<u8>) {
    let start = out.len();
    let mut writer = BitWriter::new(out, values.len() * (ESCAPE as usize + 1));
    for value in values {
        let zeros = u32::from((value >> low_bits).min(u64::from(ESCAPE)).to_le_bytes()[0]);
        writer.put(1 << zeros, zeros + 1);
    }
    let bytes = writer.finish();
    out.truncate(start + bytes);
}

/// Takes a column of `count` values off the front of `bytes` and puts it into `values`.
///
/// # Errors
/// [`Corrupt`] for any bytes that [`encode`] does not make.
#[inline]
pub fn decode(bytes: &mut &[u8], count: usize, values: &mut Vec<u64>) -> Result<(), Corrupt> {
    if count > MAX_VALUES {
        return Err(Corrupt("a column has too many values"));
    }
    let [low_bits, h0, h1, e0, e1] = take_array::<HEADER_BYTES>(bytes)?;
    let low_bits = u32::from(low_bits);
    if low_bits > MAX_LOW_BITS {
        return Err(Corrupt("a column's low parts are too wide"));
    }
    let low = take(bytes, (count * low_bits as usize).div_ceil(8))?;
    let high = take(bytes, usize::from(u16::from_le_bytes([h0, h1])))?;
    let mut escapes = take(bytes, usize::from(u16::from_le_bytes([e0, e1])))?;
    let mut room = [0; MAX_VALUES + SPARE];
    let highs = unpack_high(high, count, &mut room)?;
    let largest = highs.iter().fold(0, |largest, zeros| largest.max(*zeros));
    if u32::from(largest) > ESCAPE {
        return Err(Corrupt("a column's high part is too long"));
    }
    // Old values need not be cleared, since all are overwritten.
    values.resize(count, 0);
    if low_bits == 0 {
        values.iter_mut().zip(highs).for_each(|(value, zeros)| *value = u64::from(*zeros));
    } else if low_bits <= 56 {
        join_low(low, low_bits, highs, values);
    } else {
        join_wide_low(low, low_bits, highs, values);
    }
    if u32::from(largest) == ESCAPE {
        add_escapes(&mut escapes, highs, low_bits, values)?;
    }
    if escapes.is_empty() { Ok(()) } else { Err(Corrupt("a column has unused escapes")) }
}

/// Places after the last high part that a step may write to. It writes eight bytes, some of which are not parts.
const SPARE: usize = 16;

/// What one byte of a string of unary parts means.
#[derive(Clone, Copy)]
struct ByteStep {
    /// The zeros before each of its ones, a byte each, from the lowest.
    parts: u64,
    /// Number of ones.
    ones: u8,
    /// Zeros after its last one: they belong to the next part.
    rest: u8,
    /// All ones if the byte is zero, so that its zeros are added to those before it; else 0.
    keep: u8,
}

/// [`ByteStep`]s of all bytes: 4 KB that stay in the first-level cache.
static STEPS: [ByteStep; 256] = steps();

const fn steps() -> [ByteStep; 256] {
    let mut steps = [ByteStep { parts: 0, ones: 0, rest: 8, keep: u8::MAX }; 256];
    let mut byte = 1;
    while byte < 256 {
        let mut step = ByteStep { parts: 0, ones: 0, rest: 0, keep: 0 };
        let mut bit = 0;
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                step.parts |= (step.rest as u64) << (8 * step.ones);
                step.ones += 1;
                step.rest = 0;
            } else {
                step.rest += 1;
            }
            bit += 1;
        }
        steps[byte] = step;
        byte += 1;
    }
    steps
}

/// Puts the lengths of `count` unary parts into `room` and returns them. It takes a byte of the string at a time, and
/// no branch depends on the byte.
#[inline(always)]
fn unpack_high<'r>(
    high: &[u8],
    count: usize,
    room: &'r mut [u8; MAX_VALUES + SPARE],
) -> Result<&'r [u8], Corrupt> {
    let mut found = 0;
    let mut before = 0u8;
    for byte in high {
        let step = &STEPS[usize::from(*byte)];
        let Some(place) = room.get_mut(found..).and_then(|rest| rest.first_chunk_mut::<8>()) else {
            return Err(Corrupt("a column has more high parts than values"));
        };
        // The first part also has the zeros of the bytes before, in all less than 255.
        *place = (step.parts + u64::from(before)).to_le_bytes();
        found += usize::from(step.ones);
        before = (before & step.keep).saturating_add(step.rest).min(MAX_ZEROS);
    }
    match room.get(..count).filter(|_| found == count) {
        Some(parts) => Ok(parts),
        None if found > count => Err(Corrupt("a column has more high parts than values")),
        None => Err(Corrupt("a column has fewer high parts than values")),
    }
}

/// More zeros than any valid part has, and few enough that those of another byte do not exceed 255.
const MAX_ZEROS: u8 = 64;

/// Joins high parts and low parts of 1 to 56 bits to values. With up to 7 bits before it, such a low part fits one
/// word.
#[inline(always)]
fn join_low(low: &[u8], low_bits: u32, highs: &[u8], values: &mut [u64]) {
    let width = low_bits as usize;
    let (eights, last) = values.as_chunks_mut::<8>();
    let (eight_highs, last_highs) = highs.as_chunks::<8>();
    // Eight values take exactly `width` bytes, so each group starts at a whole byte.
    let mut rest = low;
    for (values, highs) in eights.iter_mut().zip(eight_highs) {
        match rest.get(..width + 8) {
            Some(window) => join_group(window, low_bits, highs, values),
            None => join_group(&padded(rest), low_bits, highs, values),
        }
        // `decode` has taken as many bytes as the values' low parts have.
        rest = &rest[width..];
    }
    join_group(&padded(rest), low_bits, last_highs, last);
}

/// The low parts of a last group, with zeros after them: its words would reach beyond the string's end.
fn padded(low: &[u8]) -> [u8; 8 * 8] {
    let mut padded = [0; 8 * 8];
    padded.iter_mut().zip(low).for_each(|(to, from)| *to = *from);
    padded
}

/// As [`join_low`], for up to eight values whose low parts start at the first bit of `window`.
#[inline(always)]
fn join_group(window: &[u8], low_bits: u32, highs: &[u8], values: &mut [u64]) {
    let mask = u64::MAX >> (64 - low_bits);
    let bits = (0usize..).step_by(low_bits as usize);
    for ((value, zeros), at) in values.iter_mut().zip(highs).zip(bits) {
        // The low parts of eight values take at most 56 bytes, and the window has eight more.
        let mut word = [0; 8];
        word.copy_from_slice(&window[at >> 3..][..8]);
        let low = u64::from_le_bytes(word) >> (at & 7) & mask;
        *value = u64::from(*zeros) << low_bits | low;
    }
}

/// As [`join_low`], for low parts of more than 56 bits, which take two words each. Only ids beyond 2^56 need it.
#[expect(clippy::cast_possible_truncation, reason = "masked to at most 60 bits")]
fn join_wide_low(low: &[u8], low_bits: u32, highs: &[u8], values: &mut [u64]) {
    let mask = u64::MAX >> (64 - low_bits);
    let bits = (0usize..).step_by(low_bits as usize);
    for ((value, zeros), at) in values.iter_mut().zip(highs).zip(bits) {
        let mut padded = [0u8; 16];
        // As in `join_low`: each value begins within the string.
        padded.iter_mut().zip(&low[at >> 3..]).for_each(|(to, from)| *to = *from);
        let word = u128::from_le_bytes(padded) >> (at & 7) & u128::from(mask);
        *value = u64::from(*zeros) << low_bits | word as u64;
    }
}

/// Adds its excess to each value whose high part is an escape.
#[inline(always)]
fn add_escapes(
    escapes: &mut &[u8],
    highs: &[u8],
    low_bits: u32,
    values: &mut [u64],
) -> Result<(), Corrupt> {
    for (group, at) in highs.chunks(8).zip((0..).step_by(8)) {
        let mut left = escapes_of(group);
        while left != 0 {
            // `escapes_of` sets bits of high parts only, and each value has one.
            let value = &mut values[at + left.trailing_zeros() as usize];
            if *value != u64::from(ESCAPE) << low_bits {
                return Err(Corrupt("an escaped value has low bits"));
            }
            let excess = varint::decode(escapes)?;
            *value = value.checked_add(excess).ok_or(Corrupt("a value exceeds 64 bits"))?;
            left &= left - 1;
        }
    }
    Ok(())
}

const _: () =
    assert!(ESCAPE > 0 && ESCAPE <= 0x80, "`escapes_of` adds up to the top bit of a byte");

/// A bit for each of up to eight high parts, set if it is an escape.
///
/// One in eleven songs of a user is the user's first, which mostly is an escape, at irregular distances. So eight parts
/// are tested without a branch.
#[inline(always)]
fn escapes_of(highs: &[u8]) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut bytes = [0; 8];
    match highs.first_chunk::<8>() {
        Some(eight) => bytes = *eight,
        None => bytes.iter_mut().zip(highs).for_each(|(to, from)| *to = *from),
    }
    // No part exceeds an escape, so a byte is an escape exactly when the sum reaches the top bit.
    let tops = u64::from_le_bytes(bytes) + ONES * (0x80 - ESCAPE as u64);
    // Gathers the top bits in the highest byte.
    (tops >> 7 & ONES).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(values: &[u64]) -> usize {
        let mut bytes = vec![7; 3];
        encode(values, &mut bytes);
        bytes.push(99);
        let mut rest = bytes.get(3..).unwrap();
        let mut back = vec![1; 5];
        decode(&mut rest, values.len(), &mut back).unwrap();
        assert_eq!(back, values);
        assert_eq!(rest, [99], "exactly its own bytes are taken");
        bytes.len() - 4
    }

    #[test]
    fn a_column_without_values_takes_the_header_alone() {
        assert_eq!(round_trip(&[]), HEADER_BYTES);
    }

    #[test]
    fn ones_take_a_bit_each() {
        assert_eq!(round_trip(&[0; 4096]), HEADER_BYTES + 512);
    }

    #[test]
    fn an_outlier_does_not_widen_the_rest() {
        let mut values = vec![0; 4096];
        values[1000] = u64::MAX >> 1;
        assert!(round_trip(&values) < HEADER_BYTES + 512 + 16);
    }

    /// Bytes of a column whose low parts have this many bits.
    fn bytes_at(values: &[u64], low_bits: u32) -> usize {
        let escape = u64::from(ESCAPE);
        let high: u64 = values.iter().map(|value| (value >> low_bits).min(escape) + 1).sum();
        let escaped = values.iter().filter(|value| **value >> low_bits >= escape);
        let excess = escaped.map(|value| value - (escape << low_bits));
        let escapes: u32 =
            excess.map(|excess| varint::encoded_bytes(64 - excess.leading_zeros())).sum();
        let low = (values.len() * low_bits as usize).div_ceil(8);
        HEADER_BYTES + low + usize::try_from(high.div_ceil(8)).unwrap() + escapes as usize
    }

    /// A pseudo-random number of at most this many bits.
    fn scattered(at: u64, bits: u32) -> u64 {
        let mixed = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ mixed >> 29)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9)
            .checked_shr(64 - bits)
            .unwrap_or(0)
    }

    #[test]
    fn low_parts_are_as_wide_as_makes_a_column_short() {
        for bits in 0..=50 {
            let even = (0..2000).map(|at| scattered(at, bits)).collect();
            // Half of all have a bit less, a quarter two, and so on, as gaps have.
            let gaps =
                (0..2000u64).map(|at| scattered(at, bits) >> (at + 1).trailing_zeros()).collect();
            let rare: Vec<u64> =
                (0..2000).map(|at| scattered(at, if at % 50 == 0 { bits } else { 2 })).collect();
            let many: Vec<u64> =
                (0..2000).map(|at| scattered(at, if at % 4 == 0 { bits } else { 2 })).collect();
            for (name, values) in [("even", even), ("gaps", gaps), ("rare", rare), ("many", many)] {
                let bytes = round_trip(&values);
                let widths = 0..=MAX_LOW_BITS;
                let best = widths.map(|low_bits| bytes_at(&values, low_bits)).min().unwrap();
                assert!(
                    bytes >= best && bytes * 100 <= best * 103,
                    "{name} {bits}: {bytes}, {best}"
                );
            }
        }
    }

    #[test]
    fn too_many_and_too_few_parts_have_different_errors() {
        let outcome = |count| {
            let mut bytes = Vec::new();
            encode(&[0; 4], &mut bytes);
            decode(&mut bytes.as_slice(), count, &mut Vec::new())
        };
        assert_eq!(outcome(4), Ok(()));
        for (count, text) in [
            (3, "a column has more high parts than values"),
            (5, "a column has fewer high parts than values"),
        ] {
            assert_eq!(outcome(count), Err(Corrupt(text)));
        }
    }

    #[test]
    fn escapes_are_found_wherever_they_are() {
        let others = [0, 1, 11, 5, 0, 11, 3, 10];
        let escape = u8::try_from(ESCAPE).unwrap();
        for length in 0..=others.len() {
            for set in 0u64..1 << length {
                let marked = others.iter().take(length).enumerate();
                let highs: Vec<u8> = marked
                    .map(|(at, other)| if set >> at & 1 == 1 { escape } else { *other })
                    .collect();
                assert_eq!(escapes_of(&highs), set, "{highs:?}");
            }
        }
    }

    #[test]
    fn a_small_column_is_these_bytes() {
        let mut bytes = Vec::new();
        encode(&[0, 1, 2, 3, 70_000], &mut bytes);
        // k = 0; unary 1 01 001 0001 then 12 zeros and a one; 69,988 as a varint.
        let unary: u32 = 1 | 1 << 2 | 1 << 5 | 1 << 9 | 1 << 22;
        let [u0, u1, u2, _] = unary.to_le_bytes();
        assert_eq!(bytes, [0, 3, 0, 3, 0, u0, u1, u2, 0xe4, 0xa2, 0x04]);
    }

    proptest! {
        #[test]
        fn any_column_comes_back(
            values in prop::collection::vec((any::<u64>(), 0u32..=64), 0..300),
        ) {
            let values: Vec<u64> = values.iter().map(|(value, shift)| value.checked_shr(*shift).unwrap_or(0)).collect();
            round_trip(&values);
        }

        #[test]
        fn every_width_comes_back(bits in 0u32..=63, count in 0usize..70, seed in any::<u64>()) {
            let mut state = seed;
            let values: Vec<u64> = (0..count).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                if bits == 0 { 0 } else { state >> (64 - bits) }
            }).collect();
            round_trip(&values);
        }

        #[test]
        fn hostile_bytes_are_an_error_or_a_column_never_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            low_bits in 0u8..64, high in 0u8..60, count in 0usize..40,
        ) {
            let mut bytes = bytes;
            if let [k, h, h1, e, e1, ..] = bytes.as_mut_slice() {
                (*k, *h, *h1, *e, *e1) = (low_bits, high, 0, *e & 7, 0);
            }
            let mut values = Vec::new();
            if decode(&mut bytes.as_slice(), count, &mut values).is_ok() {
                prop_assert_eq!(values.len(), count);
            }
        }
    }
}
