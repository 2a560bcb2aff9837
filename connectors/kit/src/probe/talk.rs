//! What is said before the handshake (STARTTLS), with whoever is there: everything that is read is bounded, and nothing that came before
//! the handshake is taken into it.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};

use super::StartTls;

/// Longest line of a server, in octets.
const MAX_LINE: usize = 4096;
/// Most lines of one answer.
const MAX_LINES: usize = 64;
/// Most of an answer that a message repeats, in letters.
const MAX_TOLD: usize = 120;

/// Asks for TLS where the protocol begins without it.
pub async fn start_tls<S: AsyncRead + AsyncWrite + Unpin>(how: StartTls, stream: S) -> Result<S> {
    let mut talk = BufReader::new(stream);
    match how {
        StartTls::None => {}
        StartTls::Smtp => {
            replies(&mut talk, "220").await?;
            say(&mut talk, "EHLO localhost").await?;
            replies(&mut talk, "250").await?;
            say(&mut talk, "STARTTLS").await?;
            replies(&mut talk, "220").await?;
        }
        StartTls::Imap => {
            begins(&mut talk, "* OK", "").await?;
            say(&mut talk, "a STARTTLS").await?;
            begins(&mut talk, "a OK", "* ").await?;
        }
        StartTls::Pop3 => {
            begins(&mut talk, "+OK", "").await?;
            say(&mut talk, "STLS").await?;
            begins(&mut talk, "+OK", "").await?;
        }
    }
    // What came before the handshake would be somebody's own words within it (RFC 3207 §5).
    if talk.buffer().is_empty() {
        return Ok(talk.into_inner());
    }
    Err(ErrorKind::InvalidData.into())
}

async fn say<S: AsyncWrite + AsyncRead + Unpin>(talk: &mut BufReader<S>, words: &str) -> Result<()> {
    talk.write_all(format!("{words}\r\n").as_bytes()).await?;
    talk.flush().await
}

/// Lines of SMTP until the last one, all with this code (RFC 5321 §4.2.1).
async fn replies<S: AsyncRead + Unpin>(talk: &mut BufReader<S>, code: &str) -> Result<()> {
    for _ in 0..MAX_LINES {
        let line = line(talk).await?;
        let rest = line.strip_prefix(code).ok_or_else(|| refusal(&line))?;
        match rest.as_bytes().first() {
            Some(b'-') => {}
            None | Some(b' ') => return Ok(()),
            Some(_) => return Err(refusal(&line)),
        }
    }
    Err(ErrorKind::InvalidData.into())
}

/// The next line is this word, alone or before others; lines that begin like that, where there is such, are skipped.
async fn begins<S: AsyncRead + Unpin>(talk: &mut BufReader<S>, word: &str, skipped: &str) -> Result<()> {
    for _ in 0..MAX_LINES {
        let line = line(talk).await?;
        if line
            .strip_prefix(word)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        {
            return Ok(());
        }
        if skipped.is_empty() || !line.starts_with(skipped) {
            return Err(refusal(&line));
        }
    }
    Err(ErrorKind::InvalidData.into())
}

/// A line without its end.
async fn line<S: AsyncRead + Unpin>(talk: &mut BufReader<S>) -> Result<String> {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let available = talk.fill_buf().await?;
        if available.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let end = available.iter().position(|octet| *octet == b'\n');
        let used = end.map_or(available.len(), |end| end + 1);
        if line.len() + used > MAX_LINE {
            return Err(ErrorKind::InvalidData.into());
        }
        line.extend_from_slice(available.get(..used).unwrap_or_default());
        talk.consume(used);
    }
    let text = String::from_utf8_lossy(&line);
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// The server's own words, so that they fit in one line of a log and speak to no terminal.
fn refusal(line: &str) -> Error {
    let told = line.chars().take(MAX_TOLD);
    let told: String = told
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    Error::other(format!("the server says {}", told.trim_end()))
}

#[cfg(test)]
mod tests;
