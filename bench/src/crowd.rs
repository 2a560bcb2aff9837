//! Clients that misbehave, many at a time: connections that ask nothing, heads and bodies that drip, requests sent without
//! waiting or without taking the answers, what is too long, and what is no request at all.
//!
//! Each keeps at it until the crowd is sent away: whoever is cut off comes back. Those who stay come from many loopback
//! addresses, as those of the real ones do, because an address has a share of the connections.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// Addresses that they come from.
const ADDRESSES: usize = 20;
/// How long it may take until all are there.
const GATHERING: Duration = Duration::from_mins(1);
/// Between the drops of a slow client, and before one who was cut off comes back.
const PAUSE: Duration = Duration::from_millis(500);
/// Requests that are sent in one go.
const PIPELINE: usize = 32;

/// How many of each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    /// Connections that ask nothing; every tenth is one to the API.
    pub(crate) idle: usize,
    /// Clients whose head drips, and as many whose body does.
    pub(crate) slow: usize,
    /// Clients of each other kind.
    pub(crate) others: usize,
}

/// Where they go, and what they know of it.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) public: SocketAddr,
    pub(crate) api: SocketAddr,
    /// A request that has a good answer.
    pub(crate) good: Vec<u8>,
    /// The path of an OCSP responder.
    pub(crate) ocsp: String,
}

/// The clients, until this is dropped.
#[derive(Debug)]
pub(crate) struct Crowd {
    running: JoinSet<()>,
    here: Arc<Here>,
}

/// Those who do not just stay.
#[derive(Clone, Copy, Debug)]
enum Kind {
    SlowHead,
    SlowBody,
    TakesAnswers,
    TakesNone,
    Oversized,
    Malformed,
    NoTls,
}

const KINDS: usize = Kind::NoTls as usize + 1;

/// Who is there.
#[derive(Debug, Default)]
struct Here {
    idle: AtomicUsize,
    /// How often those of each kind did what they came for.
    done: [AtomicUsize; KINDS],
    /// Bad requests that were answered as if they were good, or as if the server were at fault.
    wrongly: AtomicUsize,
}

impl Crowd {
    /// Comes, and gives itself when all idle connections are open and those of every other kind have done what they came for.
    pub(crate) async fn gather(numbers: Numbers, ground: &Ground) -> Result<Self> {
        let mut crowd = Self {
            running: JoinSet::new(),
            here: Arc::default(),
        };
        for number in 0..numbers.idle {
            let to = if number % 10 == 9 {
                ground.api
            } else {
                ground.public
            };
            crowd.running.spawn(idle(number, to, Arc::clone(&crowd.here)));
        }
        for number in 0..numbers.slow {
            let here = || Arc::clone(&crowd.here);
            let (head, body) = (here(), here());
            crowd.running.spawn(slow_head(number, ground.clone(), head));
            crowd.running.spawn(slow_body(number, ground.clone(), body));
        }
        for number in 0..numbers.others {
            for kind in [Kind::TakesAnswers, Kind::TakesNone] {
                let here = Arc::clone(&crowd.here);
                crowd.running.spawn(pipelined(number, ground.clone(), kind, here));
            }
            for (kind, to, bad) in [
                (Kind::Oversized, ground.public, oversized(&ground.ocsp)),
                (Kind::Malformed, ground.public, malformed(&ground.ocsp)),
                (Kind::NoTls, ground.api, no_tls()),
            ] {
                let here = Arc::clone(&crowd.here);
                crowd.running.spawn(refused(kind, to, bad, here));
            }
        }
        let begun = Instant::now();
        while crowd.idle() < numbers.idle || !crowd.here.is_complete() {
            ensure!(
                begun.elapsed() < GATHERING,
                "{} of {} idle connections could be opened; the others: {:?}",
                crowd.idle(),
                numbers.idle,
                crowd.here.done
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(crowd)
    }

    /// Idle connections that are open.
    pub(crate) fn idle(&self) -> usize {
        self.here.idle.load(Ordering::Relaxed)
    }

    /// Bad requests so far; an error when one of them was taken for a good one, or called a fault of the server.
    pub(crate) fn refused(&self) -> Result<usize> {
        let wrongly = self.here.wrongly.load(Ordering::Relaxed);
        ensure!(wrongly == 0, "{wrongly} bad requests were not refused as such");
        let refused = [Kind::Oversized, Kind::Malformed, Kind::NoTls];
        Ok(refused.map(|kind| self.here.count(kind)).iter().sum())
    }

    /// Goes.
    pub(crate) async fn leave(mut self) {
        self.running.shutdown().await;
    }
}

impl Here {
    fn did(&self, kind: Kind) {
        if let Some(done) = self.done.get(kind as usize) {
            done.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count(&self, kind: Kind) -> usize {
        let done = self.done.get(kind as usize);
        done.map_or(0, |done| done.load(Ordering::Relaxed))
    }

    /// Whether there is one of each kind at least.
    fn is_complete(&self) -> bool {
        self.done.iter().all(|done| done.load(Ordering::Relaxed) > 0)
    }
}

/// A connection from one of the addresses.
async fn open(number: usize, to: SocketAddr) -> Result<TcpStream> {
    let last = u8::try_from(10 + number % ADDRESSES)?;
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
    socket.connect(to).await.context("connecting")
}

/// Does something for ever; who was cut off comes back after a pause.
async fn again<F: Future<Output = Result<()>>>(mut visit: impl FnMut() -> F) {
    loop {
        // To be cut off is what these come for.
        let _ = visit().await;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn idle(number: usize, to: SocketAddr, here: Arc<Here>) {
    again(async || {
        let mut stream = open(number, to).await?;
        here.idle.fetch_add(1, Ordering::Relaxed);
        // Returns when the server closes.
        let _ = stream.read(&mut [0]).await;
        here.idle.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    })
    .await;
}

async fn slow_head(number: usize, ground: Ground, here: Arc<Here>) {
    again(async || {
        let mut stream = open(number, ground.public).await?;
        // Nearly as much as a head may have, so that it takes the memory that it can.
        stream
            .write_all(format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(24 << 10)).as_bytes())
            .await?;
        drip(stream, || here.did(Kind::SlowHead)).await
    })
    .await;
}

async fn slow_body(number: usize, ground: Ground, here: Arc<Here>) {
    again(async || {
        let mut stream = open(number, ground.public).await?;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n",
            ground.ocsp
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&vec![0x30; 60_000]).await?;
        drip(stream, || here.did(Kind::SlowBody)).await
    })
    .await;
}

/// One octet after the other, until the server has enough of it.
async fn drip(mut stream: TcpStream, did: impl Fn()) -> Result<()> {
    loop {
        tokio::time::sleep(PAUSE).await;
        stream.write_all(b"x").await?;
        did();
    }
}

/// Requests without waiting for answers; who does not take them either is held up by the server and not the other way round.
async fn pipelined(number: usize, ground: Ground, kind: Kind, here: Arc<Here>) {
    let takes_answers = matches!(kind, Kind::TakesAnswers);
    again(async || {
        let stream = open(number, ground.public).await?;
        let requests = ground.good.repeat(PIPELINE);
        let (mut read, mut write) = stream.into_split();
        let asking = async {
            loop {
                write.write_all(&requests).await?;
                here.did(kind);
            }
        };
        let taking = async {
            let mut octets = vec![0; 64 << 10];
            while takes_answers && read.read(&mut octets).await? > 0 {}
            if takes_answers {
                Ok(())
            } else {
                std::future::pending().await
            }
        };
        tokio::select! { outcome = asking => outcome, outcome = taking => outcome }
    })
    .await;
}

/// Bad requests in turn, each on a connection of its own: one at a time, so that no address has to be chosen, for which the
/// kernel would search all that were closed in the last minute.
async fn refused(kind: Kind, to: SocketAddr, bad: Vec<Vec<u8>>, here: Arc<Here>) {
    for request in bad.iter().cycle() {
        let outcome = async {
            let mut stream = TcpStream::connect(to).await?;
            let _ = stream.write_all(request).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            // A reset is an answer, too.
            let _ = stream.read_to_end(&mut answer).await;
            anyhow::Ok(answer)
        };
        let Ok(answer) = outcome.await else {
            // There is no room for a connection.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        here.did(kind);
        if !is_refusal(&answer) {
            here.wrongly.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A closed connection, a TLS alert, a status that blames the client, or the OCSP answer for what is no OCSP request: 200 with
/// OCSPResponse { malformedRequest } (RFC 6960 §4.2.1).
fn is_refusal(answer: &[u8]) -> bool {
    let malformed = [0x30, 0x03, 0x0a, 0x01, 0x01];
    answer.is_empty()
        || answer.starts_with(&[0x15, 0x03])
        || answer.starts_with(b"HTTP/1.1 4")
        || (answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(&malformed))
}

fn oversized(ocsp: &str) -> Vec<Vec<u8>> {
    let long = "x".repeat(64 << 10);
    vec![
        format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n").into_bytes(),
        format!("POST {ocsp} HTTP/1.1\r\nHost: x\r\nContent-Length: 262144\r\nConnection: close\r\n\r\n{long}{long}{long}{long}")
            .into_bytes(),
    ]
}

fn malformed(ocsp: &str) -> Vec<Vec<u8>> {
    let close = "Host: x\r\nConnection: close\r\n\r\n";
    let request = |line: String| format!("{line} HTTP/1.1\r\n{close}").into_bytes();
    vec![
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a hello of TLS".to_vec(),
        b"\x00\xff\x00\xff\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n".to_vec(),
        format!("POST {ocsp} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n").into_bytes(),
        format!("POST {ocsp} HTTP/1.1\r\nContent-Length: 9\r\n{close}no OCSP at").into_bytes(),
        request(format!("GET {ocsp}/MEI%3")),
        request(format!("GET {ocsp}/MEIwQDA+MDwwOjAJBgUrDgMCGgUABBQ=")),
        request("GET /.well-known/pki/crl/../../etc/passwd".to_owned()),
        request("PUT /.well-known/pki/ocsp".to_owned()),
    ]
}

/// What is no hello of TLS.
fn no_tls() -> Vec<Vec<u8>> {
    vec![
        b"GET /api/v1/certificates HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        // A record of TLS that says that it is longer than any may be (RFC 8446 §5.1).
        b"\x16\x03\x01\xff\xff\x01".to_vec(),
        vec![0xff; 4096],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_not_a_good_answer_and_no_fault() {
        assert!(is_refusal(b"") && is_refusal(b"HTTP/1.1 431 x\r\n\r\n"));
        assert!(is_refusal(b"HTTP/1.1 200 OK\r\n\r\n\x30\x03\x0a\x01\x01"));
        for wrong in [
            b"HTTP/1.1 200 OK\r\n\r\nok\n".as_slice(),
            b"HTTP/1.1 500 x\r\n\r\n",
            b"HTTP/1.1 503 x",
        ] {
            assert!(!is_refusal(wrong));
        }
    }
}
