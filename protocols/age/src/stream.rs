//! The contents: STREAM over chunks of 64 KiB with ChaCha20-Poly1305. The nonce counts the chunks and marks the last.

use std::io::{self, BufRead, Read, Write};

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};

use crate::error::Error;
use crate::stanza::chacha;

const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;

/// The place of a chunk.
#[derive(Debug, Default)]
struct Place(u64);

impl Place {
    /// The nonce of this chunk; the next place is another one. A file that long is never written.
    fn nonce(&self, is_last: bool) -> Nonce {
        let mut nonce = [0; 12];
        for (octet, of) in nonce.iter_mut().skip(3).zip(self.0.to_be_bytes()) {
            *octet = of;
        }
        if let Some(last) = nonce.last_mut() {
            *last = u8::from(is_last);
        }
        Nonce::assume_unique_for_key(nonce)
    }

    fn next(&mut self) {
        self.0 += 1;
    }

    /// Where the chunk begins in the contents.
    fn offset(&self) -> u64 {
        self.0.saturating_mul(CHUNK as u64)
    }
}

/// A file that is being made. Without [`Sealed::finish`] it counts as cut off.
#[derive(Debug)]
pub struct Sealed<W> {
    out: W,
    key: LessSafeKey,
    place: Place,
    chunk: Vec<u8>,
}

impl<W: Write> Sealed<W> {
    pub(crate) fn new(out: W, key: &[u8; 32]) -> Result<Self, Error> {
        Ok(Self {
            out,
            key: chacha(key)?,
            place: Place::default(),
            chunk: Vec::with_capacity(CHUNK + TAG),
        })
    }

    /// Writes the end; gives what it was written into.
    pub fn finish(mut self) -> io::Result<W> {
        self.put(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn put(&mut self, is_last: bool) -> io::Result<()> {
        let nonce = self.place.nonce(is_last);
        self.key
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut self.chunk)
            .map_err(|_| io::Error::other("a chunk could not be encrypted"))?;
        self.out.write_all(&self.chunk)?;
        self.chunk.clear();
        self.place.next();
        Ok(())
    }
}

impl<W: Write> Write for Sealed<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        // A full chunk waits for what comes after: it may be the last.
        if self.chunk.len() == CHUNK && !octets.is_empty() {
            self.put(false)?;
        }
        let taken = octets.len().min(CHUNK - self.chunk.len());
        let (taken_octets, _) = octets.split_at(taken);
        self.chunk.extend_from_slice(taken_octets);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A file that is being read. Its errors are [`Error`]s; see [`Error::of`].
#[derive(Debug)]
pub struct Opened<R> {
    input: R,
    key: LessSafeKey,
    place: Place,
    chunk: Vec<u8>,
    /// How much of the chunk was handed out, and how much there is.
    taken: usize,
    length: usize,
    is_at_end: bool,
}

impl<R: BufRead> Opened<R> {
    pub(crate) fn new(input: R, key: &[u8; 32]) -> Result<Self, Error> {
        Ok(Self {
            input,
            key: chacha(key)?,
            place: Place::default(),
            chunk: vec![0; CHUNK + TAG],
            taken: 0,
            length: 0,
            is_at_end: false,
        })
    }

    /// Reads the next chunk.
    fn fetch(&mut self) -> Result<(), Error> {
        self.chunk.resize(CHUNK + TAG, 0);
        let mut read = 0;
        while let Some(rest) = self.chunk.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.input.read(rest) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        let at = self.place.offset();
        let is_last = read < CHUNK + TAG || self.input.fill_buf()?.is_empty();
        self.chunk.truncate(read);
        // Only a file without contents ends with an empty chunk.
        if read == 0 || (read == TAG && at > 0) {
            return Err(Error::CutOff { at });
        }
        let kept = is_last.then(|| self.chunk.clone());
        let opened = self
            .key
            .open_in_place(self.place.nonce(is_last), Aad::empty(), &mut self.chunk);
        let length = match (opened, kept) {
            (Ok(plain), _) => plain.len(),
            (Err(_), Some(mut chunk)) => return Err(self.what_is_wrong_at_the_end(at, &mut chunk)),
            (Err(_), None) => return Err(Error::Damaged { at }),
        };
        self.length = length;
        self.taken = 0;
        self.is_at_end = is_last;
        self.place.next();
        Ok(())
    }

    /// A chunk that is whole, but not the last one that was written: the rest is missing.
    fn what_is_wrong_at_the_end(&self, at: u64, chunk: &mut [u8]) -> Error {
        let nonce = self.place.nonce(false);
        match self.key.open_in_place(nonce, Aad::empty(), chunk) {
            Ok(plain) => Error::CutOff {
                at: at + plain.len() as u64,
            },
            Err(_) => Error::Damaged { at },
        }
    }
}

impl<R: BufRead> Read for Opened<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.length {
            if self.is_at_end {
                return Ok(0);
            }
            self.fetch()?;
        }
        let mut ready = self.chunk.get(self.taken..self.length).unwrap_or_default();
        let count = ready.read(buffer)?;
        self.taken += count;
        Ok(count)
    }
}
