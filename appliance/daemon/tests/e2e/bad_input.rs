//! Bad input against a running server: each gets its stable code, and nothing is changed.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::Api;
use crate::harness::{Appliance, Keys, free_ports, judge, run, text};

/// The vectors that are requests: what each is answered with.
const REQUESTS: &[(&str, u16, &str)] = &[
    ("bad-basic-constraints-garbled", 400, "csr_malformed"),
    ("bad-duplicate-extension", 400, "csr_duplicate_extension"),
    ("bad-ec-p192", 400, "key_algorithm_unsupported"),
    ("bad-ec-secp256k1", 400, "key_algorithm_unsupported"),
    ("bad-ed448", 400, "key_algorithm_unsupported"),
    ("bad-key-usage-garbled", 400, "csr_malformed"),
    ("bad-many-1001", 422, "san_too_many"),
    ("bad-rsa-1024", 400, "key_too_weak"),
    ("bad-rsa-e3", 400, "key_too_weak"),
    ("bad-san-directory-name", 422, "san_type_not_allowed"),
    ("bad-san-edi-party-name", 422, "san_type_not_allowed"),
    ("bad-san-garbled", 422, "san_malformed"),
    ("bad-san-ip-5", 422, "san_invalid"),
    ("bad-san-nul", 422, "san_invalid"),
    ("bad-san-other-name", 422, "san_type_not_allowed"),
    ("bad-san-registered-id", 422, "san_type_not_allowed"),
    ("bad-san-wildcard-middle", 422, "san_invalid"),
    ("bad-san-wildcard-part", 422, "san_invalid"),
    ("bad-san-x400-address", 422, "san_type_not_allowed"),
    ("bad-sha1", 400, "csr_signature_algorithm_unsupported"),
    ("bad-sha224", 400, "csr_signature_algorithm_unsupported"),
    ("many-1000", 422, "san_too_many"),
];

/// Keys that exist but must not be certified.
const KEYS: [&str; 4] = [
    "bad-roca",
    "bad-debian-badkeys",
    "bad-debian-le32-noreadrnd-1",
    "bad-debian-le64-rnd-1",
];

fn issue(api: &Api, csr: &[u8]) -> (u16, String) {
    let csr = pki::pem::encode("CERTIFICATE REQUEST", csr);
    code(api.post("certificates", &order(&csr, "tls-server")))
}

fn order(csr: &str, profile: &str) -> Value {
    json!({ "csr_pem": csr, "profile": profile, "issuer_id": "issuing" })
}

fn code((status, body): (u16, Value)) -> (u16, String) {
    let code = body["error"]["code"].as_str().unwrap_or("none").to_owned();
    (status, code)
}

fn refusal(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// Certificates, open intents, issuers: what must not change.
fn state(appliance: &Appliance) -> [usize; 3] {
    let store = appliance.store();
    let filter = store::certificates::Filter {
        limit: 100_000,
        ..store::certificates::Filter::default()
    };
    let certificates = store.read_here(|reader| store::certificates::list(reader, &filter));
    let intents = store.read_here(store::intents::all);
    let issuers = store.read_here(store::issuers::all);
    [
        certificates.unwrap().len(),
        intents.unwrap().len(),
        issuers.unwrap().len(),
    ]
}

fn vector(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../protocols/pki/testdata");
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A request whose key is replaced: for keys whose private half nobody here has.
fn with_key(name: &str) -> Vec<u8> {
    let (csr, bad) = (
        vector("csr/rsa-pkcs1-sha256.der"),
        vector(&format!("key/{name}.spki.der")),
    );
    let at = csr.windows(24).position(|window| *window == bad[..24]).unwrap();
    [&csr[..at], &bad, &csr[at + bad.len()..]].concat()
}

#[test]
fn requests_that_must_not_become_certificates() {
    let appliance = Appliance::start(Keys::Software);
    let api = Api::new(&appliance);
    let before = state(&appliance);
    for (name, status, code) in REQUESTS {
        let answer = issue(&api, &vector(&format!("csr/{name}.der")));
        assert_eq!(answer, refusal(*status, code), "{name}");
    }
    for name in KEYS {
        assert_eq!(
            issue(&api, &with_key(name)),
            refusal(400, "key_too_weak"),
            "{name}"
        );
    }
    let words = "-subj /CN=a.example -addext subjectAltName=DNS:a.example -addext basicConstraints=CA:TRUE";
    let words: Vec<&str> = words.split(' ').collect();
    let authority = appliance.csr_with("authority", "ec -pkeyopt ec_paramgen_curve:P-256", &words);
    let authority = pki::pem::decode(&std::fs::read(authority).unwrap())
        .unwrap()
        .remove(0)
        .der;
    assert_eq!(issue(&api, &authority), refusal(422, "ca_not_allowed"));
    let mut wrong = vector("csr/ecdsa-sha256.der");
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(issue(&api, &wrong), refusal(400, "csr_signature_invalid"));
    let whole = vector("csr/ecdsa-sha256.der");
    for length in 0..whole.len() {
        let (status, code) = issue(&api, &whole[..length]);
        assert_eq!(
            (status, code.split('_').next().unwrap()),
            (400, "csr"),
            "{length} octets: {code}"
        );
    }
    assert_eq!(state(&appliance), before);
}

#[test]
fn keys_on_the_operators_list() {
    let mut appliance = Appliance::start(Keys::Software);
    let names = [
        "-subj",
        "/CN=a.example",
        "-addext",
        "subjectAltName=DNS:a.example",
    ];
    let csr = appliance.csr_with("listed", "rsa:2048", &names);
    let key = appliance.file("listed.key");
    let words = ["cert", "issue", "--profile", "tls-server", csr.to_str().unwrap()];
    let issued = appliance.json(&words);
    // As Debian's list names a key: the end of the SHA-1 of what `openssl rsa -modulus` prints.
    let modulus = judge(
        "openssl",
        &["rsa", "-in", key.to_str().unwrap(), "-noout", "-modulus"],
    );
    let digest = text(&run("sha1sum", &[], modulus.as_bytes()));
    appliance.write("state/listed", &format!("# a test\n{}\n", &digest[20..40]));
    appliance.signal("TERM");
    appliance.wait();
    appliance.edit("blocklists = []", "blocklists = [\"unlisted\"]");
    for words in [["config", "check"].as_slice(), &["serve"]] {
        let refused = appliance.run(words);
        assert_eq!(refused.status.code(), Some(78), "{}", text(&refused));
        assert!(text(&refused).contains("keys.blocklists: "), "{}", text(&refused));
    }
    appliance.edit("\"unlisted\"", "\"listed\"");
    appliance.ok(&["config", "check"]);
    appliance.serve();
    let before = state(&appliance);
    let refused = appliance.run(&words);
    assert!(text(&refused).contains("key_too_weak"), "{}", text(&refused));
    let refused = appliance.run(&["cert", "renew", issued["serial"].as_str().unwrap()]);
    assert!(text(&refused).contains("key_too_weak"), "{}", text(&refused));
    assert_eq!(state(&appliance), before);
}

#[test]
fn requests_that_are_no_orders() {
    let appliance = Appliance::start(Keys::Software);
    let api = Api::new(&appliance);
    let before = state(&appliance);
    let csr = pki::pem::encode("CERTIFICATE REQUEST", &vector("csr/ecdsa-sha256.der"));
    let unknown = api.post("certificates", &order(&csr, "tls-sever"));
    assert_eq!(code(unknown), refusal(400, "unknown_profile"));
    let long = api.post("certificates", &order(&"x".repeat(10 << 20), "tls-server"));
    assert_eq!(code(long), refusal(413, "body_too_large"));
    let field = json!({ "csr_pem": csr, "profil": "tls-server" });
    assert_eq!(
        code(api.post("certificates", &field)),
        refusal(400, "unknown_field")
    );
    let serial = format!("certificates/{}", "5a".repeat(21));
    assert_eq!(code(api.get(&serial)), refusal(400, "serial_invalid"));
    let revocation = format!("certificates/{}/revoke", "5a".repeat(16));
    let unknown = api.post(&revocation, &json!({ "reason": "superseded" }));
    assert_eq!(code(unknown), refusal(404, "not_found"));
    assert_eq!(state(&appliance), before);
}

#[test]
fn a_slow_body_is_not_waited_for() {
    let mut appliance = Appliance::init(Keys::Software);
    appliance.edit("body_seconds = 30", "body_seconds = 1");
    appliance.serve();
    let before = state(&appliance);
    let address = appliance.api_url().trim_start_matches("https://").to_owned();
    let token = std::fs::read_to_string(appliance.state().join("admin.token")).unwrap();
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let since = Instant::now();
    let head = format!(
        "POST /api/v1/certificates HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
        token.trim()
    );
    let mut input = client.stdin.take().unwrap();
    input.write_all(head.as_bytes()).unwrap();
    input.flush().unwrap();
    let mut said = String::new();
    client.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    client.wait().unwrap();
    assert!(
        said.starts_with("HTTP/1.1 408") && said.contains("body_timeout"),
        "{said}"
    );
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    assert_eq!(state(&appliance), before);
}

#[test]
fn what_was_handed_out_stays_when_the_disk_is_full_on_a_file() {
    let mut appliance = Appliance::init(Keys::Software);
    let url = "url = \"sqlite:chancery.db\"";
    let limited = format!("{url}\nmax_pages = 256");
    appliance.edit(url, &limited);
    appliance.serve();
    let api = Api::new(&appliance);
    let csr = std::fs::read_to_string(appliance.csr("full", "/CN=full.test", Some("DNS:full.test"))).unwrap();
    let mut handed_out = 0;
    let refused = loop {
        match api.post("certificates", &order(&csr, "tls-server")) {
            (201, _) => handed_out += 1,
            answer => break code(answer),
        }
        assert!(handed_out < 1000, "the store never fills");
    };
    assert_eq!(refused, refusal(503, "store_full"));
    appliance.signal("TERM");
    assert!(appliance.wait().success(), "{}", appliance.log_text());
    appliance.edit(&limited, url);
    appliance.serve();
    assert_eq!(appliance.json(&["audit", "verify"])["sound"], true);
    let [certificates, intents, _] = state(&appliance);
    assert!(handed_out > 0 && certificates >= handed_out && intents == 0);
    appliance.issue("after", "tls-server", "/CN=after.test", Some("DNS:after.test"));
}

#[test]
fn a_clock_set_back_is_told_until_it_is_accepted() {
    let mut appliance = Appliance::init(Keys::Software);
    // The last time this appliance saw lies two hours ahead of the clock.
    let later = jiff::Timestamp::now().as_millisecond() + 2 * 3_600_000;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = store::Store::open(&appliance.store_config()).unwrap();
    let mark = later.to_string();
    runtime
        .block_on(store.write(move |tx| store::settings::put(tx, "clock.high_water", &mark)))
        .unwrap();
    drop(store);
    appliance.serve();
    let before = state(&appliance);
    let csr = appliance.csr("late", "/CN=late.test", Some("DNS:late.test"));
    let words = ["cert", "issue", "--profile", "tls-server", csr.to_str().unwrap()];
    let refused = appliance.run(&words);
    assert!(!refused.status.success(), "{}", text(&refused));
    assert!(text(&refused).contains("clock_set_back"), "{}", text(&refused));
    assert_eq!(state(&appliance), before);
    assert!(text(&refused).contains("accept-clock"), "{}", text(&refused));
    appliance.ok(&["ca", "accept-clock"]);
    appliance.ok(&words);
}

/// Moves a folder to a file system that has no more room than this, seen by the server alone, and makes CAs until it is
/// full; gives how many were made and the answer to the last order.
fn fill(appliance: &mut Appliance, folder: &Path, size: &str, token: &str) -> (usize, (u16, Value)) {
    let copy = appliance.file("copy");
    judge("cp", &["-a", folder.to_str().unwrap(), copy.to_str().unwrap()]);
    let script = format!(
        "mount -t tmpfs -o size={size} none {0} && cp -a {1}/. {0}/ && exec \"$@\"",
        folder.display(),
        copy.display()
    );
    appliance.serve_under(&["unshare", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
    let api = Api::new(appliance);
    for made in 0..100 {
        let body = json!({
            "kind": "issuing", "name": format!("more-{made}"), "parent": "root", "subject": format!("CN=More {made}"),
            "token": token, "key_algorithm": "ec-p256",
        });
        let answer = api.post("issuers", &body);
        if answer.0 != 201 {
            return (made, answer);
        }
    }
    panic!("it never fills");
}

/// No authority has appeared beyond those that were made, and those that are there go on.
fn goes_on(appliance: &Appliance, made: usize) {
    let listed = appliance.json(&["ca", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 2 + made);
    appliance.issue("still", "tls-server", "/CN=still.test", Some("DNS:still.test"));
}

#[test]
fn a_full_folder_of_keys_is_told_and_no_authority_appears() {
    let mut appliance = Appliance::init(Keys::Software);
    let folder = appliance.state().join("keys");
    let (made, refused) = fill(&mut appliance, &folder, "32k", "software");
    assert_eq!(code(refused), refusal(503, "hsm_full"));
    goes_on(&appliance, made);
}

#[test]
fn a_full_token_is_told_and_no_authority_appears() {
    let mut appliance = Appliance::init(Keys::SoftHsm);
    let folder = appliance.file("tokens");
    let (made, refused) = fill(&mut appliance, &folder, "120k", "hsm");
    // SoftHSM2 has no word of its own for "full"; a module that says CKR_DEVICE_MEMORY is answered with `hsm_full`.
    let message = refused.1["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("C_GenerateKeyPair"), "{message}");
    assert_eq!(code(refused), refusal(503, "hsm_unavailable"));
    goes_on(&appliance, made);
}

/// The configuration of another server: what it shares with the first one, and what it has of its own.
fn beside(first: &Appliance, name: &str, state: &Path, store: Option<&Path>, has_own_ports: bool) -> PathBuf {
    let text = std::fs::read_to_string(first.config()).unwrap();
    let mut config: toml::Table = toml::from_str(&text).unwrap();
    config["state_dir"] = state.to_str().unwrap().into();
    if let Some(store) = store {
        config["store"]["url"] = format!("sqlite:{}", store.display()).into();
    }
    if has_own_ports {
        for (listener, port) in ["api", "public", "metrics"].into_iter().zip(free_ports()) {
            config[listener]["listen"] = format!("127.0.0.1:{port}").into();
        }
    }
    first.write(name, &toml::to_string(&config).unwrap())
}

/// A second server where one is at work: the message names what is taken and what helps, whatever the two share.
#[test]
fn a_second_server_is_told_what_the_first_one_holds() {
    let mut first = Appliance::init(Keys::Software);
    let (state, store) = (first.state(), first.state().join("chancery.db"));
    let (other_state, other_store) = (first.file("other-state"), first.file("other.db"));
    std::fs::create_dir(&other_state).unwrap();
    let is_file = first.database().is_none();
    if is_file {
        std::fs::copy(&store, &other_store).unwrap();
    }
    first.serve();
    let refused = |config: &Path| {
        let words = ["--config", config.to_str().unwrap(), "serve"];
        let output = first.command(&words).output().unwrap();
        assert!(
            !output.status.success(),
            "{}: {}",
            config.display(),
            text(&output)
        );
        text(&output)
    };
    for has_own_ports in [false, true] {
        let said = refused(&beside(&first, "same.toml", &state, None, has_own_ports));
        let words = ["is in use by another process: stop it first", "of its own"];
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
    if !is_file {
        return;
    }
    // What two servers in one folder would share is the answers, whatever their stores are.
    let said = refused(&beside(&first, "store.toml", &state, Some(&other_store), true));
    let words = ["another server works in this state folder", "chancery init"];
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
    let said = refused(&beside(&first, "folder.toml", &other_state, Some(&store), true));
    let words = [
        "chancery.db is in use by another process: stop it first",
        "PostgreSQL",
    ];
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

#[test]
fn a_subject_that_is_none_is_told_beside_one_that_is() {
    let appliance = Appliance::start(Keys::Software);
    for (subject, what) in [
        ("nonsense", "equals sign"),
        ("XX=what", "XX"),
        ("", "CN=Example Root"),
    ] {
        let words = [
            "ca",
            "create-root",
            "new",
            "--subject",
            subject,
            "--token",
            "software",
        ];
        let refused = appliance.run(&words);
        assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
        let said = text(&refused);
        assert!(
            said.contains(what) && said.contains("CN=Example Root") && said.contains("hint:"),
            "{said}"
        );
    }
}
