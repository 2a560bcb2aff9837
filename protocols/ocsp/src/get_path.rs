//! The GET form of a request: base64 of the DER as the last part of a URL path (RFC 6960 appendix A.1).
//!
//! RFC 6960 wants the base64 percent-encoded once. Clients and the proxies before them send it raw, encoded twice,
//! with the url-safe alphabet, without padding, with `+` turned into a space, or behind one slash too many. None of
//! this is ambiguous: `%`, space and line ends are no base64, and a request begins with `M`, so a leading `/` is not
//! its own. All of it is decoded in one pass; `/` inside and `//` inside are kept, since they are data.

/// Longest path part read, in octets; longer requests are sent by POST.
pub const MAX_GET_PATH_LEN: usize = 16 * 1024;

/// Why a path is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GetPathFault {
    /// Longer than [`MAX_GET_PATH_LEN`].
    #[error("path is longer than {MAX_GET_PATH_LEN} octets")]
    TooLong,
    /// Something that is neither base64 nor a percent escape of it.
    #[error("path is not base64")]
    NotBase64,
}

/// Decodes what follows the responder's own path to the DER of a request, which [`crate::Request::parse`] judges.
pub fn get_path_to_der(path: &str) -> Result<Vec<u8>, GetPathFault> {
    if path.len() > MAX_GET_PATH_LEN {
        return Err(GetPathFault::TooLong);
    }
    let mut der = vec![0; path.len() / 4 * 3 + 3];
    let length = decode(path, &mut der)?;
    der.truncate(length);
    Ok(der)
}

/// The same into a given room, for requests of the usual size: nothing is allocated. What does not fit is too long.
pub fn get_path_into<'a>(path: &str, room: &'a mut [u8]) -> Result<&'a [u8], GetPathFault> {
    let length = decode(path, room)?;
    room.get(..length).ok_or(GetPathFault::TooLong)
}

/// Fills the room from its beginning; gives how many octets it wrote.
fn decode(path: &str, room: &mut [u8]) -> Result<usize, GetPathFault> {
    let mut octets = Unescaped {
        rest: path.as_bytes(),
    };
    let mut room = Room { room, length: 0 };
    let (mut bits, mut held, mut symbols, mut padding) = (0_u32, 0_u32, 0_usize, 0_usize);
    loop {
        // Four symbols are three octets; nearly every request is read here to its padding. Not before its first symbol:
        // a slash too many may stand there.
        let is_inside = symbols > 0 || octets.rest.first() == Some(&FIRST);
        while is_inside
            && held == 0
            && padding == 0
            && let Some((three, rest)) = plain_quad(octets.rest).or_else(|| escaped_quad(octets.rest))
        {
            room.put(three)?;
            octets.rest = rest;
            symbols += 4;
        }
        let Some(octet) = octets.next_octet()? else { break };
        let value = match octet {
            b'\r' | b'\n' => continue,
            b'=' if padding < 2 => {
                padding += 1;
                continue;
            }
            b'/' if symbols == 0 => continue,
            _ => base64_value(octet)
                .filter(|_| padding == 0)
                .ok_or(GetPathFault::NotBase64)?,
        };
        symbols += 1;
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            let [.., low] = (bits >> held).to_be_bytes();
            room.put([low])?;
            bits &= (1 << held) - 1;
        }
    }
    // One symbol left over holds no octet, and bits left over must be zero: one request has one spelling.
    if symbols == 0 || symbols % 4 == 1 || bits != 0 {
        return Err(GetPathFault::NotBase64);
    }
    Ok(room.length)
}

/// Where decoded octets go.
struct Room<'a> {
    room: &'a mut [u8],
    length: usize,
}

impl Room<'_> {
    fn put<const N: usize>(&mut self, octets: [u8; N]) -> Result<(), GetPathFault> {
        let free = self.room.get_mut(self.length..).unwrap_or_default();
        *free.first_chunk_mut().ok_or(GetPathFault::TooLong)? = octets;
        self.length += N;
        Ok(())
    }
}

/// Four symbols that are all plain base64, and what is behind them.
#[inline]
fn plain_quad(path: &[u8]) -> Option<([u8; 3], &[u8])> {
    let (&[a, b, c, d], rest) = path.split_first_chunk()?;
    let values @ [a, b, c, d] = [plain_value(a), plain_value(b), plain_value(c), plain_value(d)];
    let is_plain = (a | b | c | d) & NOT_PLAIN == 0;
    is_plain.then(|| (three_octets(values), rest))
}

/// Four symbols of which some are escaped once, as a request's own `+` and `/` mostly are.
fn escaped_quad(path: &[u8]) -> Option<([u8; 3], &[u8])> {
    let (mut values, mut rest) = ([0; 4], path);
    for value in &mut values {
        (*value, rest) = match rest {
            [b'%', b'2', b'B' | b'b', rest @ ..] => (62, rest),
            [b'%', b'2', b'F' | b'f', rest @ ..] => (63, rest),
            [symbol, rest @ ..] if plain_value(*symbol) != NOT_PLAIN => (plain_value(*symbol), rest),
            _ => return None,
        };
    }
    Some((three_octets(values), rest))
}

#[inline]
fn plain_value(symbol: u8) -> u8 {
    VALUES.get(usize::from(symbol)).copied().unwrap_or(NOT_PLAIN)
}

#[inline]
fn three_octets([a, b, c, d]: [u8; 4]) -> [u8; 3] {
    let bits = (u32::from(a) << 18) | (u32::from(b) << 12) | (u32::from(c) << 6) | u32::from(d);
    let [_, one, two, three] = bits.to_be_bytes();
    [one, two, three]
}

/// What every request begins with: the first six bits of a SEQUENCE.
const FIRST: u8 = b'M';

/// What is no symbol has a bit that no value has.
const NOT_PLAIN: u8 = 0x80;
/// The values of all octets.
static VALUES: [u8; 256] = values();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "worked out when it is compiled, for every octet"
)]
const fn values() -> [u8; 256] {
    let mut values = [NOT_PLAIN; 256];
    let mut octet = 0;
    while octet < 256 {
        if let Some(value) = base64_value(octet as u8) {
            values[octet] = value;
        }
        octet += 1;
    }
    values
}

/// The path part for a request: base64, percent-encoded once.
pub fn der_to_get_path(der: &[u8]) -> String {
    use base64::Engine;
    let mut path = String::with_capacity(der.len().div_ceil(3) * 4);
    for symbol in base64::engine::general_purpose::STANDARD.encode(der).chars() {
        match symbol {
            '+' => path.push_str("%2B"),
            '/' => path.push_str("%2F"),
            '=' => path.push_str("%3D"),
            plain => path.push(plain),
        }
    }
    path
}

/// Undoes percent escapes of any depth: `%252B` is `%2B` is `+`.
struct Unescaped<'a> {
    rest: &'a [u8],
}

impl Unescaped<'_> {
    fn next_octet(&mut self) -> Result<Option<u8>, GetPathFault> {
        let Some((&first, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        if first != b'%' {
            return Ok(Some(first));
        }
        // `%25` is an escaped `%`: another layer of escaping.
        while let Some(rest) = self.rest.strip_prefix(b"25") {
            self.rest = rest;
        }
        let Some((&[high, low], rest)) = self.rest.split_first_chunk() else {
            return Err(GetPathFault::NotBase64);
        };
        self.rest = rest;
        Ok(Some(hex_value(high)? << 4 | hex_value(low)?))
    }
}

const fn hex_value(digit: u8) -> Result<u8, GetPathFault> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(GetPathFault::NotBase64),
    }
}

/// Both alphabets of RFC 4648; a space is a `+` that met a form decoder.
const fn base64_value(symbol: u8) -> Option<u8> {
    match symbol {
        b'A'..=b'Z' => Some(symbol - b'A'),
        b'a'..=b'z' => Some(symbol - b'a' + 26),
        b'0'..=b'9' => Some(symbol - b'0' + 52),
        b'+' | b'-' | b' ' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
