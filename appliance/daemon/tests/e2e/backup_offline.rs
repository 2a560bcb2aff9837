//! Imported CRLs of CAs whose key is elsewhere: nobody here can make them again, however long they are.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::backup::{backup, key, restore, restored, taken_at};
use crate::harness::{Appliance, Keys, judge, run, text};

/// A root of openssl, and its CRL with so many entries.
fn root_and_crl(appliance: &Appliance, entries: u32) -> (PathBuf, PathBuf) {
    let mut index = String::new();
    for number in 0..entries {
        let serial = format!("5A{number:030X}");
        writeln!(
            index,
            "R\t350101000000Z\t250101000000Z,superseded\t{serial}\tunknown\t/CN=x"
        )
        .unwrap();
    }
    appliance.write("index.txt", &index);
    appliance.write("crlnumber", "07\n");
    appliance.write(
        "far.cnf",
        "[ca]\ndefault_ca = far\n[far]\ndatabase = index.txt\ncrlnumber = crlnumber\ndefault_md = sha256\n\
         default_crl_days = 30\ncrl_extensions = extensions\n[extensions]\nauthorityKeyIdentifier = keyid\n",
    );
    let script = format!(
        "set -e; cd {}
         openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout far.key -out far.pem -subj '/O=Example/CN=Far Root' \
           -days 3650 -addext keyUsage=critical,keyCertSign,cRLSign 2> /dev/null
         openssl ca -gencrl -config far.cnf -keyfile far.key -cert far.pem -out far.crl 2> /dev/null",
        appliance.dir.path().display()
    );
    judge("sh", &["-c", &script]);
    (appliance.file("far.pem"), appliance.file("far.crl"))
}

fn taking_long_bodies() -> Appliance {
    let mut appliance = Appliance::init(Keys::Software);
    appliance.edit("api_body = 1048576", "api_body = 4194304");
    appliance.serve();
    appliance
}

#[test]
fn e2e_backup_openssl_a_long_imported_crl_is_served_again() {
    let mut appliance = taking_long_bodies();
    let (identity, recipient) = key(&appliance, "key");
    let (root, crl) = root_and_crl(&appliance, 30_000);
    appliance.ok(&["ca", "import-offline", "far", root.to_str().unwrap()]);
    let published = appliance.json(&["ca", "import-crl", "far", crl.to_str().unwrap()]);
    assert_eq!(
        (&published["number"], &published["entries"]),
        (&7.into(), &30_000.into())
    );
    let url = appliance.json(&["ca", "show", "far"])["crl_url"].clone();
    let fetch = |name: &str| {
        let file = appliance.file(name);
        judge(
            "curl",
            &["-sf", "-o", file.to_str().unwrap(), url.as_str().unwrap()],
        );
        std::fs::read(file).unwrap()
    };
    let served = fetch("served.crl");
    assert!(served.len() > 1 << 20, "{}", served.len());

    let file = backup(&appliance, &recipient, "one.age");
    let manifest = appliance.json(&[
        "backup",
        "inspect",
        file.to_str().unwrap(),
        "--identity",
        identity.to_str().unwrap(),
    ]);
    let files = manifest["files"].as_array().unwrap().iter();
    let lists: Vec<&str> = files
        .filter_map(|one| one["path"].as_str())
        .filter(|path| path.starts_with("crls/"))
        .collect();
    // And the last ones of the CAs that are here.
    assert!(
        lists.len() == 3 && lists.iter().any(|one| one.ends_with("-0-7.crl")),
        "{lists:?}"
    );
    let at = taken_at(&appliance, &file, &identity);
    appliance.signal("TERM");
    appliance.wait();
    std::fs::remove_dir_all(appliance.state()).unwrap();
    let words = ["--accept-lost-revocations", at.as_str()];
    restored(&restore(&appliance, &file, &identity, &words));
    appliance.serve();
    let again = appliance.file("again.crl");
    judge(
        "curl",
        &["-sf", "-o", again.to_str().unwrap(), url.as_str().unwrap()],
    );
    assert!(std::fs::read(&again).unwrap() == served, "it is another list");
}

/// What cannot be taken along is told with what helps.
#[test]
fn an_imported_crl_whose_file_is_gone_is_told() {
    let appliance = taking_long_bodies();
    let (_, recipient) = key(&appliance, "key");
    let (root, crl) = root_and_crl(&appliance, 30_000);
    appliance.ok(&["ca", "import-offline", "far", root.to_str().unwrap()]);
    appliance.ok(&["ca", "import-crl", "far", crl.to_str().unwrap()]);
    for entry in std::fs::read_dir(appliance.state().join("crls")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let file = appliance.file("one.age");
    let made = appliance.json(&[
        "backup",
        "--recipient",
        &recipient,
        "--to",
        file.to_str().unwrap(),
    ]);
    let told = made["left_out"].to_string();
    assert!(
        told.contains("the CRL 7 of the offline CA far") && told.contains("import it again"),
        "{told}"
    );
}

/// The HSM is lost, and then the store: what was published before is handed out until it ends, and no key is asked for.
#[test]
fn e2e_backup_openssl_the_list_of_a_lost_key_is_handed_out_after_a_restore() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    let (identity, recipient) = key(&appliance, "key");
    let root = appliance.json(&["ca", "show", "root"]);
    let fetch = |appliance: &Appliance, name: &str| {
        let file = appliance.file(name);
        let words = [
            "-sSf",
            "-o",
            file.to_str().unwrap(),
            root["crl_url"].as_str().unwrap(),
        ];
        judge("curl", &words);
        std::fs::read(file).unwrap()
    };
    let before = fetch(&appliance, "before.crl");
    let file = backup(&appliance, &recipient, "one.age");
    let at = taken_at(&appliance, &file, &identity);
    appliance.signal("TERM");
    appliance.wait();
    std::fs::remove_dir_all(appliance.state()).unwrap();
    let words = ["--accept-lost-revocations", at.as_str()];
    let told = restored(&restore(&appliance, &file, &identity, &words)).to_string();
    assert!(
        told.contains("the CRLs of the backup are handed out") && told.contains("root "),
        "{told}"
    );
    // SoftHSM2 keeps its tokens elsewhere.
    for token in std::fs::read_dir(appliance.file("tokens")).unwrap() {
        std::fs::remove_dir_all(token.unwrap().path()).unwrap();
    }
    appliance.serve();
    assert!(fetch(&appliance, "after.crl") == before, "it is another list");
    let (after, root) = (appliance.file("after.crl"), appliance.ca("root"));
    let words = ["crl", "-inform", "DER", "-noout", "-in", after.to_str().unwrap()];
    let verified = run(
        "openssl",
        &[&words[..], &["-CAfile", root.to_str().unwrap()]].concat(),
        b"",
    );
    assert!(text(&verified).contains("verify OK"), "{}", text(&verified));
}
