//! Gzip: one or more members, then perhaps zero padding.
//!
//! The decoder for several members of the library underneath stops with an error at padding, and its decoder for one
//! member does not report what follows, so members are stepped through here.

use std::io::{BufRead, Read};

use flate2::bufread::GzDecoder;

use super::compressed::Compressed;
use super::failure::{Decode, NO_BYTES, Progress, TRAILING, damage, decoder_error};
use crate::error::Result;

pub(super) const FORMAT: &str = "gzip";
/// The first byte of every member.
const MAGIC: u8 = 0x1f;

/// The bytes that every member begins with.
pub(super) const MARK: &[u8] = &[MAGIC, 0x8b];

/// A gzip file being decoded. Takes about 50 KiB besides the file's buffer.
pub(in crate::input) struct Gzip {
    /// The current member; it owns the file.
    member: GzDecoder<Compressed>,
    /// The last member has ended, and all bytes after it were checked.
    ended: bool,
}

impl Gzip {
    /// At the start of the first member.
    pub(super) fn open(mut file: Compressed) -> Result<Self> {
        match file.fill_buf().map(<[u8]>::is_empty) {
            Ok(false) => Ok(Gzip { member: GzDecoder::new(file), ended: false }),
            Ok(true) => Err(damage(FORMAT, NO_BYTES, 0)),
            Err(error) => Err(decoder_error(FORMAT, &mut file, &error)),
        }
    }

    /// Steps to the next member, or over the padding to the end.
    fn next_member(&mut self) -> Result<()> {
        let file = self.member.get_mut();
        let next = file.fill_buf().map(|bytes| bytes.first().copied());
        match next.map_err(|error| decoder_error(FORMAT, file, &error))? {
            None => self.ended = true,
            Some(MAGIC) => {
                let file = file.take();
                self.member.reset(file);
            }
            Some(_) => {
                let zero = file.rest_is_zero();
                if !zero.map_err(|error| decoder_error(FORMAT, file, &error))? {
                    return Err(damage(FORMAT, TRAILING, file.position()));
                }
                self.ended = true;
            }
        }
        Ok(())
    }
}

impl Decode for Gzip {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Progress> {
        while !self.ended {
            match self.member.read(buffer) {
                // The member is complete and its checksum and length are right.
                Ok(0) => self.next_member()?,
                Ok(read) => return Ok(Progress::Read(read)),
                Err(error) => return Err(decoder_error(FORMAT, self.member.get_mut(), &error)),
            }
        }
        Ok(Progress::Read(0))
    }

    fn consumed(&self) -> u64 {
        self.member.get_ref().position()
    }
}
