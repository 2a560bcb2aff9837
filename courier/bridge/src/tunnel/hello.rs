//! The ClientHello, read as far as it goes and kept as it came.

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longest ClientHello with its records, in octets. Hybrid key shares take some 1500.
const MOST: usize = 16 * 1024;

/// A ClientHello.
#[derive(Debug)]
pub(super) struct Hello {
    /// All octets that were read, to be passed on.
    pub(super) octets: Vec<u8>,
    /// The server name.
    pub(super) name: Option<String>,
}

/// Reads a ClientHello; nothing when there is none, or one that is too long.
pub(super) async fn read<R: AsyncRead + Unpin>(stream: &mut R) -> Option<Hello> {
    let (mut octets, mut acceptor) = (Vec::new(), Acceptor::default());
    let mut piece = [0; 2048];
    while octets.len() < MOST {
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        let mut fresh = piece.get(..read)?;
        octets.extend_from_slice(fresh);
        while !fresh.is_empty() {
            if acceptor.read_tls(&mut fresh).ok()? == 0 {
                break;
            }
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let name = accepted.client_hello().server_name().map(str::to_owned);
                    return Some(Hello { octets, name });
                }
                Err(_) => return None,
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use std::sync::Arc;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    fn hello(name: &str) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut octets = Vec::new();
        client.write_tls(&mut octets).unwrap();
        octets
    }

    #[tokio::test]
    async fn a_hello_is_read_and_kept() {
        let octets = hello("pki.example.com");
        let read = read(&mut octets.as_slice()).await.unwrap();
        assert_eq!(read.name.as_deref(), Some("pki.example.com"));
        assert_eq!(read.octets, octets);
    }

    #[tokio::test]
    async fn pieces_are_put_together() {
        let octets = hello("pki.example.com");
        let pieces = octets.chunks(7).fold(Pieces::default(), Pieces::with);
        let mut pieces = pieces;
        let read = read(&mut pieces).await.unwrap();
        assert_eq!(read.octets, octets);
    }

    #[tokio::test]
    async fn no_name_and_no_hello() {
        let octets = hello("192.0.2.1");
        assert_eq!(read(&mut octets.as_slice()).await.unwrap().name, None);
        assert!(read(&mut &b"GET / HTTP/1.1\r\n\r\n"[..]).await.is_none());
        assert!(read(&mut octets.get(..40).unwrap()).await.is_none());
        let endless = [22, 3, 1, 64, 0, 1, 0, 255, 255]
            .iter()
            .copied()
            .chain(std::iter::repeat_n(0, 100_000));
        let endless: Vec<u8> = endless.collect();
        assert!(read(&mut endless.as_slice()).await.is_none());
    }

    /// What gives one piece at each read.
    #[derive(Default)]
    struct Pieces(std::collections::VecDeque<Vec<u8>>);

    impl Pieces {
        fn with(mut self, piece: &[u8]) -> Self {
            self.0.push_back(piece.to_vec());
            self
        }
    }

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            if let Some(piece) = self.0.pop_front() {
                buffer.put_slice(&piece);
            }
            std::task::Poll::Ready(Ok(()))
        }
    }
}
