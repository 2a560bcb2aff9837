//! Frames out of a byte stream, without a copy: a body is handed out as a slice of the read buffer.

use std::io::{self, Read};

use signer_wire::{FRAME_HEADER, FrameFault, body_length};
use zeroize::Zeroize;

/// Room for many small requests that arrive together.
const FIRST_ROOM: usize = 64 * 1024;

/// A read buffer, and how far it is filled.
pub(crate) struct FrameReader<R> {
    source: R,
    buffer: Vec<u8>,
    /// Octets that were handed out already.
    start: usize,
    /// Octets that were read.
    end: usize,
}

/// Why there is no next frame.
#[derive(Debug)]
pub(crate) enum NoFrame {
    /// The client closed the connection between two frames.
    Closed,
    /// The connection broke, or ended inside a frame.
    Broken(io::Error),
    /// The header names a length that no frame has.
    Fault(FrameFault),
}

impl<R: Read> FrameReader<R> {
    pub(crate) fn new(source: R) -> Self {
        Self {
            source,
            buffer: vec![0; FIRST_ROOM],
            start: 0,
            end: 0,
        }
    }

    /// The body of the next frame; it is valid until the next call.
    pub(crate) fn next(&mut self) -> Result<&mut [u8], NoFrame> {
        self.fill(FRAME_HEADER)?;
        let header = self
            .ready()
            .first_chunk::<FRAME_HEADER>()
            .copied()
            .unwrap_or_default();
        let length = body_length(header).map_err(NoFrame::Fault)?;
        self.fill(FRAME_HEADER + length)?;
        let body = self.start + FRAME_HEADER;
        self.start = body + length;
        Ok(self.buffer.get_mut(body..body + length).unwrap_or_default())
    }

    fn ready(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads until `wanted` octets are ready.
    fn fill(&mut self, wanted: usize) -> Result<(), NoFrame> {
        if self.end - self.start < wanted && self.start + wanted > self.buffer.len() {
            self.make_room(wanted);
        }
        while self.end - self.start < wanted {
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.source.read(room) {
                Ok(0) if self.start == self.end => return Err(NoFrame::Closed),
                Ok(0) => return Err(NoFrame::Broken(io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(NoFrame::Broken(error)),
            }
        }
        Ok(())
    }

    /// Moves what is ready to the front; a buffer that has to grow is wiped before it is given back, since a key may
    /// have gone through it.
    fn make_room(&mut self, wanted: usize) {
        let ready = self.end - self.start;
        if wanted > self.buffer.len() {
            let mut larger = vec![0; wanted.next_power_of_two()];
            if let (Some(place), Some(octets)) =
                (larger.get_mut(..ready), self.buffer.get(self.start..self.end))
            {
                place.copy_from_slice(octets);
            }
            self.buffer.zeroize();
            self.buffer = larger;
        } else {
            self.buffer.copy_within(self.start..self.end, 0);
        }
        (self.start, self.end) = (0, ready);
    }
}

impl<R> Drop for FrameReader<R> {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use super::*;

    /// Gives a few octets at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(room.len()).min(self.0.len());
            let (head, rest) = self.0.split_at(length);
            room.split_at_mut(length).0.copy_from_slice(head);
            self.0 = rest;
            Ok(length)
        }
    }

    fn frame(length: usize, octet: u8) -> Vec<u8> {
        let mut frame = u32::try_from(length).unwrap().to_be_bytes().to_vec();
        frame.resize(FRAME_HEADER + length, octet);
        frame
    }

    #[test]
    fn frames_come_out_whole_however_they_arrive() {
        let lengths = [10, 11, 70_000, 10, 300_000, 12];
        let stream: Vec<u8> = lengths
            .iter()
            .zip(1..)
            .flat_map(|(length, octet)| frame(*length, octet))
            .collect();
        for step in [1, 3, 1000, usize::MAX] {
            let mut reader = FrameReader::new(Drip(&stream, step));
            for (length, octet) in lengths.iter().zip(1..) {
                let body = reader.next().unwrap();
                assert!(body.len() == *length && body.iter().all(|one| *one == octet));
            }
            assert!(matches!(reader.next(), Err(NoFrame::Closed)));
        }
    }

    #[test]
    fn an_end_inside_a_frame_and_a_wrong_length_are_told_apart() {
        let cut = frame(20, 1);
        let mut reader = FrameReader::new(cut.split_at(15).0);
        assert!(matches!(reader.next(), Err(NoFrame::Broken(_))));
        let mut reader = FrameReader::new(&[0xff; 8][..]);
        assert!(matches!(reader.next(), Err(NoFrame::Fault(_))));
    }
}
