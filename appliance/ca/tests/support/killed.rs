//! A child of this test binary that works on an authority on disk until it is killed, and the authority as the next start
//! finds it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ca::{Authority, Clock, CreateRoot, IssueRequest, Principal, Settings, Signer};
use pki::KeyAlgorithm;
use token::{KeyRing, Keys, Software, SoftwareConfig};

/// Runs this test once more as a child that finds this folder in its environment, lets it work for a while after the first
/// line with this mark, and kills it. Gives all it told.
pub(crate) fn run_and_kill(
    test: &str,
    variable: &str,
    folder: &Path,
    mark: &str,
    millis: u64,
) -> Vec<String> {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(variable, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let (mut told, mut end) = (Vec::new(), None);
    for line in BufReader::new(child.0.stdout.take().unwrap()).lines() {
        let Ok(line) = line else { break };
        let is_marked = line.contains(mark);
        told.push(line);
        if is_marked && end.is_none() {
            end = Some(Instant::now() + Duration::from_millis(millis));
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            // SIGKILL; what was written before stays in the pipe and is read to its end.
            child.0.kill().unwrap();
        }
    }
    assert!(end.is_some(), "the child did nothing");
    told
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The child tells its parent, in one write, so that a line is whole or not there.
pub(crate) fn tell(line: &str) {
    let mut out = std::io::stdout();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// What stands behind this word in the lines that have it.
pub(crate) fn told<'a>(lines: &'a [String], word: &str) -> impl Iterator<Item = &'a str> {
    lines
        .iter()
        .filter_map(move |line| Some(line.split_once(word)?.1))
}

/// Software keys in this folder.
pub(crate) fn keys(folder: &Path) -> Software {
    std::fs::create_dir_all(folder.join("keys")).unwrap();
    let config = SoftwareConfig {
        directory: Some(folder.join("keys")),
        passphrase_file: None,
    };
    Software::open(&config).unwrap()
}

/// The authority in this folder with a root of this name, made when it is not there.
pub(crate) async fn open(folder: &Path, keys: Arc<dyn Keys>) -> Authority {
    let store = store_bed::open(folder.join("store.db"));
    let signer = Signer::in_process(Arc::new(KeyRing::new(vec![keys], None)));
    let settings = Settings {
        ocsp_folder: Some(folder.join("ocsp-answers")),
        ..Settings::new("http://pki.example")
    };
    let authority = Authority::open(store, signer, Clock::system(), settings)
        .await
        .unwrap();
    if authority.issuers().is_empty() {
        let root = CreateRoot {
            name: "root".into(),
            subject: "CN=Crash Root".into(),
            key_algorithm: KeyAlgorithm::P256,
            signature_algorithm: None,
            token: "software".into(),
            validity: None,
            profile: None,
            crl: ca::CrlPlan::default(),
        };
        authority.create_root(&admin(), root).await.unwrap();
    }
    authority
}

/// An order of this holder.
pub(crate) fn order(holder: &crate::request::Holder, name: &str) -> IssueRequest {
    IssueRequest {
        csr: crate::request::csr(holder, "", &[&format!("dns:{name}")]),
        profile: "tls-server".into(),
        ..IssueRequest::default()
    }
}

pub(crate) fn admin() -> Principal {
    Principal::local("crash")
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}
