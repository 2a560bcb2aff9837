//! The header: a line that says what the file is, the stanzas, and a MAC over both. It is text, and read with bounds.

use std::io::{BufRead, Read as _, Write};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::stanza::{self, FileKey, Stanza};
use crate::stream::{Opened, Sealed};
use crate::{MOST_RECIPIENTS, Random};

const VERSION: &str = "age-encryption.org/v1";
/// Columns of a line of base64.
const COLUMNS: usize = 64;
/// Most octets of a line.
const MOST_LINE: u64 = 1024;
/// Most octets of a body: more than any kind of recipient needs.
const MOST_BODY: usize = 8192;
const NONCE: usize = 16;

/// Writes a header and begins the contents. `wrap` makes the stanzas.
pub(crate) fn seal<W: Write>(
    mut out: W,
    random: Random<'_>,
    wrap: impl FnOnce(&FileKey, Random<'_>) -> Result<Vec<Stanza>, Error>,
) -> Result<Sealed<W>, Error> {
    let (mut file_key, mut nonce) = (FileKey::new([0; 16]), [0; NONCE]);
    if !(random(file_key.as_mut()) && random(&mut nonce)) {
        return Err(Error::Random);
    }
    let stanzas = wrap(&file_key, random)?;
    let text = written(&stanzas);
    let mac = hmac::sign(&mac_key(&file_key)?, text.as_bytes());
    out.write_all(text.as_bytes())?;
    out.write_all(format!(" {}\n", BASE64_STANDARD_NO_PAD.encode(mac)).as_bytes())?;
    out.write_all(&nonce)?;
    let key = payload_key(&file_key, &nonce)?;
    Sealed::new(out, &key)
}

/// Reads a header and opens the contents. `unwrap` finds the key of the file in the stanzas.
pub(crate) fn open<R: BufRead>(
    mut input: R,
    unwrap: impl FnOnce(&[Stanza]) -> Result<FileKey, Error>,
) -> Result<Opened<R>, Error> {
    let (stanzas, mac) = read(&mut input)?;
    let file_key = unwrap(&stanzas)?;
    hmac::verify(&mac_key(&file_key)?, written(&stanzas).as_bytes(), &mac).map_err(|_| Error::Header)?;
    let mut nonce = [0; NONCE];
    input.read_exact(&mut nonce).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Error::CutOff { at: 0 },
        _ => Error::Io(error),
    })?;
    let key = payload_key(&file_key, &nonce)?;
    Opened::new(input, &key)
}

fn mac_key(file_key: &FileKey) -> Result<hmac::Key, Error> {
    let key = stanza::derive(file_key.as_ref(), &[], "header")?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()))
}

fn payload_key(file_key: &FileKey, nonce: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
    stanza::derive(file_key.as_ref(), nonce, "payload")
}

/// Everything up to where the MAC stands.
fn written(stanzas: &[Stanza]) -> String {
    let mut text = format!("{VERSION}\n");
    for stanza in stanzas {
        text.push_str("->");
        for word in &stanza.words {
            text.push(' ');
            text.push_str(word);
        }
        text.push('\n');
        let body = BASE64_STANDARD_NO_PAD.encode(&stanza.body);
        let mut rest = body.as_str();
        // A body ends with a line that is not full, if need be an empty one.
        while let Some((line, after)) = rest.split_at_checked(COLUMNS) {
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text.push_str(rest);
        text.push('\n');
    }
    text.push_str("---");
    text
}

fn read(input: &mut impl BufRead) -> Result<(Vec<Stanza>, Vec<u8>), Error> {
    if line(input).ok().as_deref() != Some(VERSION) {
        return Err(Error::NotAge);
    }
    let mut stanzas = Vec::new();
    loop {
        let line = line(input)?;
        if let Some(mac) = line.strip_prefix("--- ") {
            let mac = BASE64_STANDARD_NO_PAD.decode(mac).map_err(|_| Error::Header)?;
            return if mac.len() == 32 && !stanzas.is_empty() {
                Ok((stanzas, mac))
            } else {
                Err(Error::Header)
            };
        }
        let words = line.strip_prefix("-> ").ok_or(Error::Header)?;
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let is_word = |word: &String| !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_graphic());
        if stanzas.len() >= MOST_RECIPIENTS || !words.iter().all(is_word) {
            return Err(Error::Header);
        }
        let body = body(input)?;
        stanzas.push(Stanza { words, body });
    }
}

fn body(input: &mut impl BufRead) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    loop {
        let line = line(input)?;
        let octets = BASE64_STANDARD_NO_PAD.decode(&line).map_err(|_| Error::Header)?;
        body.extend_from_slice(&octets);
        match line.len() {
            0..COLUMNS => return Ok(body),
            COLUMNS if body.len() <= MOST_BODY => {}
            _ => return Err(Error::Header),
        }
    }
}

fn line(input: &mut impl BufRead) -> Result<String, Error> {
    let mut octets = Vec::new();
    input.take(MOST_LINE).read_until(b'\n', &mut octets)?;
    let text = octets.strip_suffix(b"\n").ok_or(Error::Header)?;
    String::from_utf8(text.to_vec()).map_err(|_| Error::Header)
}
