//! Tests of the words before the handshake, with servers that keep to them and servers that do not.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, DuplexStream};

use super::*;

/// A simulated server says the first, then for each pair waits for a line and answers it.
async fn with(how: StartTls, greeting: &[u8], exchange: &[(&str, &[u8])]) -> Result<DuplexStream> {
    // Larger than anything that is said, so that nobody waits for the other to read.
    let (client, server) = tokio::io::duplex(1024 * 1024);
    let serve = async move {
        let mut server = BufReader::new(server);
        server.write_all(greeting).await.unwrap();
        for (heard, answer) in exchange {
            let mut line = String::new();
            server.read_line(&mut line).await.unwrap();
            if line.is_empty() {
                break;
            }
            assert_eq!(line, format!("{heard}\r\n"));
            server.write_all(answer).await.unwrap();
        }
        server
    };
    let talk = async {
        tokio::time::timeout(Duration::from_secs(20), start_tls(how, client))
            .await
            .unwrap()
    };
    let (_server, done) = tokio::join!(serve, talk);
    done
}

const EHLO: &str = "EHLO localhost";

async fn smtp(greeting: &[u8], ehlo: &[u8], start: &[u8]) -> Result<DuplexStream> {
    with(StartTls::Smtp, greeting, &[(EHLO, ehlo), ("STARTTLS", start)]).await
}

fn told(outcome: Result<DuplexStream>) -> String {
    outcome.unwrap_err().to_string()
}

#[tokio::test]
async fn each_protocol_comes_to_the_handshake_with_nothing_read_ahead() {
    let capabilities = b"250-mail.example\r\n250-SIZE 1000\r\n250-STARTTLS\r\n250 HELP\r\n";
    smtp(b"220-mail.example\r\n220 ESMTP\r\n", capabilities, b"220 go\r\n")
        .await
        .unwrap();
    // A code alone is an answer, too, and a line may end in a line feed.
    smtp(b"220\n", b"250\r\n", b"220\r\n").await.unwrap();
    let imap = [("a STARTTLS", b"* CAPABILITY IMAP4rev1\r\na OK go\r\n".as_slice())];
    with(StartTls::Imap, b"* OK hello\r\n", &imap).await.unwrap();
    let pop = [("STLS", b"+OK\r\n".as_slice())];
    with(StartTls::Pop3, b"+OK hello\r\n", &pop).await.unwrap();
    with(StartTls::None, b"", &[]).await.unwrap();
}

#[tokio::test]
async fn what_is_injected_before_the_handshake_ends_it() {
    let injected = b"220 go\r\n250 forged\r\n";
    let outcome = smtp(b"220 x\r\n", b"250 x\r\n", injected).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidData);
    let imap = [("a STARTTLS", b"a OK go\r\n* forged".as_slice())];
    let outcome = with(StartTls::Imap, b"* OK\r\n", &imap).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidData);
    let pop = [("STLS", b"+OK\r\n\x16\x03".as_slice())];
    let outcome = with(StartTls::Pop3, b"+OK\r\n", &pop).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidData);
}

#[tokio::test]
async fn lines_and_answers_that_do_not_end_are_not_read_to_the_end() {
    let outcome = smtp(&vec![b'2'; 100_000], b"", b"").await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidData);
    let at_most = [b"220 ".as_slice(), &vec![b'x'; MAX_LINE - 5], b"\n"].concat();
    smtp(&at_most, b"250 x\r\n", b"220 x\r\n").await.unwrap();
    let longer = [b"220 ".as_slice(), &vec![b'x'; MAX_LINE - 4], b"\n"].concat();
    let outcome = smtp(&longer, b"", b"").await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidData);
    let outcome = smtp(b"220 x\r\n", &b"250-x\r\n".repeat(10_000), b"").await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidData);
    let imap = [("a STARTTLS", b"* x\r\n".repeat(10_000))];
    let imap = [(imap[0].0, imap[0].1.as_slice())];
    let outcome = with(StartTls::Imap, b"* OK\r\n", &imap).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidData);
}

#[tokio::test]
async fn a_server_that_leaves_is_told_apart() {
    let (client, mut server) = tokio::io::duplex(1024);
    server.write_all(b"220 half").await.unwrap();
    drop(server);
    let outcome = start_tls(StartTls::Smtp, client).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_refusal_is_told_in_one_line_and_looks_like_no_other_answer() {
    let outcome = smtp(b"220 x\r\n", b"250 x\r\n", b"454 not\x1b[2J now\r\n").await;
    assert_eq!(told(outcome), "the server says 454 not [2J now");
    let outcome = smtp(b"220 x\r\n", b"250-x\r\n500 no\r\n", b"").await;
    assert_eq!(told(outcome), "the server says 500 no");
    // A longer number is another code, and a longer word another word.
    assert!(told(smtp(b"2200 x\r\n", b"", b"").await).contains("2200"));
    assert!(told(with(StartTls::Pop3, b"+OKAY\r\n", &[]).await).contains("+OKAY"));
    assert!(told(with(StartTls::Imap, b"* BYE full\r\n", &[]).await).contains("BYE"));
    let pop = [("STLS", b"* x\r\n+OK\r\n".as_slice())];
    assert!(told(with(StartTls::Pop3, b"+OK\r\n", &pop).await).contains("* x"));
    let long = [b"554 ".as_slice(), "ü".repeat(1000).as_bytes(), b"\r\n"].concat();
    assert!(told(smtp(&long, b"", b"").await).chars().count() <= MAX_TOLD + 16);
}

#[tokio::test]
async fn no_octets_at_all_make_it_fall() {
    // Every prefix of a conversation with each octet replaced in turn: what comes is an answer or a fault, and in time.
    let whole = b"220-mail\r\n220 x\r\n";
    for (place, octet) in
        (0..whole.len()).flat_map(|place| [0, b'\n', b'-', 0xff].map(|octet| (place, octet)))
    {
        let mut greeting = whole.to_vec();
        greeting[place] = octet;
        let (client, mut server) = tokio::io::duplex(4096);
        server.write_all(&greeting).await.unwrap();
        let close = async {
            let mut rest = Vec::new();
            server.shutdown().await.unwrap();
            server.read_to_end(&mut rest).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(start_tls(StartTls::Smtp, client), close);
        assert!(outcome.is_err(), "{greeting:?}");
    }
}
