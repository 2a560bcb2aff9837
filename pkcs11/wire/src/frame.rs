//! Frames: how a byte stream is cut into bodies, and the envelope every body begins with.

use crate::cursor::{Reader, Writer};

/// The version of the protocol this crate speaks; the first octet of every body.
pub const PROTOCOL_VERSION: u8 = 2;

/// Octets of a frame before its body: the big-endian length of the body.
pub const FRAME_HEADER: usize = 4;

/// Longest body of a frame, in octets.
pub const MAX_FRAME: usize = 16 * 1024 * 1024;

/// A body has at least a version, a request id and a tag.
const MIN_FRAME: usize = 1 + 8 + 1;

/// A frame header that promises a body nobody may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {length} octets, where {MIN_FRAME} to {MAX_FRAME} are allowed")]
pub struct FrameFault {
    /// The length the header names.
    pub length: u32,
}

/// Why a body is not a message of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireFault {
    /// The other side speaks another version.
    #[error("protocol version {0}, where {PROTOCOL_VERSION} is spoken")]
    Version(u8),
    /// The body ends inside a field.
    #[error("the message ends inside a field")]
    Truncated,
    /// Octets follow the last field.
    #[error("octets follow the last field of the message")]
    TrailingOctets,
    /// A field is longer than its bound.
    #[error("a field is longer than its bound")]
    TooLong,
    /// No message has this tag.
    #[error("no message has the tag {0}")]
    UnknownTag(u8),
    /// A field holds a value that means nothing.
    #[error("the field {0} holds a value that means nothing")]
    BadValue(&'static str),
}

/// The length of the body that follows a frame header, checked against the bounds of a frame.
pub fn body_length(header: [u8; FRAME_HEADER]) -> Result<usize, FrameFault> {
    let length = u32::from_be_bytes(header);
    match usize::try_from(length) {
        Ok(octets) if (MIN_FRAME..=MAX_FRAME).contains(&octets) => Ok(octets),
        _ => Err(FrameFault { length }),
    }
}

/// Appends one whole frame to `out`; on a field over its bound `out` is left as it was.
pub(crate) fn write_frame(
    out: &mut Vec<u8>,
    id: u64,
    tag: u8,
    fields: impl FnOnce(&mut Writer<'_>),
) -> Result<(), WireFault> {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER]);
    let mut writer = Writer::new(out);
    writer.u8(PROTOCOL_VERSION);
    writer.u64(id);
    writer.u8(tag);
    fields(&mut writer);
    let kept = writer.kept_bounds();
    let length = out.len().saturating_sub(start).saturating_sub(FRAME_HEADER);
    let header = u32::try_from(length).ok().filter(|_| kept && length <= MAX_FRAME);
    if let (Some(header), Some(place)) = (header, out.get_mut(start..start + FRAME_HEADER)) {
        place.copy_from_slice(&header.to_be_bytes());
        Ok(())
    } else {
        out.truncate(start);
        Err(WireFault::TooLong)
    }
}

/// Reads the envelope of a body: request id, tag, and a reader on the fields.
pub(crate) fn read_envelope(body: &[u8]) -> Result<(u64, u8, Reader<'_>), WireFault> {
    let mut reader = Reader::new(body);
    match reader.u8()? {
        PROTOCOL_VERSION => {}
        other => return Err(WireFault::Version(other)),
    }
    let id = reader.u64()?;
    let tag = reader.u8()?;
    Ok((id, tag, reader))
}
