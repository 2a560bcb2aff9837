//! The smallest HTTP/1.1 client that can load a server without being the load: fixed request bytes on a keep-alive
//! connection, plain or TLS, the answer read to its end.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

/// Longest answer that is read, in octets.
const LONGEST: usize = 1 << 20;

/// Where a server is, and how it is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// `host:port`.
    pub(crate) address: String,
    tls: Option<Arc<ClientConfig>>,
}

impl Door {
    /// Plain HTTP.
    pub(crate) fn plain(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            tls: None,
        }
    }

    /// TLS, checked with the roots in a PEM file.
    pub(crate) fn tls(address: impl Into<String>, bundle: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(bundle).context("the roots")? {
            roots.add(certificate.context("the roots")?)?;
        }
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            address: address.into(),
            tls: Some(Arc::new(config)),
        })
    }

    /// From `http://host[:port]` or `https://host[:port]`.
    pub(crate) fn of_url(url: &str, bundle: &Path) -> Result<Self> {
        let url = reqwest::Url::parse(url).with_context(|| format!("the address {url}"))?;
        let host = url.host_str().context("a host in the address")?;
        let address = format!("{host}:{}", url.port_or_known_default().context("a port")?);
        if url.scheme() == "https" {
            Self::tls(address, bundle)
        } else {
            Ok(Self::plain(address))
        }
    }

    /// Opens a connection.
    pub(crate) async fn open(&self) -> Result<Connection> {
        let connecting = || format!("connecting to {}", self.address);
        let tcp = TcpStream::connect(&self.address).await.with_context(connecting)?;
        self.enter(tcp).await
    }

    /// The same from an address of this machine.
    pub(crate) async fn open_from(&self, own: IpAddr) -> Result<Connection> {
        let connecting = || format!("connecting from {own} to {}", self.address);
        let mut there = tokio::net::lookup_host(&self.address)
            .await
            .with_context(connecting)?;
        let there = there.find(|there| there.is_ipv4() == own.is_ipv4());
        let socket = if own.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        socket.bind(SocketAddr::new(own, 0)).with_context(connecting)?;
        let there = there.context("an address of the same kind")?;
        self.enter(socket.connect(there).await.with_context(connecting)?)
            .await
    }

    async fn enter(&self, tcp: TcpStream) -> Result<Connection> {
        let connecting = || format!("connecting to {}", self.address);
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some(config) => {
                let host = self.address.rsplit_once(':').map_or("", |(host, _)| host);
                let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
                let connector = TlsConnector::from(Arc::clone(config));
                Box::new(connector.connect(name, tcp).await.with_context(connecting)?)
            }
        };
        Ok(Connection {
            stream,
            buffer: vec![0; 16 * 1024],
        })
    }

    /// A request without a body.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).into_bytes()
    }

    /// A request without a body, with further header lines, each ended by CR LF.
    pub(crate) fn get_with(&self, path: &str, lines: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{lines}\r\n", self.address).into_bytes()
    }

    /// A request with a body and further header lines, each ended by CR LF.
    pub(crate) fn post(&self, path: &str, content_type: &str, lines: &str, body: &[u8]) -> Vec<u8> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{lines}\r\n",
            self.address,
            body.len()
        );
        [head.as_bytes(), body].concat()
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// One connection with its read buffer.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

/// An answer, in the connection's buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// Status line and header lines.
    pub(crate) head: &'a [u8],
    /// The body; still in chunks when it came so.
    pub(crate) body: &'a [u8],
}

impl Connection {
    /// Sends `request` and reads the answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        let mut filled = 0;
        let (status, head, end) = loop {
            if filled == self.buffer.len() {
                if filled >= LONGEST {
                    bail!("the answer is longer than {LONGEST} octets");
                }
                self.buffer.resize(filled * 2, 0);
            }
            let space = self.buffer.get_mut(filled..).unwrap_or_default();
            let count = self.stream.read(space).await?;
            filled += count;
            let have = self.buffer.get(..filled).unwrap_or_default();
            if let Some(whole) = complete(have, count == 0)? {
                break whole;
            }
            if count == 0 {
                bail!("the server closed the connection");
            }
        };
        Ok(Answer {
            status,
            head: self.buffer.get(..head).unwrap_or_default(),
            body: self.buffer.get(head + 4..end).unwrap_or_default(),
        })
    }
}

/// Status, length of the head and length of the whole, once the whole is there.
fn complete(have: &[u8], is_closed: bool) -> Result<Option<(u16, usize, usize)>> {
    let Some(head) = have.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(have.get(..head).unwrap_or_default()).context("the answer's head")?;
    let status = text
        .split_whitespace()
        .nth(1)
        .context("a status")?
        .parse()
        .context("a status number")?;
    let length = field(text, "content-length")
        .map(str::parse::<usize>)
        .transpose()?;
    let end = match length {
        // RFC 9112 §6.3: these have no body.
        _ if matches!(status, 204 | 304) => Some(head + 4),
        Some(length) => (have.len() >= head + 4 + length).then_some(head + 4 + length),
        None if field(text, "transfer-encoding").is_some() => {
            have.ends_with(b"\r\n0\r\n\r\n").then_some(have.len())
        }
        None => is_closed.then_some(have.len()),
    };
    Ok(end.map(|end| (status, head, end)))
}

/// A header field of a head.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test says what broke by panicking"
    )]
    use super::*;

    #[test]
    fn an_answer_ends_where_its_head_says() {
        let counted = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 2\r\n\r\nok";
        assert_eq!(complete(counted, false).unwrap(), Some((200, 34, 40)));
        assert_eq!(complete(&counted[..39], false).unwrap(), None);
        let chunked = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        assert_eq!(complete(chunked, false).unwrap().unwrap().0, 201);
        assert_eq!(complete(&chunked[..chunked.len() - 3], false).unwrap(), None);
        let none = b"HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\n\r\n";
        assert_eq!(
            complete(none, false).unwrap(),
            Some((204, none.len() - 4, none.len()))
        );
        let closed = b"HTTP/1.0 200 OK\r\nContent-Type: x\r\n\r\nok";
        assert_eq!(complete(closed, false).unwrap(), None);
        assert!(complete(closed, true).unwrap().is_some());
    }

    #[test]
    fn a_url_becomes_a_door() {
        let door = Door::of_url("http://127.0.0.1:8441/x", Path::new("none")).unwrap();
        assert_eq!(door.address, "127.0.0.1:8441");
        assert!(Door::of_url("https://localhost:8440", Path::new("/nowhere.pem")).is_err());
    }
}
