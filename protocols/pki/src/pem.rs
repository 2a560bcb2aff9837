//! PEM (RFC 7468), bounded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Longest PEM text read, in octets.
pub const MAX_PEM_LEN: usize = 4 * 1024 * 1024;
/// Most blocks read from one text.
pub const MAX_BLOCKS: usize = 256;

/// Why a text is not PEM.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemFault {
    /// Over [`MAX_PEM_LEN`] or [`MAX_BLOCKS`].
    #[error("the PEM text is too long")]
    TooLong,
    /// No `-----BEGIN …-----` at all.
    #[error("there is no PEM block")]
    Absent,
    /// A block without its end, or with another end.
    #[error("a PEM block has no end")]
    Unfinished,
    /// The body is not base64.
    #[error("a PEM block holds something that is not base64")]
    NotBase64,
}

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What stands after `BEGIN`.
    pub label: String,
    /// The octets.
    pub der: Vec<u8>,
}

/// Whether the input looks like PEM rather than DER.
pub fn is_pem(input: &[u8]) -> bool {
    // A SEQUENCE of more than 127 octets is DER without looking further: no text goes on so.
    let is_der = matches!(input, [0x30, 0x80..=0xff, ..]);
    !is_der && input.len() <= MAX_PEM_LEN && input.windows(11).any(|window| window == b"-----BEGIN ")
}

/// All blocks of a text; text around them is ignored, as RFC 7468 §2 tells.
pub fn decode(text: &[u8]) -> Result<Vec<Block>, PemFault> {
    if text.len() > MAX_PEM_LEN {
        return Err(PemFault::TooLong);
    }
    let text = String::from_utf8_lossy(text);
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(label) = marker(line, "-----BEGIN ") else {
            continue;
        };
        if blocks.len() == MAX_BLOCKS {
            return Err(PemFault::TooLong);
        }
        let mut body = String::new();
        loop {
            let line = lines.next().ok_or(PemFault::Unfinished)?;
            if let Some(end) = marker(line, "-----END ") {
                if end != label {
                    return Err(PemFault::Unfinished);
                }
                break;
            }
            // Headers of the old encrypted form are the business of whoever reads keys.
            body.extend(line.chars().filter(|letter| !letter.is_ascii_whitespace()));
        }
        let der = STANDARD.decode(body).map_err(|_| PemFault::NotBase64)?;
        blocks.push(Block {
            label: label.to_owned(),
            der,
        });
    }
    if blocks.is_empty() {
        Err(PemFault::Absent)
    } else {
        Ok(blocks)
    }
}

fn marker<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.trim_end().strip_prefix(start)?.strip_suffix("-----")
}

/// One block as text, lines of 64 characters.
pub fn encode(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = String::with_capacity(body.len() + body.len() / 64 + 2 * label.len() + 40);
    for part in ["-----BEGIN ", label, "-----\n"] {
        text.push_str(part);
    }
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_text_is_refused() {
        assert_eq!(decode(b"hello"), Err(PemFault::Absent));
        assert_eq!(decode(b"-----BEGIN A-----\nAAAA\n"), Err(PemFault::Unfinished));
        assert_eq!(
            decode(b"-----BEGIN A-----\nAAAA\n-----END B-----\n"),
            Err(PemFault::Unfinished)
        );
        assert_eq!(
            decode(b"-----BEGIN A-----\n!!\n-----END A-----\n"),
            Err(PemFault::NotBase64)
        );
        assert_eq!(decode(&vec![b'a'; MAX_PEM_LEN + 1]), Err(PemFault::TooLong));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(der in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = format!("noise\n{}more\n{}", encode("A B", &der), encode("C", &der));
            let blocks = decode(text.as_bytes()).unwrap();
            prop_assert_eq!(blocks.len(), 2);
            prop_assert!(blocks.iter().all(|block| block.der == der));
        }
    }
}
