//! What a server says before the handshake (STARTTLS of SMTP, IMAP and POP3): the first octet chooses the protocol and the size of the
//! pieces in which the others come.

#![no_main]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use kit::probe::{StartTls, start_tls};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A server that says these octets in pieces, whatever it is told; how much was taken from it, and what it was told.
struct Said<'a> {
    left: &'a [u8],
    piece: usize,
    told: Vec<u8>,
}

impl AsyncRead for Said<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let count = self.piece.min(self.left.len()).min(buffer.remaining());
        let (now, later) = self.left.split_at(count);
        buffer.put_slice(now);
        self.left = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Said<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.told.extend_from_slice(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((how, said)) = input.split_first() else {
        return;
    };
    let (protocol, asked): (_, &[u8]) = match how % 4 {
        0 => (StartTls::Smtp, b"STARTTLS\r\n"),
        1 => (StartTls::Imap, b"a STARTTLS\r\n"),
        2 => (StartTls::Pop3, b"STLS\r\n"),
        _ => (StartTls::None, b""),
    };
    let mut server = Said {
        left: said,
        piece: usize::from(how / 4) + 1,
        told: Vec::new(),
    };
    let mut talk = Box::pin(start_tls(protocol, &mut server));
    let Poll::Ready(ended) = talk.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it waits, and nothing is to come");
    };
    let is_agreed = ended.is_ok();
    if let Err(error) = &ended {
        let told = error.to_string();
        assert!(told.chars().count() < 200 && !told.contains(char::is_control), "{told:?}");
    }
    drop(ended);
    drop(talk);
    // A handshake follows only what was asked for, and begins behind the last line that was read.
    if is_agreed {
        assert!(server.told.ends_with(asked));
        let taken = said.strip_suffix(server.left).expect("the rest is an end of it");
        assert!(taken.is_empty() || taken.ends_with(b"\n"));
        assert_eq!(taken.is_empty(), protocol == StartTls::None);
    }
});
