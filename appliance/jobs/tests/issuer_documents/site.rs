//! A site by HTTPS on a port that the system chooses, and the authority that certifies it.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// An authority, made by OpenSSL.
pub(crate) struct Authority {
    dir: TempDir,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let made = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        made.openssl(&format!(
            "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout ca.key -out ca.pem -subj /CN={name} -days 30 \
             -addext keyUsage=critical,keyCertSign",
        ));
        made
    }

    /// Its certificate, in PEM.
    pub(crate) fn pem(&self) -> Vec<u8> {
        std::fs::read(self.dir.path().join("ca.pem")).unwrap()
    }

    /// A server with a certificate for a name, such as `DNS:localhost`, good for so many days.
    pub(crate) fn certify(&self, name: &str, days: i32) -> Arc<ServerConfig> {
        let read = |file: &str| std::fs::read(self.dir.path().join(file)).unwrap();
        std::fs::write(self.dir.path().join("san"), format!("subjectAltName={name}\n")).unwrap();
        self.openssl(
            "req -new -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout key -out csr -subj /CN=Site",
        );
        self.openssl(&format!(
            "x509 -req -in csr -CA ca.pem -CAkey ca.key -extfile san -out pem -days {days}"
        ));
        let chain = CertificateDer::from_pem_slice(&read("pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&read("key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        Arc::new(config)
    }

    fn openssl(&self, words: &str) {
        let run = Command::new("openssl")
            .args(words.split_whitespace())
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "openssl {words}: {told}");
    }
}

/// A request that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Method, target and version.
    pub(crate) line: String,
    /// Names in lower case, in the order of the alphabet.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// The values of a header.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// What a site does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// These octets, and the end of the connection.
    Octets(Vec<u8>),
    /// These octets, and silence.
    Silence(Vec<u8>),
    /// The first octets, and then the others again and again, with a pause before each.
    Endless(Vec<u8>, Vec<u8>, Duration),
}

impl Answer {
    /// A whole answer; each of `headers` with its end of line.
    pub(crate) fn whole(status: u16, headers: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} Said\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        Self::Octets([head.as_bytes(), body].concat())
    }
}

/// A site that answers everybody alike.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    /// How many connections were made.
    connections: Arc<AtomicUsize>,
    /// How many octets were taken from it, more or less: what lies in buffers counts.
    sent: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<Asked>>>,
    accepting: JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Site {
    /// With TLS, or without.
    pub(crate) async fn start(tls: Option<Arc<ServerConfig>>, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, sent) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let of = (Arc::clone(&connections), Arc::clone(&sent), Arc::clone(&asked));
        let accepting = tokio::spawn(async move {
            let (connections, sent, asked) = of;
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let (tls, answer) = (tls.clone(), answer.clone());
                let (sent, asked) = (Arc::clone(&sent), Arc::clone(&asked));
                // A client may go at any time.
                tokio::spawn(async move { serve(stream, tls, answer, &sent, &asked).await });
            }
        });
        Self {
            address,
            connections,
            sent,
            asked,
            accepting,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}/keys", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The only request that came.
    pub(crate) fn only(&self) -> Asked {
        let asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked[0].clone()
    }
}

async fn serve(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    answer: Answer,
    sent: &AtomicUsize,
    asked: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    match tls {
        Some(config) => {
            let stream = TlsAcceptor::from(config).accept(stream).await?;
            answer_on(stream, answer, sent, asked).await
        }
        None => answer_on(stream, answer, sent, asked).await,
    }
}

async fn answer_on(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Answer,
    sent: &AtomicUsize,
    asked: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let request = read(&mut stream).await?;
    asked.lock().unwrap().push(request);
    match answer {
        Answer::Octets(octets) => {
            stream.write_all(&octets).await?;
            stream.shutdown().await
        }
        Answer::Silence(octets) => {
            stream.write_all(&octets).await?;
            stream.flush().await?;
            std::future::pending().await
        }
        Answer::Endless(first, again, pause) => {
            stream.write_all(&first).await?;
            loop {
                tokio::time::sleep(pause).await;
                stream.write_all(&again).await?;
                stream.flush().await?;
                sent.fetch_add(again.len(), Ordering::SeqCst);
            }
        }
    }
}

/// Reads a request to its end, which its length says.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Asked> {
    let mut octets = Vec::new();
    loop {
        let end = octets.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8(octets[..end].to_vec()).unwrap();
            let mut lines = head.split("\r\n");
            let line = lines.next().unwrap().to_owned();
            let header = |line: &str| {
                let (name, value) = line.split_once(": ").unwrap();
                (name.to_ascii_lowercase(), value.to_owned())
            };
            let mut headers: Vec<(String, String)> = lines.map(header).collect();
            headers.sort();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length = length.map_or(0, |(_, length)| length.parse().unwrap());
            let body = octets.split_off(end + 4);
            if body.len() >= length {
                return Ok(Asked { line, headers, body });
            }
            octets.extend(body);
        }
        if stream.read_buf(&mut octets).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        // Somebody who wants TLS, where there is none.
        if octets.first() == Some(&0x16) {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
    }
}
