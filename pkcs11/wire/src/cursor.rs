//! Reading and writing of the primitive fields: big-endian integers, and byte strings with a `u32` length.

use crate::frame::WireFault;

/// A position in a body that is being decoded.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireFault> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(WireFault::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, WireFault> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, WireFault> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, WireFault> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, WireFault> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, WireFault> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireFault::BadValue("flag")),
        }
    }

    /// A count of at most `most` items.
    pub(crate) fn count(&mut self, most: usize) -> Result<usize, WireFault> {
        let count = usize::try_from(self.u32()?).map_err(|_| WireFault::TooLong)?;
        if count > most {
            Err(WireFault::TooLong)
        } else {
            Ok(count)
        }
    }

    /// A byte string of at most `most` octets, borrowed from the body.
    pub(crate) fn bytes(&mut self, most: usize) -> Result<&'a [u8], WireFault> {
        let length = self.count(most)?;
        let (head, rest) = self.rest.split_at_checked(length).ok_or(WireFault::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn text(&mut self, most: usize) -> Result<String, WireFault> {
        let bytes = self.bytes(most)?;
        core::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| WireFault::BadValue("text"))
    }

    /// `count` items, each read by `item`. Nothing is allocated for items that are not there: an item has at least
    /// `least` octets, and the count is held against what is left of the body.
    pub(crate) fn list<T>(
        &mut self,
        most: usize,
        least: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, WireFault>,
    ) -> Result<Vec<T>, WireFault> {
        let count = self.count(most)?;
        if count.saturating_mul(least) > self.rest.len() {
            return Err(WireFault::Truncated);
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// The end of the body: octets left over are a fault, so one value has one encoding.
    pub(crate) fn finish(self) -> Result<(), WireFault> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(WireFault::TrailingOctets)
        }
    }
}

/// A body that is being encoded at the end of a buffer.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    too_long: bool,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, too_long: false }
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.raw(&value.to_be_bytes());
    }

    pub(crate) fn flag(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    pub(crate) fn count(&mut self, count: usize, most: usize) {
        match u32::try_from(count) {
            Ok(value) if count <= most => self.u32(value),
            _ => {
                self.too_long = true;
                self.u32(0);
            }
        }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8], most: usize) {
        self.count(bytes.len(), most);
        if !self.too_long {
            self.raw(bytes);
        }
    }

    pub(crate) fn text(&mut self, text: &str, most: usize) {
        self.bytes(text.as_bytes(), most);
    }

    /// Whether every field kept its bound.
    pub(crate) fn kept_bounds(&self) -> bool {
        !self.too_long
    }
}
