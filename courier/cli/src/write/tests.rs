//! Installing under hostile circumstances: killed between any two effects, in directories that others prepared.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use pki::SubjectAltName;
use secrecy::SecretString;

use super::*;
use crate::key::{KeyType, LocalKey};

struct Issued {
    chain: Vec<Certificate>,
    root: Vec<Certificate>,
    key: KeptKey,
    names: Vec<SubjectAltName>,
}

fn openssl(folder: &Path, line: &str) -> String {
    let output = Command::new("openssl")
        .args(line.split(' '))
        .current_dir(folder)
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {text}");
    text
}

/// A root and a leaf under it, made by OpenSSL.
fn issue() -> Issued {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let key = LocalKey::generate(KeyType::Ec256).unwrap();
    let names = vec!["dns:a.example".parse().unwrap()];
    let subject = pki::DistinguishedName::parse("CN=a.example").unwrap();
    std::fs::write(path.join("csr"), key.request(&subject, &names, None).unwrap()).unwrap();
    openssl(
        path,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=root -days 9 -keyout rk -out root",
    );
    openssl(
        path,
        "x509 -req -in csr -CA root -CAkey rk -CAcreateserial -copy_extensions copyall -days 5 -out leaf",
    );
    let read = |name: &str| Certificate::parse_all(&std::fs::read(path.join(name)).unwrap()).unwrap();
    Issued {
        chain: read("leaf"),
        root: read("root"),
        key: KeptKey::File(key),
        names,
    }
}

impl Issued {
    fn install(&self, settings: &OutputSettings, watch: &mut impl Watch) -> Result<Installed, WriteFault> {
        let bundle = Bundle {
            chain: &self.chain,
            key: &self.key,
            authorities: &self.root,
        };
        let wanted = Wanted {
            names: &self.names,
            now: self.chain[0].not_before(),
        };
        install(settings, &bundle, &wanted, watch)
    }
}

/// The certificate and key that a reader sees; `None` when both are absent. A pair that does not match panics.
fn pair(dir: &Path) -> Option<Vec<u8>> {
    let certificate = std::fs::read(dir.join("cert.pem"));
    let key = std::fs::read(dir.join("privkey.pem"));
    let (Ok(certificate), Ok(key)) = (certificate, key) else {
        return None;
    };
    let certificate = Certificate::parse(&certificate).unwrap();
    let key = LocalKey::parse(&key, None).unwrap();
    assert_eq!(
        certificate.public_key(),
        key.public_key(),
        "certificate and key do not match"
    );
    Some(certificate.der().to_vec())
}

/// Ends the process before a step, as `kill -9` does.
struct Killer {
    left: usize,
    dir: PathBuf,
    layout: Layout,
}

impl Watch for Killer {
    fn step(&mut self, _: &str) {
        if self.layout == Layout::Links {
            pair(&self.dir);
        }
        if self.left == 0 {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        }
        self.left -= 1;
    }
}

const CHILD: &str = "COURIER_TEST_KILL_AT";
const PLAIN: &str = "COURIER_TEST_PLAIN";

/// The child of [`a_killed_run_leaves_a_matching_pair`]; by itself it installs nothing.
#[test]
fn child_installs_until_it_is_killed() {
    let Ok(step) = std::env::var(CHILD) else {
        assert!(std::env::var_os(CHILD).is_none());
        return;
    };
    let dir = PathBuf::from(std::env::var("COURIER_TEST_DIR").unwrap());
    let mut settings = OutputSettings::new("web", &dir);
    if std::env::var_os(PLAIN).is_some() {
        settings.layout = Layout::Plain;
    }
    let mut killer = Killer {
        left: step.parse().unwrap(),
        dir,
        layout: settings.layout,
    };
    issue().install(&settings, &mut killer).unwrap();
}

/// Runs the child; whether it was killed before that step.
fn is_killed_at(step: usize, settings: &OutputSettings) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "write::tests::child_installs_until_it_is_killed"]);
    child
        .env(CHILD, step.to_string())
        .env("COURIER_TEST_DIR", &settings.dir);
    if settings.layout == Layout::Plain {
        child.env(PLAIN, "1");
    }
    let status = child.output().unwrap().status;
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert!(status.success() || signal == Some(9), "step {step}: {status}");
    !status.success()
}

#[test]
fn a_killed_plain_run_is_finished_or_undone_by_the_next() {
    for step in 0.. {
        let root = tempfile::tempdir().unwrap();
        let mut settings = OutputSettings::new("web", root.path().join("out"));
        settings.layout = Layout::Plain;
        issue().install(&settings, &mut ()).unwrap();
        let is_killed = is_killed_at(step, &settings);
        assert!(repair(&settings, &mut ()).unwrap());
        assert!(pair(&settings.dir).is_some());
        assert!(!settings.set_path().join("switching").exists());
        if !is_killed {
            assert!(step >= 14, "only {step} steps");
            break;
        }
    }
}

#[test]
fn accounts_are_looked_up_and_exports_read_back() {
    let root = tempfile::tempdir().unwrap();
    let mut settings = OutputSettings::new("web", root.path().join("out"));
    (settings.owner, settings.group) = (Some(Account::Name("root".to_owned())), Some(Account::Id(7)));
    let access = settings.access(0o640).unwrap();
    assert_eq!(
        (access.mode, access.owner, access.group),
        (0o640, Some(0), Some(7))
    );
    settings.owner = Some(Account::Name("no-such-account".to_owned()));
    assert!(matches!(
        issue().install(&settings, &mut ()),
        Err(WriteFault::Account(_))
    ));
    let issued = issue();
    let bundle = crate::export::haproxy(&issued.chain, &issued.key.to_text(None).unwrap());
    let labels: Vec<_> = pki::pem::decode(bundle.as_bytes())
        .unwrap()
        .into_iter()
        .map(|block| block.label)
        .collect();
    assert_eq!(labels, ["CERTIFICATE", "PRIVATE KEY"]);
    let der = crate::export::der(&issued.chain[0]);
    assert_eq!(Certificate::from_der(&der).unwrap(), issued.chain[0]);
}

#[test]
fn a_killed_run_leaves_a_matching_pair() {
    for start in ["nothing", "installed", "plain"] {
        let mut kills = 0;
        for step in 0.. {
            let root = tempfile::tempdir().unwrap();
            let dir = root.path().join("out");
            let mut settings = OutputSettings::new("web", &dir);
            if start != "nothing" {
                settings.layout = if start == "plain" {
                    Layout::Plain
                } else {
                    Layout::Links
                };
                issue().install(&settings, &mut ()).unwrap();
                settings.layout = Layout::Links;
            }
            let before = pair(&dir);
            let is_killed = is_killed_at(step, &settings);
            let after = pair(&dir);
            assert!(
                before.is_none() || after.is_some(),
                "{start}, step {step}: the pair is gone"
            );
            if !is_killed {
                assert_ne!(before, after);
                break;
            }
            kills += 1;
            repair(&settings, &mut ()).unwrap();
            assert!(before.is_none() || pair(&dir).is_some());
            let generations = dir.join(".courier/web/generations");
            for entry in std::fs::read_dir(&generations).into_iter().flatten() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert!(
                    name.parse::<u64>().is_ok(),
                    "{start}, step {step}: {name} was left"
                );
            }
            let issued = issue();
            issued.install(&settings, &mut ()).unwrap();
            assert_eq!(pair(&dir).unwrap(), issued.chain[0].der());
        }
        assert!(kills >= 9, "{start}: only {kills} steps");
    }
}

#[test]
fn all_files_are_written_switched_pruned_and_taken_back() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    let mut settings = OutputSettings::new("web", &dir);
    settings.keep_previous = 1;
    settings.names.combined = Some("all.pem".to_owned());
    settings.names.ca = Some(String::new());
    for legacy in [false, true, false] {
        settings.names.pkcs12 = Some(Pkcs12Output {
            name: "web.p12".to_owned(),
            password: SecretString::from("secret"),
            legacy,
        });
        issue().install(&settings, &mut ()).unwrap();
        let provider = if legacy { " -legacy" } else { "" };
        let said = openssl(
            &dir,
            &format!("pkcs12 -info -nodes -passin pass:secret -in web.p12{provider}"),
        );
        assert!(said.contains("BEGIN CERTIFICATE") && said.contains("PRIVATE KEY"));
        assert_eq!(said.contains("AES-256-CBC"), !legacy, "{said}");
    }
    let mode = |name: &str| std::fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode("privkey.pem"), mode("cert.pem"), mode("all.pem")),
        (0o600, 0o644, 0o600)
    );
    assert_eq!((mode("web.p12"), mode("")), (0o600, 0o750));
    assert!(!dir.join("ca.pem").exists());
    assert_eq!(
        std::fs::read_dir(dir.join(".courier/web/generations"))
            .unwrap()
            .count(),
        2
    );
    let new = pair(&dir);
    assert_eq!(rollback(&settings, &mut ()).unwrap(), 2);
    assert!(pair(&dir).is_some() && pair(&dir) != new);
    assert!(matches!(
        rollback(&settings, &mut ()),
        Err(WriteFault::NoPrevious)
    ));
}

#[test]
fn what_does_not_hold_together_touches_nothing() {
    let root = tempfile::tempdir().unwrap();
    let settings = OutputSettings::new("web", root.path().join("out"));
    let refused = |issued: &Issued| issued.install(&settings, &mut ()).unwrap_err().to_string();
    let mut wrong_key = issue();
    wrong_key.key = KeptKey::File(LocalKey::generate(KeyType::Ec256).unwrap());
    let mut wrong_root = issue();
    wrong_root.root = issue().root;
    let mut wrong_name = issue();
    wrong_name.names.push("dns:b.example".parse().unwrap());
    for issued in [&wrong_key, &wrong_root, &wrong_name] {
        refused(issued);
    }
    let issued = issue();
    let bundle = Bundle {
        chain: &issued.chain,
        key: &issued.key,
        authorities: &[],
    };
    let wanted = Wanted {
        names: &[],
        now: Timestamp::UNIX_EPOCH,
    };
    assert!(matches!(verify(&bundle, &wanted), Err(VerifyFault::Chain(_))));
    assert!(!settings.dir.exists());
}

#[test]
fn hostile_directories_and_files_are_refused() {
    type Trap = fn(&Path);
    let traps: [Trap; 6] = [
        |dir| std::fs::set_permissions(dir, PermissionsExt::from_mode(0o777)).unwrap(),
        |dir| std::fs::set_permissions(dir, PermissionsExt::from_mode(0o775)).unwrap(),
        |dir| symlink("/etc/passwd", dir.join("cert.pem")).unwrap(),
        |dir| std::fs::create_dir(dir.join("privkey.pem")).unwrap(),
        |dir| {
            std::fs::write(dir.join("x"), "").unwrap();
            std::fs::hard_link(dir.join("x"), dir.join("cert.pem")).unwrap();
        },
        |dir| symlink("/tmp", dir.join(".courier")).unwrap(),
    ];
    let issued = issue();
    for (number, trap) in traps.into_iter().enumerate() {
        for layout in [Layout::Links, Layout::Plain] {
            let root = tempfile::tempdir().unwrap();
            let dir = root.path().join("out");
            std::fs::create_dir(&dir).unwrap();
            std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o755)).unwrap();
            trap(&dir);
            let mut settings = OutputSettings::new("web", &dir);
            settings.layout = layout;
            let refused = issued.install(&settings, &mut ());
            assert!(matches!(refused, Err(WriteFault::Folder(_))), "trap {number}");
        }
    }
}
