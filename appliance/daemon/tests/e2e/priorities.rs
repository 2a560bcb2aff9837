//! A token that stood still while everything was asked of it: what is urgent is signed first.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread::JoinHandle;

use ocsp::{CertId, HashAlgorithm, Nonce, Request};
use serde_json::{Value, json};

use crate::api::Api;
use crate::harness::{Appliance, signal};

/// Certificates that are signed ahead for: those of this test, the server's and the responder's own.
const KNOWN: usize = 24 + 2;
/// Certificates and answers that are asked for while nothing can be signed.
const EACH: usize = 6;
/// As the audit log of the signing process calls them, the most urgent first.
const PRIORITIES: [&str; 4] = ["revocation", "issuance", "ocsp_on_demand", "pre_signing"];

#[test]
fn e2e_priorities_of_a_token_that_has_too_much_to_do() {
    let mut appliance = Appliance::empty();
    let words = [
        "--init-token",
        "--root-algorithm",
        "rsa-4096",
        "--issuing-algorithm",
        "rsa-4096",
    ];
    let made = appliance.init_command(&words).output().unwrap();
    assert!(made.status.success());
    // One at a time, and slow: what is signed first is then a matter of order alone.
    let file = appliance.state().join("signerd.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    assert!(config.contains("[[tokens]]"), "{config}");
    std::fs::write(&file, config.replace("[[tokens]]", "[[tokens]]\nsessions = 1")).unwrap();
    // What the audit log has signed would stand in the line, too.
    appliance.edit("checkpoint_seconds = 5", "checkpoint_seconds = 3600");
    appliance.serve();
    let api = Api::new(&appliance);
    let csr = std::fs::read_to_string(appliance.csr("p", "/CN=p.test", Some("DNS:p.test"))).unwrap();
    let order = json!({ "csr_pem": csr, "profile": "tls-server", "issuer_id": "issuing" });
    let serials: Vec<pki::Serial> = (2..KNOWN)
        .map(|_| {
            api.post("certificates", &order).1["serial"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    let before = book(&appliance).len();

    signal(appliance.signerd_pid(), "STOP");
    let until = |count| appliance.wait_for_metric("chancery_signer_waiting", count);
    // The least urgent come first.
    let ahead = post(&appliance, "issuers/issuing/ocsp", json!({}));
    until(KNOWN);
    let asked: Vec<_> = serials
        .iter()
        .take(EACH)
        .map(|serial| ask(&appliance, *serial))
        .collect();
    until(KNOWN + EACH);
    let ordered: Vec<_> = (0..EACH)
        .map(|_| post(&appliance, "certificates", order.clone()))
        .collect();
    until(KNOWN + 2 * EACH);
    let published = post(&appliance, "issuers/issuing/crl", json!({}));
    until(KNOWN + 2 * EACH + 1);
    signal(appliance.signerd_pid(), "CONT");

    for (task, status) in ordered
        .into_iter()
        .map(|task| (task, 201))
        .chain([(published, 200)])
    {
        assert_eq!(task.join().unwrap().0, status);
    }
    for task in asked {
        let answer = task.join().unwrap();
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    let (status, told) = ahead.join().unwrap();
    // None of them was given up: the least urgent have waited, no more.
    assert_eq!(
        (status, &told["signed"], &told["failed"]),
        (200, &json!(KNOWN), &json!(0)),
        "{told}"
    );
    let order: Vec<usize> = book(&appliance).split_off(before);
    assert_eq!(order.len(), KNOWN + 2 * EACH + 1, "{order:?}");
    let mean = |rank: usize| {
        let places: Vec<usize> = (0..order.len()).filter(|place| order[*place] == rank).collect();
        places.iter().sum::<usize>() * 100 / places.len()
    };
    let means: Vec<usize> = (0..PRIORITIES.len()).map(mean).collect();
    assert!(
        means.is_sorted() && means[0] < means[1] && means[1] < means[2] && means[2] < means[3],
        "{order:?}"
    );
}

/// The priority of every signature in the book of the signing process, in its order.
fn book(appliance: &Appliance) -> Vec<usize> {
    let book = std::fs::read_to_string(appliance.state().join("signerd-audit.log")).unwrap();
    let lines = book
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter_map(|line| {
            let priority = line["priority"].as_str()?;
            // Checkpoints of the audit log, the least urgent of all, are not of this test.
            let rank = PRIORITIES.iter().position(|known| *known == priority)?;
            let made = line["signatures"]
                .as_array()?
                .iter()
                .filter_map(|tally| tally["made"].as_u64());
            Some(vec![rank; usize::try_from(made.sum::<u64>()).unwrap()])
        })
        .flatten()
        .collect()
}

fn post(appliance: &Appliance, path: &'static str, body: Value) -> JoinHandle<(u16, Value)> {
    let api = Api::new(appliance);
    std::thread::spawn(move || api.post(path, &body))
}

/// An OCSP request with a nonce, so that its answer has to be signed.
fn ask(appliance: &Appliance, serial: pki::Serial) -> JoinHandle<Vec<u8>> {
    let issuer = pki::Certificate::parse(&std::fs::read(appliance.ca("issuing")).unwrap()).unwrap();
    let id = CertId::for_issuer(
        HashAlgorithm::Sha1,
        issuer.subject().der(),
        issuer.public_key(),
        serial,
    );
    let request = Request::new(id)
        .with_nonce(Nonce::new(&[7; 32]).unwrap())
        .to_der()
        .unwrap();
    let address = appliance.public_url().trim_start_matches("http://").to_owned();
    let head = format!(
        "POST /.well-known/pki/ocsp/issuing HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        request.len()
    );
    std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&[head.as_bytes(), &request].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    })
}
