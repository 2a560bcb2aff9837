//! OpenSSL's command line: `openssl ocsp`, which signs every answer and closes the connection, and `openssl ca -gencrl`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use ocsp::{CertId, HashAlgorithm, Request};
use pki::{Certificate, Serial};
use tempfile::TempDir;

use crate::peer::{Peer, free_port, make_ca, run};

/// The serial that its index knows.
const SERIAL: &str = "4D2D";

/// Starts `openssl ocsp` on an index of one certificate; the request for it comes along.
pub(crate) async fn ocsp() -> Result<(Peer, Vec<u8>)> {
    let folder = TempDir::new()?;
    let request = index(folder.path())?;
    let port = free_port()?;
    let command = ocsp_command(folder.path(), port);
    let peer = Peer::start("openssl ocsp", folder, command, port).await?;
    let request = peer.door.post("/", "application/ocsp-request", "", &request);
    Ok((peer, request))
}

/// An answer that a CA signed itself, without certificates in it, and the request for it: both in DER.
pub(crate) fn answer() -> Result<(Vec<u8>, Vec<u8>)> {
    let folder = TempDir::new()?;
    let request = index(folder.path())?;
    run(answer_command(folder.path()))?;
    Ok((std::fs::read(folder.path().join("answer.der"))?, request))
}

/// A CA with an index of one certificate, and the request for its status.
fn index(folder: &Path) -> Result<Vec<u8>> {
    make_ca(folder)?;
    let line = format!("V\t351121000000Z\t\t{SERIAL}\tunknown\t/CN=load.chancery.test\n");
    std::fs::write(folder.join("index.txt"), line)?;
    let ca = Certificate::parse(&std::fs::read(folder.join("ca.pem"))?)?;
    let serial = Serial::from_unsigned(&[0x4d, 0x2d])?;
    let id = CertId::for_issuer(HashAlgorithm::Sha1, ca.subject().der(), ca.public_key(), serial);
    Ok(Request::new(id).to_der()?)
}

/// The issuer stands before the serial: OpenSSL reads them in this order.
fn answer_command(folder: &Path) -> Command {
    let mut command = Command::new("openssl");
    command.current_dir(folder).arg("ocsp");
    command.args(
        "-index index.txt -CA ca.pem -rkey ca-key.pem -rsigner ca.pem -ndays 1 -resp_no_certs".split(' '),
    );
    command.args(["-issuer", "ca.pem", "-serial", &format!("0x{SERIAL}")]);
    command.args(["-respout", "answer.der", "-noverify"]);
    command
}

fn ocsp_command(folder: &Path, port: u16) -> Command {
    let mut command = Command::new("openssl");
    command
        .current_dir(folder)
        .args(["ocsp", "-port", &port.to_string()]);
    command.args("-index index.txt -CA ca.pem -rkey ca-key.pem -rsigner ca.pem -ndays 1".split(' '));
    command
}

/// How long `openssl ca -gencrl` takes for a CRL with so many entries.
pub(crate) fn gencrl(entries: u64) -> Result<Duration> {
    let folder = TempDir::new()?;
    make_ca(folder.path())?;
    let mut index = String::new();
    for number in 0..entries {
        let serial = crate::seed::serial(entries, number, true);
        let reason = ["", ",keyCompromise", ",superseded", ",cessationOfOperation"];
        let reason = reason.get(usize::try_from(number % 4)?).unwrap_or(&"");
        let text: String = serial.as_bytes().iter().fold(String::new(), |mut text, octet| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{octet:02X}");
            text
        });
        let _ = writeln!(
            index,
            "R\t351121000000Z\t261121000000Z{reason}\t{text}\tunknown\t/CN={number}"
        );
    }
    std::fs::write(folder.path().join("index.txt"), index)?;
    let configuration = "[ca]\ndefault_ca = peer\n[peer]\ndatabase = index.txt\ncertificate = ca.pem\nprivate_key = ca-key.pem\n\
        default_md = sha256\ndefault_crl_days = 7\nunique_subject = no\n";
    std::fs::write(folder.path().join("ca.cnf"), configuration)?;
    let command = gencrl_command(folder.path());
    let begun = Instant::now();
    run(command)?;
    Ok(begun.elapsed())
}

fn gencrl_command(folder: &Path) -> Command {
    let mut command = Command::new("openssl");
    command
        .current_dir(folder)
        .args("ca -config ca.cnf -gencrl -out crl.pem".split(' '));
    command
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;
    use crate::peer::words;

    #[test]
    fn the_command_lines() {
        let shown = words(&ocsp_command(Path::new("/"), 8));
        assert!(
            shown.starts_with("openssl ocsp -port 8 -index index.txt "),
            "{shown}"
        );
        assert_eq!(
            words(&gencrl_command(Path::new("/"))),
            "openssl ca -config ca.cnf -gencrl -out crl.pem"
        );
    }

    #[test]
    fn openssl_makes_an_answer() {
        let (answer, request) = answer().unwrap();
        assert!(
            answer.get(4..7) == Some(&[0x0a, 0x01, 0x00]) || answer.get(3..6) == Some(&[0x0a, 0x01, 0x00])
        );
        assert!(!request.is_empty());
    }

    #[test]
    fn openssl_makes_a_crl_of_the_index() {
        assert!(gencrl(100).unwrap() > Duration::ZERO);
    }
}
