//! Who made a backup: the key of the audit log signs it, and who is told that key takes no other backup. The judge of the signature
//! is openssl.

use std::path::Path;
use std::process::Output;

use crate::backup::{backup, key, restore, restored, taken_at};
use crate::backup_bad_input::tampered;
use crate::harness::{Appliance, Keys, judge, text};

/// A key of somebody else.
const STRANGER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

fn look(appliance: &Appliance, command: &str, file: &Path, key: &Path, more: &[&str]) -> Output {
    let words = ["--output", "json", "backup", command, file.to_str().unwrap()];
    let words = [&words[..], &["--identity", key.to_str().unwrap()], more].concat();
    appliance.run(&words)
}

/// Inspecting, verifying and restoring it under a key says so, and leaves nothing.
fn refused(appliance: &Appliance, (file, at): (&Path, &str), key: &Path, signed_by: &str, expected: &str) {
    let target = appliance.file("target");
    let trust = ["--signed-by", signed_by];
    let place = ["--dir", target.to_str().unwrap(), "--accept-lost-revocations", at];
    for outcome in [
        look(appliance, "inspect", file, key, &trust),
        look(appliance, "verify", file, key, &trust),
        restore(appliance, file, key, &[&place[..], &trust].concat()),
        restore(
            appliance,
            file,
            key,
            &[&place[..], &trust, &["--dry-run"]].concat(),
        ),
    ] {
        let said = text(&outcome);
        assert_eq!(outcome.status.code(), Some(1), "{expected}: {said}");
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!target.exists() && !appliance.file(".target.chancery-restoring").exists());
}

#[test]
fn e2e_backup_openssl_the_key_of_the_audit_log_signs_it() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    let (identity, recipient) = key(&appliance, "key");
    crate::audit::signed(&appliance);
    let log_key = appliance.ok(&["audit", "key"]).trim().to_owned();
    let vkey = appliance.write("audit.vkey", &format!("{log_key}\n"));
    let vkey = vkey.to_str().unwrap();
    let file = appliance.file("one.age");
    let path = file.to_str().unwrap();
    let made = appliance.json(&["backup", "--recipient", &recipient, "--to", path]);
    assert_eq!(made["signed_by"], log_key.as_str(), "{made}");
    assert!(made["unsigned_because"].is_null(), "{made}");

    // Whoever is not told whom to trust is told who signed it, and that this is not trust.
    let told = text(&appliance.run(&[
        "backup",
        "inspect",
        path,
        "--identity",
        identity.to_str().unwrap(),
    ]));
    assert!(told.contains("nobody said whether to trust"), "{told}");
    for (command, trust) in [
        ("inspect", &["--signed-by", vkey][..]),
        ("inspect", &["--signed-by", &log_key]),
        ("verify", &["--signed-by", &log_key]),
        // Held against the log of this machine's store.
        ("verify", &[]),
    ] {
        let outcome = look(&appliance, command, &file, &identity, trust);
        let told: serde_json::Value = serde_json::from_slice(&outcome.stdout).unwrap();
        assert!(outcome.status.success(), "{told}");
        assert_eq!(told["signature"]["is_of_trusted_key"], true, "{told}");
        assert_eq!(told["signature"]["holds"], true, "{told}");
        assert_eq!(
            told.to_string().contains("the backup is signed by"),
            command == "verify"
        );
    }
    by_openssl(&appliance, path, &identity, &log_key);

    let at = taken_at(&appliance, &file, &identity);
    others_are_refused(&appliance, (&file, &at), &identity, vkey);

    // With the key it is restored; from a pipe nobody could look before.
    appliance.signal("TERM");
    appliance.wait();
    let target = appliance.file("restored");
    let words = [
        "--dir",
        target.to_str().unwrap(),
        "--accept-lost-revocations",
        &at,
        "--signed-by",
        vkey,
    ];
    let piped = restore(&appliance, Path::new("-"), &identity, &words);
    assert!(
        text(&piped).contains("write it into a file first"),
        "{}",
        text(&piped)
    );
    let done = restored(&restore(&appliance, &file, &identity, &words));
    assert_eq!(done["signature"]["is_of_trusted_key"], true, "{done}");
}

/// Another key, no signature, another manifest under it, other tables, other files.
fn others_are_refused(appliance: &Appliance, (file, at): (&Path, &str), identity: &Path, vkey: &str) {
    let other = "not by PeterNeumann (key c74f20a3)";
    refused(appliance, (file, at), identity, STRANGER, other);
    refused(appliance, (file, at), identity, "nonsense", "chancery audit key");
    let bare = tampered(appliance, file, identity, "true");
    refused(appliance, (&bare, at), identity, vkey, "is not signed");
    let changes = [
        (
            "sed -i 's/\"left_out\": \\[/\"left_out\": [ \"nothing\"/' manifest.json",
            "is of another backup",
        ),
        ("sed -i 's/^\\(— [^ ]* ......\\)/\\1A/' manifest.sig", "signature"),
        (
            "echo >> $(find tables/orders -type f | head -n 1)",
            "not those of its manifest",
        ),
        (
            "echo more >> files/state/ca-bundle.pem",
            "not those of its manifest",
        ),
    ];
    for (change, expected) in changes {
        let change = format!("signature=manifest.sig; {change}");
        let unlike = tampered(appliance, file, identity, &change);
        refused(appliance, (&unlike, at), identity, vkey, expected);
    }
    let unheld = tampered(appliance, file, identity, "true");
    let verified = text(&look(appliance, "verify", &unheld, identity, &[]));
    assert!(verified.contains("is not signed"), "{verified}");
}

/// The line under the text is of the key, by somebody else's program.
fn by_openssl(appliance: &Appliance, file: &str, identity: &Path, log_key: &str) {
    let script = format!(
        "set -e; age -d -i {} {file} | tar -xz manifest.json manifest.sig
         sed '/^$/,$d' manifest.sig > signed
         test \"$(sed -n 4p signed)\" = \"$(openssl dgst -sha256 -binary manifest.json | base64)\"
         tail -n 1 manifest.sig | cut -d ' ' -f 3 | base64 -d | tail -c +5 > signature
         echo '{}' | base64 -d | tail -c +2 | openssl pkey -pubin -inform DER > key.pem
         openssl dgst -sha256 -verify key.pem -signature signature signed",
        identity.display(),
        log_key.splitn(3, '+').nth(2).unwrap(),
    );
    let folder = appliance.file("opened");
    std::fs::create_dir(&folder).unwrap();
    let said = judge("sh", &["-c", &format!("cd {}; {script}", folder.display())]);
    assert!(said.contains("Verified OK"), "{said}");
}

/// Who needs it most gets a backup that is whole and says what it lacks.
#[test]
fn e2e_backup_age_is_made_unsigned_while_the_signing_process_is_away() {
    let mut appliance = Appliance::start(Keys::Software);
    let (identity, recipient) = key(&appliance, "key");
    crate::audit::signed(&appliance);
    let log_key = appliance.ok(&["audit", "key"]).trim().to_owned();
    appliance.signal("TERM");
    appliance.wait();
    let file = appliance.file("one.age");
    let words = [
        "--output",
        "json",
        "backup",
        "--recipient",
        &recipient,
        "--to",
        file.to_str().unwrap(),
    ];
    let made = appliance.run(&words);
    assert_eq!(made.status.code(), Some(5), "{}", text(&made));
    assert!(text(&made).contains("NOT signed"), "{}", text(&made));
    let told: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    assert!(told["signed_by"].is_null(), "{told}");
    let why = told["unsigned_because"].as_str().unwrap();
    assert!(why.contains("signing process"), "{told}");
    let at = taken_at(&appliance, &file, &identity);
    refused(&appliance, (&file, &at), &identity, &log_key, "is not signed");
    // As an older program made it, and as this one did.
    let older = "python3 - <<'END'\n\
        import json\n\
        header, manifest = (json.load(open(name)) for name in ('header.json', 'manifest.json'))\n\
        header['format'] = 1\n\
        manifest['header'] = header\n\
        del manifest['pieces'], manifest['log_key']\n\
        for name, part in (('header.json', header), ('manifest.json', manifest)):\n\
        \x20   json.dump(part, open(name, 'w'))\n\
        END\n:";
    let older = tampered(&appliance, &file, &identity, older);
    for (name, file) in [("restored", &file), ("older", &older)] {
        let target = appliance.file(name);
        let words = [
            "--dir",
            target.to_str().unwrap(),
            "--accept-lost-revocations",
            &at,
        ];
        let done = restored(&restore(&appliance, file, &identity, &words));
        assert!(done["signature"]["signed_by"].is_null(), "{done}");
    }
}

/// Where the modules are loaded into the server, the command loads them itself.
#[test]
fn e2e_backup_softhsm_without_a_signing_process_the_command_signs() {
    let mut appliance = Appliance::init(Keys::SoftHsm);
    appliance.edit("mode = \"spawn\"", "mode = \"in-process\"");
    appliance.serve();
    let (identity, recipient) = key(&appliance, "key");
    crate::audit::signed(&appliance);
    let log_key = appliance.ok(&["audit", "key"]).trim().to_owned();
    let file = backup(&appliance, &recipient, "one.age");
    let inspected = look(
        &appliance,
        "inspect",
        &file,
        &identity,
        &["--signed-by", &log_key],
    );
    assert!(inspected.status.success(), "{}", text(&inspected));
}
