//! Certificates whose keys are made in a token of the host: SoftHSM2, looked at by `pkcs11-tool` and OpenSSL.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use super::host::{Host, text};
use crate::harness::{Appliance, Keys, judge, run, softhsm};

const PIN: &str = "271828";

/// Gives a host a token, in which its courier makes keys; `more` are more keys of the section `key`.
pub(crate) fn give_token(host: &mut Host, name: &str, more: &str) {
    let tokens = host.file("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let configuration = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    std::fs::write(host.file("softhsm2.conf"), configuration).unwrap();
    host.set(
        "SOFTHSM2_CONF",
        host.file("softhsm2.conf").to_str().unwrap().to_owned(),
    );
    let words = ["--init-token", "--free", "--label", "host"];
    let mut command = host.command("softhsm2-util");
    let made = command
        .args(words)
        .args(["--so-pin", "31415926", "--pin", PIN])
        .output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", text(&made));
    write_pin(host, PIN);
    let named = format!("  name: {name}\n");
    let key = format!(
        "{named}  key: {{ provider: pkcs11, module: {}, token_label: host, pin_file: pin{more} }}\n",
        softhsm()
    );
    host.change(&named, &key);
}

fn write_pin(host: &Host, pin: &str) {
    std::fs::write(host.file("pin"), format!("{pin}\n")).unwrap();
    std::fs::set_permissions(host.file("pin"), std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// What `pkcs11-tool` says of the token.
fn tool(host: &Host, words: &[&str]) -> String {
    let mut command = host.command("pkcs11-tool");
    let module = softhsm();
    let login = [
        "--module",
        &module,
        "--token-label",
        "host",
        "--login",
        "--pin",
        PIN,
    ];
    let output = command.args(login).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", text(&output));
    text(&output)
}

/// The labels of the private keys in the token.
pub(crate) fn labels(host: &Host) -> Vec<String> {
    let listed = tool(host, &["--list-objects", "--type", "privkey"]);
    for access in listed.lines().filter(|line| line.contains("Access:")) {
        assert!(
            access.contains("sensitive") && access.contains("never extractable"),
            "{listed}"
        );
    }
    let labels = listed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("label:"));
    labels.map(|label| label.trim().to_owned()).collect()
}

/// The attributes of the reference that stands in the place of the key: label, and identifier in hexadecimal digits.
pub(crate) fn reference(host: &Host) -> (String, String) {
    let uri = std::fs::read_to_string(host.output("privkey.pem")).unwrap();
    assert!(!uri.contains("PRIVATE") && !uri.contains(PIN), "{uri}");
    let rest = uri.strip_prefix("pkcs11:token=host;object=").unwrap();
    let (label, rest) = rest.split_once(";id=").unwrap();
    let id = rest.strip_suffix(";type=private\n").unwrap().replace('%', "");
    (label.to_owned(), id.to_lowercase())
}

/// The public key that the token has under the reference, in PEM as OpenSSL writes it.
pub(crate) fn public_key(host: &Host) -> String {
    let (_, id) = reference(host);
    let der = host.file("public.der");
    let path = der.to_str().unwrap();
    tool(
        host,
        &[
            "--read-object",
            "--type",
            "pubkey",
            "--id",
            &id,
            "--output-file",
            path,
        ],
    );
    judge("openssl", &["pkey", "-pubin", "-inform", "DER", "-in", path])
}

/// What stands on disk holds together, and the key in the token signs for it.
fn check(host: &Host) -> String {
    let path = |name: &str| host.output(name).to_str().unwrap().to_owned();
    let (ca, chain, leaf) = (path("ca.pem"), path("chain.pem"), path("cert.pem"));
    judge(
        "openssl",
        &["verify", "-CAfile", &ca, "-untrusted", &chain, &leaf],
    );
    let public = judge("openssl", &["x509", "-in", &leaf, "-noout", "-pubkey"]);
    assert_eq!(public, public_key(host));
    judge("openssl", &["x509", "-in", &leaf, "-noout", "-serial"])
}

/// Signatures of the key in the token, verified by OpenSSL with the certificate's key.
fn sign(host: &Host, mechanism: &[&str], verify: &[&str]) {
    let path = |name: &str| host.file(name).to_str().unwrap().to_owned();
    let leaf = host.output("cert.pem").to_str().unwrap().to_owned();
    let public = judge("openssl", &["x509", "-in", &leaf, "-noout", "-pubkey"]);
    std::fs::write(host.file("public.pem"), public).unwrap();
    std::fs::write(host.file("message"), [7; 32]).unwrap();
    let (_, id) = reference(host);
    let (message, signature) = (path("message"), path("signature"));
    let files = ["--input-file", &message, "--output-file", &signature];
    tool(
        host,
        &[&["--sign", "--id", &id, "--mechanism"], mechanism, &files].concat(),
    );
    let key = path("public.pem");
    let verify: Vec<&str> = verify
        .iter()
        .map(|word| match *word {
            "KEY" => key.as_str(),
            "MESSAGE" => message.as_str(),
            "SIGNATURE" => signature.as_str(),
            word => word,
        })
        .collect();
    judge("openssl", &verify);
}

fn sign_with_ec(host: &Host) {
    let verify = [
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        "KEY",
        "-in",
        "MESSAGE",
        "-sigfile",
        "SIGNATURE",
    ];
    sign(host, &["ECDSA", "--signature-format", "openssl"], &verify);
}

fn sign_with_rsa(host: &Host) {
    let verify = [
        "dgst",
        "-sha256",
        "-verify",
        "KEY",
        "-signature",
        "SIGNATURE",
        "MESSAGE",
    ];
    sign(host, &["SHA256-RSA-PKCS"], &verify);
}

/// The request of an order that is on its way, read by OpenSSL; whether there was one.
pub(crate) fn check_request(host: &Host, name: &str) -> bool {
    let state = std::fs::read_to_string(host.file(&format!("state/{name}.json"))).unwrap_or_default();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap_or_default();
    let Some(request) = state["pending"]["request"]["csr_pem"].as_str() else {
        return false;
    };
    let read = run("openssl", &["req", "-verify", "-noout"], request.as_bytes());
    assert!(
        read.status.success() && text(&read).contains("verify OK"),
        "{}",
        text(&read)
    );
    true
}

fn token_host(appliance: &Appliance, name: &str, more: &str) -> Host {
    let mut host = Host::new(appliance, name, "");
    give_token(&mut host, name, more);
    host
}

#[test]
fn e2e_courier_softhsm() {
    let appliance = Appliance::start(Keys::Software);
    let host = token_host(&appliance, "web01", "");
    host.change("    dir: live\n", "    dir: live\n    keep_previous: 1\n");
    assert!(host.ok(&["validate-config"]).contains("in the token host"));
    assert_eq!(host.json(&["run", "--dry-run"])["action"], "would_issue");
    assert_eq!(labels(&host), Vec::<String>::new());

    assert_eq!(host.json(&["run"])["action"], "issued");
    let first = check(&host);
    sign_with_ec(&host);
    let (label, _) = reference(&host);
    assert_eq!(labels(&host), std::slice::from_ref(&label));
    assert!(host.ok(&["doctor"]).contains("token: the token host has the key"));

    // A new key for each generation; the one of before stays as long as its files.
    assert_eq!(host.json(&["renew", "--force"])["action"], "renewed");
    let second = check(&host);
    let (next, _) = reference(&host);
    assert!(first != second && label != next);
    assert_eq!(labels(&host).len(), 2);
    host.ok(&["renew", "--force"]);
    let (last, _) = reference(&host);
    let mut left = labels(&host);
    left.sort();
    let mut wanted = [next, last.clone()];
    wanted.sort();
    assert_eq!(left, wanted, "the first key is destroyed with its files");

    // The key of before, where it is to stay, in another certificate: the generation of before has the same one.
    let third = check(&host);
    let told = host.json(&["renew", "--force", "--reuse-key"]);
    assert_eq!(told["action"], "renewed", "{told}");
    assert_ne!(check(&host), third);
    assert_eq!(reference(&host).0, last);
    assert_eq!(labels(&host), [last]);

    let refused = host.run(&[
        "export",
        "--format",
        "haproxy",
        "--out",
        host.file("x").to_str().unwrap(),
    ]);
    assert!(
        text(&refused).contains("stays in its token"),
        "{}",
        text(&refused)
    );
    host.ok(&[
        "export",
        "--format",
        "der",
        "--out",
        host.file("x").to_str().unwrap(),
    ]);
    host.add("  deploy: [{ type: haproxy }]\n");
    let refused = host.run(&["validate-config"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
}

#[test]
fn e2e_courier_softhsm_rsa_and_prepared_keys() {
    let appliance = Appliance::start(Keys::Software);
    let host = token_host(&appliance, "web01", ", algorithm: rsa-2048, label: tls");
    host.change("    dir: live\n", "    dir: live\n    owner: nobody\n");
    host.ok(&["generate-keys"]);
    let prepared = labels(&host);
    host.ok(&["generate-keys"]);
    let again = labels(&host);
    assert!(
        again.len() == 1 && again != prepared && again[0].starts_with("tls-"),
        "{again:?}"
    );
    host.ok(&["run"]);
    sign_with_rsa(&host);
    assert_eq!(reference(&host).0, again[0]);
    host.change("algorithm: rsa-2048", "algorithm: ec-384");
    assert_eq!(host.json(&["run"])["action"], "renewed");
    sign_with_ec(&host);
    assert_eq!(labels(&host).len(), 2);
}

/// Every file below a folder, with its content or where it leads.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            all.push((
                path.display().to_string(),
                target.display().to_string().into_bytes(),
            ));
        } else if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn e2e_courier_softhsm_away_or_with_another_pin() {
    let appliance = Appliance::start(Keys::Software);
    let host = token_host(&appliance, "web01", "");
    host.ok(&["run"]);
    check(&host);
    let before = files(&host.file("live"));

    // The token is away: nothing is changed, and who has nothing to do does not miss it.
    std::fs::rename(host.file("tokens"), host.file("away")).unwrap();
    let calm = host.json(&["run"]);
    assert_eq!(
        (&calm["action"], &calm["outcome"]),
        (&json!("nothing"), &json!("current"))
    );
    let failed = host.run(&["renew", "--force"]);
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed));
    assert!(text(&failed).contains("is not there"), "{}", text(&failed));
    assert_eq!(host.run(&["doctor"]).status.code(), Some(1));
    assert_eq!(files(&host.file("live")), before);
    std::fs::rename(host.file("away"), host.file("tokens")).unwrap();
    assert_eq!(labels(&host).len(), 1);

    // A wrong PIN is tried once, and not by the next run either.
    write_pin(&host, "000000");
    for told in ["the PIN is wrong; it was tried once", "rejected this PIN before"] {
        let failed = host.run(&["renew", "--force"]);
        assert_eq!(failed.status.code(), Some(2), "{}", text(&failed));
        assert!(
            text(&failed).contains(told) && !text(&failed).contains("000000"),
            "{}",
            text(&failed)
        );
    }
    assert_eq!(files(&host.file("live")), before);
    write_pin(&host, PIN);
    host.ok(&["renew", "--force"]);
    check(&host);
    assert_eq!(labels(&host).len(), 2);

    // A key that is gone from the token: it is seen, and another certificate helps.
    let (label, id) = reference(&host);
    tool(&host, &["--delete-object", "--type", "privkey", "--id", &id]);
    tool(&host, &["--delete-object", "--type", "pubkey", "--id", &id]);
    let seen = host.run(&["doctor"]);
    assert!(
        seen.status.code() == Some(1) && text(&seen).contains("does not have the key"),
        "{}",
        text(&seen)
    );
    host.ok(&["generate", "--force"]);
    check(&host);
    assert_ne!(reference(&host).0, label);
}
