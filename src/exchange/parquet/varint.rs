//! Numbers of seven bits a byte, as Thrift's footers and Parquet's encodings have them. Unlike in agg's own files
//! (`codec::varint`), a writer may use more bytes than it needs.

/// Takes a number off the front; `None` if it does not end within ten bytes.
pub(super) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Takes a signed number off the front: its sign is the lowest bit.
pub(super) fn zigzag(bytes: &mut &[u8]) -> Option<i64> {
    let value = varint(bytes)?;
    Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}
