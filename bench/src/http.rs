//! The smallest HTTP/1.1 client that can load a server without being the load: fixed request bytes on a keep-alive
//! connection, the answer read to its `Content-Length`.

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection with its read buffer.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to `host:port`.
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; 16 * 1024],
        })
    }

    /// Sends `request` and gives back the status and the body.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let space = self.buffer.get_mut(filled..).unwrap_or_default();
            if space.is_empty() {
                bail!("the answer is longer than the client's buffer");
            }
            let count = self.stream.read(space).await?;
            if count == 0 {
                bail!("the server closed the connection");
            }
            filled += count;
            let have = self.buffer.get(..filled).unwrap_or_default();
            let Some(head) = have.windows(4).position(|window| window == b"\r\n\r\n") else {
                continue;
            };
            let (status, length) = head_fields(have.get(..head).unwrap_or_default())?;
            if filled >= head + 4 + length {
                return Ok((
                    status,
                    self.buffer.get(head + 4..head + 4 + length).unwrap_or_default(),
                ));
            }
        }
    }
}

fn head_fields(head: &[u8]) -> Result<(u16, usize)> {
    let text = std::str::from_utf8(head).context("the answer's head")?;
    let status = text
        .split_whitespace()
        .nth(1)
        .context("a status")?
        .parse()
        .context("a status number")?;
    let length = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map(|(_, value)| value.trim().parse())
        .context("Content-Length")??;
    Ok((status, length))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;

    #[test]
    fn the_head_gives_status_and_length() {
        assert_eq!(
            head_fields(b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 12").unwrap(),
            (200, 12)
        );
        assert!(head_fields(b"HTTP/1.1 200 OK\r\nServer: x").is_err());
    }
}
