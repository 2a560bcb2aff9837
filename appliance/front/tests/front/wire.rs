//! HTTP by hand, for what a well-behaved client does not do.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest time anything in these tests takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

pub(crate) async fn send<W: AsyncWrite + Unpin>(stream: &mut W, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Everything until the other side closes.
pub(crate) async fn rest<R: AsyncRead + Unpin>(stream: &mut R) -> String {
    let mut octets = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut octets))
        .await
        .expect("it stays open");
    // A reset after the answer is an end, too.
    let _ = read;
    String::from_utf8_lossy(&octets).into_owned()
}

/// The head of one answer, byte by byte, so that nothing behind it is taken.
pub(crate) async fn head<R: AsyncRead + Unpin>(stream: &mut R) -> String {
    let mut head = String::new();
    let read = async {
        while !head.ends_with("\r\n\r\n") {
            head.push(char::from(stream.read_u8().await.unwrap()));
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("no answer");
    head.to_lowercase()
}

/// A whole request on a connection of its own; the answer with its head, in lower case.
pub(crate) async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = connect(address).await;
    send(&mut stream, request).await;
    rest(&mut stream).await.to_lowercase()
}
