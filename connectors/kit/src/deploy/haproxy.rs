//! The runtime interface of HAProxy: a certificate is replaced in its memory, and no connection ends.
//!
//! The interface takes commands line by line, several in one line behind semicolons, and ends a payload at the first empty line. So a
//! name is refused that would be more than a name, and a payload is sent without empty lines: what followed one would be a command, and
//! its answer would repeat a piece of the key.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use crate::fault::{Fault, FaultKind};

/// Longest answer, in octets.
const MAX_ANSWER: u64 = 64 * 1024;
/// Most of an answer that a fault repeats, in letters.
const MAX_TOLD: usize = 200;
/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// `set ssl cert` and `commit ssl cert` (HAProxy management guide §9.3).
pub(super) async fn replace(socket: &Path, certificate: &Path, contents: &[u8]) -> Result<(), Fault> {
    let at = socket.display();
    let failed = |error| Fault::new(FaultKind::Apply, format!("{at} cannot be used")).because(error);
    let said = |answer: &str| Fault::new(FaultKind::Apply, format!("{at}: HAProxy says: {}", told(answer)));
    let name = certificate.display().to_string();
    if name
        .contains(|letter: char| letter.is_whitespace() || letter.is_control() || ";\\\"'".contains(letter))
    {
        let message = format!("{name:?} is no name that HAProxy's runtime interface can be told");
        return Err(Fault::new(FaultKind::Apply, message));
    }
    let set = Zeroizing::new(format!(
        "set ssl cert {name} <<\n{}\n",
        payload(contents).as_str()
    ));
    let answer = ask(socket, set.as_bytes()).await.map_err(failed)?;
    if !Step::Set.is_done(&answer) {
        return Err(said(&answer));
    }
    let commit = format!("commit ssl cert {name}\n");
    let answer = ask(socket, commit.as_bytes()).await.map_err(failed)?;
    if Step::Commit.is_done(&answer) {
        return Ok(());
    }
    let _ = ask(socket, format!("abort ssl cert {name}\n").as_bytes()).await;
    Err(said(&answer))
}

/// A command of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `set ssl cert`.
    Set,
    /// `commit ssl cert`.
    Commit,
}

impl Step {
    /// Whether an answer says that it was done. A refusal repeats the name of the certificate, which may have any word in it: what counts is
    /// how a line begins.
    pub fn is_done(self, answer: &str) -> bool {
        let words: &[&str] = match self {
            Self::Set => &["Transaction created", "Transaction updated"],
            Self::Commit => &["Success!"],
        };
        answer
            .lines()
            .any(|line| words.iter().any(|word| line.starts_with(word)))
    }
}

/// The lines that say something, each with its end: what is sent has no empty line in it.
pub fn payload(contents: &[u8]) -> Zeroizing<String> {
    let text = Zeroizing::new(String::from_utf8_lossy(contents).into_owned());
    let mut lines = Zeroizing::new(String::with_capacity(text.len() + 1));
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        lines.push_str(line);
        lines.push('\n');
    }
    lines
}

/// An answer in one line that speaks to no terminal.
pub fn told(answer: &str) -> String {
    let letters = answer.trim().chars().take(MAX_TOLD);
    letters
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

async fn ask(socket: &Path, words: &[u8]) -> std::io::Result<String> {
    let talk = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(words).await?;
        stream.shutdown().await?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    tokio::time::timeout(PATIENCE, talk)
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test says what broke by panicking"
    )]

    use tokio::net::UnixListener;

    use super::*;

    /// A simulated runtime interface that gives these answers in turn; what it heard, and how it ended.
    async fn with(certificate: &str, contents: &[u8], answers: &[&[u8]]) -> (Vec<String>, Result<(), Fault>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("haproxy.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let mut heard = Vec::new();
        let serve = async {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut words = String::new();
                stream.read_to_string(&mut words).await.unwrap();
                heard.push(words);
                // Whoever asks may stop reading before the end.
                let _ = stream.write_all(answer).await;
            }
            std::future::pending::<()>().await;
        };
        let outcome = tokio::select! {
            () = serve => unreachable!("it serves for ever"),
            outcome = replace(&path, Path::new(certificate), contents) => outcome,
        };
        (heard, outcome)
    }

    #[tokio::test]
    async fn a_payload_ends_where_the_file_ends() {
        let contents = b"leaf\n\n\n\nchain\r\n\r\n  \nshow info\n\nkey";
        let (heard, outcome) = with("/etc/web.pem", contents, &[b"Transaction created", b"Success!\n"]).await;
        outcome.unwrap();
        assert_eq!(
            heard[0],
            "set ssl cert /etc/web.pem <<\nleaf\nchain\nshow info\nkey\n\n"
        );
        assert_eq!(heard[1], "commit ssl cert /etc/web.pem\n");
    }

    #[tokio::test]
    async fn a_name_is_never_a_command() {
        for name in [
            "/etc/a;shutdown",
            "/etc/a\nshow info",
            "/etc/a b",
            "/etc/a\\",
            "/etc/\"a",
        ] {
            let (heard, outcome) = with(name, b"leaf", &[b"Transaction", b"Success"]).await;
            assert!(heard.is_empty(), "{name}: {heard:?}");
            assert!(outcome.unwrap_err().to_string().contains("no name"), "{name}");
        }
    }

    #[tokio::test]
    async fn a_refusal_that_repeats_the_name_is_a_refusal() {
        let name = "/etc/Success!/Transaction.pem";
        let refusal = b"unable to find the certificate file '/etc/Success!/Transaction.pem'\nCan't update /etc/Success!/Transaction.pem!\n";
        let (heard, outcome) = with(name, b"leaf", &[refusal]).await;
        assert!(outcome.is_err() && heard.len() == 1, "{heard:?}");
        let answers: [&[u8]; 3] = [b"\nTransaction updated for certificate a!\n", refusal, b""];
        let (heard, outcome) = with(name, b"leaf", &answers).await;
        assert!(outcome.is_err() && heard.len() == 3, "{heard:?}");
    }

    #[tokio::test]
    async fn what_is_refused_is_taken_back_and_told_in_one_line() {
        let refused = [
            b"Transaction created".as_slice(),
            b"Can't\x1b[2J\ncommit\xff",
            b"aborted",
        ];
        let (heard, outcome) = with("/etc/web.pem", b"leaf", &refused).await;
        assert_eq!(heard[2], "abort ssl cert /etc/web.pem\n");
        let said = outcome.unwrap_err().to_string();
        assert!(said.contains("Can't [2J commit"), "{said}");
        assert!(!said.contains(char::is_control), "{said:?}");
        let long = vec![b'x'; 1_000_000];
        let (_, outcome) = with("/etc/web.pem", b"leaf", &[&long]).await;
        assert!(outcome.unwrap_err().to_string().len() < 2 * MAX_TOLD);
    }
}
