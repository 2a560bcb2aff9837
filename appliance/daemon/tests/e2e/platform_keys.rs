//! Keys that the appliance makes for couriers, with another program as the courier: the key is nowhere but in its hands.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::api::Api;
use crate::harness::{Appliance, Keys, judge};

/// What a judge in Python makes of its standard input.
fn judged(script: &str, words: &[&str], said: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = folder.join("../../target/venv/bin/python");
    assert!(
        python.exists(),
        "{} is needed: run `cargo xtask test`",
        python.display()
    );
    let mut program = Command::new(python)
        .arg(folder.join("tests/judges").join(script))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = program.stdin.take().unwrap();
    input.write_all(said.as_bytes()).unwrap();
    drop(input);
    let output = program.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A courier for which the appliance may make keys, and its request to sign in.
fn enrol(api: &Api) -> Value {
    let domain = json!({ "apex": "example.com" });
    assert_eq!(api.post("domains", &domain).0, 201);
    let record = json!({
        "allowed_names": ["*.example.com"], "profiles": ["tls-server"], "issuer": "issuing", "platform_keys": "require",
    });
    let (status, made) = api.post("couriers", &json!({ "name": "web01", "record": record }));
    assert_eq!(status, 201, "{made}");
    let (status, secret) = api.post("couriers/web01/client-secrets", &json!({}));
    assert_eq!(status, 201, "{secret}");
    json!({
        "uuid": made["id"], "method": "client_secret",
        "credential": { "client_id": secret["client_id"], "client_secret": secret["client_secret"] },
        "client": { "name": "judge", "version": "1.0.0", "os": "linux", "arch": "x86_64", "hostname": "web01" },
    })
}

#[test]
fn e2e_platform_keys_jwcrypto_are_nowhere_but_in_the_hands_of_the_courier() {
    let mut appliance = Appliance::init(Keys::SoftHsm);
    // So that its memory can be read here.
    let config = appliance.state().join("signerd.toml");
    let text = fs::read_to_string(&config).unwrap();
    let open = text.replace("allow_core_dumps = false", "allow_core_dumps = true");
    assert_ne!(open, text);
    fs::write(&config, open).unwrap();
    appliance.serve();
    let sign_in = enrol(&Api::new(&appliance));
    let mut secrets = Vec::new();
    for algorithm in ["ec-256", "rsa-2048"] {
        let said = json!({
            "url": appliance.api_url(), "roots": appliance.state().join("ca-bundle.pem"), "sign_in": sign_in,
            "name": "a.example.com", "algorithm": algorithm,
        });
        let got = judged("platform_key_courier.py", &[], &said.to_string());
        assert_eq!(got["matches"], true, "{algorithm}");
        assert_eq!(got["header_order"], got["order"]);
        assert_eq!(got["header_spki_matches"], true);
        assert_eq!(got["header_courier"], sign_in["uuid"]);
        let parts = got["secrets"].as_array().unwrap();
        secrets.extend(parts.iter().map(|part| part.as_str().unwrap().to_owned()));
    }
    assert_eq!(secrets.len(), 8);
    let ca = fs::read(appliance.ca("issuing")).unwrap();
    let ca = pki::Certificate::parse_all(&ca).unwrap().remove(0);
    let known = ca.public_key().spki_der();
    let wanted = format!("{}\n{}", hexadecimal(known), secrets.join("\n"));
    for pid in [appliance.pid(), appliance.signerd_pid()] {
        let found = judged("octets_in_process.py", &[&pid.to_string()], &wanted);
        assert_eq!(
            found,
            json!([0]),
            "what is there is found, and no key of the courier"
        );
    }
    let mut files: Vec<Vec<u8>> = files_in(appliance.dir.path())
        .into_iter()
        .filter_map(|file| fs::read(file).ok())
        .collect();
    if let Some(url) = appliance.database() {
        files.extend(octets_in_dump(&judge("pg_dump", &[&url])));
    }
    assert!(holds(&files, known), "the search finds what is there: files");
    for secret in &secrets {
        assert!(
            !holds(&files, &octets(secret)),
            "a key of the courier is in a file"
        );
    }
    let book = fs::read_to_string(appliance.log()).unwrap();
    assert!(!book.contains("PRIVATE KEY"));
}

fn hexadecimal(octets: &[u8]) -> String {
    octets
        .iter()
        .fold(String::new(), |text, octet| format!("{text}{octet:02x}"))
}

fn octets(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap())
        .collect();
    digits.chunks(2).map(|pair| (pair[0] << 4) | pair[1]).collect()
}

/// A dump as it is written, and each octet string in it.
fn octets_in_dump(dump: &str) -> Vec<Vec<u8>> {
    let digits = |text: &str| {
        text.find(|next: char| !next.is_ascii_hexdigit())
            .unwrap_or(text.len())
            & !1
    };
    let written = dump
        .split("\\x")
        .skip(1)
        .map(|text| octets(&text[..digits(text)]));
    written.chain([dump.as_bytes().to_vec()]).collect()
}

fn holds(places: &[Vec<u8>], wanted: &[u8]) -> bool {
    places
        .iter()
        .any(|place| place.windows(wanted.len()).any(|window| window == wanted))
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .flat_map(|entry| {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                files_in(&path)
            } else if entry.file_type().unwrap().is_file() {
                vec![path]
            } else {
                Vec::new()
            }
        })
        .collect()
}
