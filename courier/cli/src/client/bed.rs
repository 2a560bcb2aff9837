//! The bed of the tests: a server that speaks just enough HTTP/1.1, one request a connection, on a port that the system chooses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

pub(crate) mod certificates;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// A header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// The pairs of the query.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect()
    }

    /// The pairs of a form.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A whole answer.
    Whole(u16, Vec<(String, String)>, Vec<u8>),
    /// These octets, and the end of the connection.
    Raw(Vec<u8>),
    /// These octets, and then silence.
    Stall(Vec<u8>),
}

impl Reply {
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::Whole(
            status,
            vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body.to_string().into_bytes(),
        )
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::Whole(status, Vec::new(), body.as_bytes().to_vec())
    }

    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        match self {
            Self::Whole(status, mut headers, body) => {
                headers.push((name.to_owned(), value.to_owned()));
                Self::Whole(status, headers, body)
            }
            other => other,
        }
    }

    fn octets(self) -> (Vec<u8>, bool) {
        match self {
            Self::Whole(status, headers, body) => {
                let mut head = format!(
                    "HTTP/1.1 {status} Told\r\nConnection: close\r\nContent-Length: {}\r\n",
                    body.len()
                );
                for (name, value) in headers {
                    let _ = write!(head, "{name}: {value}\r\n");
                }
                head.push_str("\r\n");
                ([head.into_bytes(), body].concat(), false)
            }
            Self::Raw(octets) => (octets, false),
            Self::Stall(octets) => (octets, true),
        }
    }
}

/// A server.
pub(crate) struct Bed {
    pub(crate) port: u16,
    is_tls: bool,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Script = dyn Fn(&Asked, usize) -> Reply + Send + Sync;

impl Bed {
    /// A server without TLS, that answers by a script: the request, and how many there were before it.
    pub(crate) async fn plain(script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(script)).await
    }

    /// A server with TLS.
    pub(crate) async fn tls(
        config: rustls::ServerConfig,
        script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(TlsAcceptor::from(Arc::new(config))), Arc::new(script)).await
    }

    async fn start(tls: Option<TlsAcceptor>, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (is_tls, log) = (tls.is_some(), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, script, log) = (tls.clone(), Arc::clone(&script), Arc::clone(&log));
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &script, &log).await,
                        Some(tls) => {
                            // A client that does not trust the certificate goes away here.
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &script, &log).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            port,
            is_tls,
            asked,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// What arrived so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// A port that nobody listens on.
pub(crate) async fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: &Arc<Script>,
    log: &Mutex<Vec<Asked>>,
) {
    let Some(asked) = read(&mut stream).await else {
        return;
    };
    let before = {
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        log.len() - 1
    };
    let (octets, is_stalled) = script(&asked, before).octets();
    // A client that has read enough goes away before all is written.
    let _ = stream.write_all(&octets).await;
    let _ = stream.flush().await;
    if is_stalled {
        // Until the client goes away.
        let _ = stream.read(&mut [0]).await;
    }
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let mut octets = Vec::new();
    let end = loop {
        if let Some(at) = octets.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut octets).await.ok()? == 0 {
            return None;
        }
    };
    let head = std::str::from_utf8(&octets[..end]).unwrap().to_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    while octets.len() < end + length {
        if stream.read_buf(&mut octets).await.ok()? == 0 {
            return None;
        }
    }
    Some(Asked {
        method,
        target,
        headers,
        body: octets[end..].to_vec(),
    })
}
