//! Backups that somebody made up: whoever knows a recipient can encrypt one. Nothing of it is run, nothing is written or looked for
//! outside, and what was decrypted does not outlive an interruption.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::backup::{backup, key, new_database, restore, restored, taken_at};
use crate::backup_bad_input::{stopped, tampered};
use crate::harness::{Appliance, Keys, judge, signal, text};

/// The same after a change, with a manifest that is true of it.
fn forged(appliance: &Appliance, file: &Path, key: &Path, change: &str) -> PathBuf {
    let true_again = "python3 - <<'END'\n\
        import hashlib, json, os\n\
        manifest = json.load(open('manifest.json'))\n\
        manifest['header'] = json.load(open('header.json'))\n\
        manifest['files'] = []\n\
        for folder, _, names in os.walk('files'):\n\
        \x20   for name in names:\n\
        \x20       path = os.path.join(folder, name)\n\
        \x20       role, below = path.split('/', 2)[1:]\n\
        \x20       octets = open(path, 'rb').read()\n\
        \x20       manifest['files'].append({'role': role, 'path': below, 'mode': os.stat(path).st_mode & 0o777,\n\
        \x20           'octets': len(octets), 'digest': hashlib.sha256(octets).hexdigest()})\n\
        json.dump(manifest, open('manifest.json', 'w'))\n\
        END\n:";
    tampered(appliance, file, key, &format!("{change}\n{true_again}"))
}

fn verify<'a>(file: &'a Path, key: &'a Path) -> [&'a str; 5] {
    let (file, key) = (file.to_str().unwrap(), key.to_str().unwrap());
    ["backup", "verify", file, "--identity", key]
}

#[test]
fn a_module_that_a_backup_names_is_not_loaded() {
    let (appliance, file, key, _) = stopped(Keys::SoftHsm);
    let change = format!(
        "printf 'a program' > files/state/libsofthsm-of-a-stranger.so; chmod 755 files/state/libsofthsm-of-a-stranger.so
         sed -i 's|^module = .*|module = \"{}/libsofthsm-of-a-stranger.so\"|' files/state/signerd.toml; grep -q stranger files/state/signerd.toml",
        appliance.state().display()
    );
    let forged = forged(&appliance, &file, &key, &change);
    // Were it loaded, no key of the backup could sign. All that is wrong is that nobody signed it.
    let verified = appliance.run(&verify(&forged, &key));
    let told = text(&verified);
    assert_eq!(verified.status.code(), Some(1), "{told}");
    assert!(told.contains("is in the backup and signs"), "{told}");
    assert!(
        told.contains("NOT sound: 1 of") && told.contains("is not signed"),
        "{told}"
    );
}

#[test]
fn places_that_lead_elsewhere_are_refused() {
    let (appliance, file, key, at) = stopped(Keys::Software);
    let outside = appliance.write("signerd.toml", "what is outside\n");
    for change in [
        "sed -i 's|\"config\": *\"chancery.toml\"|\"config\": \"../chancery.toml\"|' header.json; grep -q '\"../' header.json",
        "python3 -c 'import json; header = json.load(open(\"header.json\")); header[\"places\"][\"signing\"][\"path\"] = \"../../signerd.toml\"
json.dump(header, open(\"header.json\", \"w\"))'",
        "python3 -c 'import json; header = json.load(open(\"header.json\")); header[\"places\"][\"state\"] = \"/tmp/../etc\"
json.dump(header, open(\"header.json\", \"w\"))'",
    ] {
        let forged = forged(&appliance, &file, &key, change);
        let verified = appliance.run(&verify(&forged, &key));
        assert!(!verified.status.success(), "{change}");
        assert!(
            text(&verified).contains("places outside their folders"),
            "{}",
            text(&verified)
        );
        let folder = appliance.file("elsewhere");
        let words = [
            "--accept-lost-revocations",
            at.as_str(),
            "--dir",
            folder.to_str().unwrap(),
        ];
        let restored = restore(&appliance, &forged, &key, &words);
        assert!(!restored.status.success() && !folder.exists(), "{change}");
    }
    assert_eq!(std::fs::read_to_string(outside).unwrap(), "what is outside\n");
}

/// A file at an absolute path comes back when a configuration names it, and never for everybody to write.
#[test]
fn a_file_that_nobody_names_is_put_nowhere() {
    use std::os::unix::fs::PermissionsExt as _;
    let (appliance, file, key, at) = stopped(Keys::Software);
    let home = appliance.file("home");
    let (keys, list) = (home.join("authorized_keys"), home.join("lists/weak-keys"));
    let change = format!(
        "mkdir -p files/elsewhere{home}/lists; echo 'ssh-ed25519 a stranger' > files/elsewhere{keys}; chmod 4777 files/elsewhere{keys}
         echo {digest} > files/elsewhere{list}; chmod 666 files/elsewhere{list}
         sed -i 's|^blocklists = .*|blocklists = [\"{list}\"]|' files/state/chancery.toml; grep -q '{list}' files/state/chancery.toml",
        home = home.display(),
        keys = keys.display(),
        list = list.display(),
        digest = "00".repeat(32),
    );
    let forged = forged(&appliance, &file, &key, &change);
    let target = appliance.file("restored");
    let words = [
        "--accept-lost-revocations",
        at.as_str(),
        "--dir",
        target.to_str().unwrap(),
    ];
    // Where whoever runs it has taken no care of what others may write.
    let mut command = appliance.command(&["--output", "json", "restore"]);
    command.arg(&forged).arg("--identity").arg(&key).args(words);
    command.args(new_database(&appliance));
    let mut careless = Command::new("sh");
    careless.args(["-c", "umask 0; exec \"$@\"", "sh"]);
    careless.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => careless.env(name, value),
            None => careless.env_remove(name),
        };
    }
    let done = restored(&careless.output().unwrap());
    assert!(!keys.exists(), "{done}");
    assert_eq!(done["left_out"], serde_json::json!([keys]), "{done}");
    assert!(
        done["warnings"].to_string().contains("neither chancery.toml nor"),
        "{done}"
    );
    let mode = std::fs::metadata(&list).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o664, "{mode:o}");
}

/// A backup without software keys is not taken for whole because this machine has some.
#[test]
fn the_keys_of_this_machine_are_not_taken_for_those_of_the_backup() {
    let (appliance, file, key, _) = stopped(Keys::Software);
    let change = "rm -r files/state/keys";
    let verified = appliance.run(&verify(&forged(&appliance, &file, &key, change), &key));
    assert_eq!(verified.status.code(), Some(1), "{}", text(&verified));
    assert!(
        text(&verified).contains("the backup cannot bring this key back"),
        "{}",
        text(&verified)
    );
}

#[test]
fn a_part_that_is_too_long_is_refused_before_it_is_read() {
    let (appliance, file, key, _) = stopped(Keys::Software);
    let change = "head -c 60000000 /dev/zero > $(find tables/orders -type f | head -n 1)";
    let refused = appliance.run(&verify(&tampered(&appliance, &file, &key, change), &key));
    assert!(!refused.status.success());
    assert!(text(&refused).contains("is longer than"), "{}", text(&refused));
}

/// The folders of tokens that a backup has.
fn of_tokens(manifest: &serde_json::Value) -> Vec<String> {
    let files = manifest["files"].as_array().unwrap();
    let tokens = files.iter().filter(|file| file["role"] == "token");
    let first = |file: &serde_json::Value| {
        let path = file["path"].as_str().unwrap();
        path.split('/').next().unwrap().to_owned()
    };
    let mut folders: Vec<String> = tokens.map(first).collect();
    folders.dedup();
    folders
}

/// What a token's folder lacks is not claimed; a token whose name begins likewise is not taken along.
#[test]
fn e2e_backup_softhsm_a_token_is_included_when_its_own_folder_is() {
    let (appliance, _, key, _) = stopped(Keys::SoftHsm);
    let recipient = judge("age-keygen", &["-y", key.to_str().unwrap()]);
    let tokens = appliance.file("tokens");
    let own = std::fs::read_dir(&tokens)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let label = {
        let signing = std::fs::read_to_string(appliance.state().join("signerd.toml")).unwrap();
        let line = signing
            .lines()
            .find(|line| line.starts_with("label"))
            .unwrap()
            .to_owned();
        line.split('"').nth(1).unwrap().to_owned()
    };
    let other = format!("{label}2");
    let mut made = Command::new("softhsm2-util");
    made.args([
        "--init-token",
        "--free",
        "--label",
        &other,
        "--pin",
        "1234",
        "--so-pin",
        "1234",
    ]);
    let conf = appliance.file("softhsm2.conf");
    assert!(
        made.env("SOFTHSM2_CONF", &conf)
            .output()
            .unwrap()
            .status
            .success()
    );
    let listed = |name: &str| {
        let file = backup(&appliance, recipient.trim(), name);
        let words = [
            "backup",
            "inspect",
            file.to_str().unwrap(),
            "--identity",
            key.to_str().unwrap(),
        ];
        appliance.json(&words)
    };
    let both = listed("both.age");
    let name = own.file_name().unwrap().to_str().unwrap();
    assert_eq!(of_tokens(&both), [name]);
    std::fs::rename(&own, appliance.file("away")).unwrap();
    let lacking = listed("lacking.age");
    assert!(of_tokens(&lacking).is_empty());
    let keys = lacking["keys"].as_array().unwrap();
    assert!(
        !keys.is_empty() && keys.iter().all(|key| key["is_included"] == false),
        "{lacking}"
    );
    assert!(
        lacking["left_out"].to_string().contains("SOFTHSM2_CONF"),
        "{lacking}"
    );
}

/// One that is long enough to be cut in the middle: age opens 64 KiB at a time.
fn long(appliance: &Appliance, key: &Path) -> Vec<u8> {
    let filler = appliance.state().join("filler");
    judge(
        "sh",
        &[
            "-c",
            &format!("head -c 2000000 /dev/urandom > {}", filler.display()),
        ],
    );
    let recipient = judge("age-keygen", &["-y", key.to_str().unwrap()]);
    std::fs::read(backup(appliance, recipient.trim(), "long.age")).unwrap()
}

/// Starts a command and gives it the beginning of what it reads.
fn fed(command: &mut Command, beginning: &[u8]) -> (Child, ChildStdin) {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(beginning).unwrap();
    (child, input)
}

/// Ctrl-C: what was decrypted is cleared away, and of a backup nothing is left.
#[test]
fn an_interruption_leaves_nothing_that_was_decrypted() {
    let (appliance, _, identity, _) = stopped(Keys::Software);
    let work = appliance.file("work");
    std::fs::create_dir(&work).unwrap();
    let through = long(&appliance, &identity);
    let half = through.len() - 100_000;
    let words = [
        "backup",
        "verify",
        "-",
        "--identity",
        identity.to_str().unwrap(),
        "--work-dir",
        work.to_str().unwrap(),
    ];
    // It comes through a pipe that stops in the middle, so that it is interrupted while files are there.
    let (mut child, mut input) = fed(&mut appliance.command(&words), &through[..half]);
    let since = Instant::now();
    let decrypted = || {
        judge(
            "find",
            &[work.to_str().unwrap(), "-path", "*/state/*", "-type", "f"],
        )
    };
    while decrypted().is_empty() {
        assert!(since.elapsed() < Duration::from_secs(20), "nothing was unpacked");
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(child.id(), "INT");
    let _ = input.write_all(&through[half..]);
    drop(input);
    assert!(!child.wait().unwrap().success());
    let left: Vec<_> = std::fs::read_dir(&work).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// No server starts in a folder whose place a restore is taking.
#[test]
fn a_folder_is_held_while_it_is_replaced_in_a_file() {
    let (mut appliance, ..) = stopped(Keys::Software);
    let identity = appliance.file("key");
    let octets = long(&appliance, &identity);
    let at = taken_at(&appliance, &appliance.file("long.age"), &identity);
    let half = octets.len() - 64;
    let mut command = appliance.command(&["restore", "-", "--identity", identity.to_str().unwrap()]);
    command.args(["--accept-lost-revocations", &at, "--replace"]);
    let (mut child, mut input) = fed(&mut command, &octets[..half]);
    let staging = appliance.state().with_file_name(format!(
        ".{}.chancery-restoring",
        appliance.state().file_name().unwrap().to_str().unwrap()
    ));
    let since = Instant::now();
    while !staging.exists() {
        assert!(since.elapsed() < Duration::from_secs(20), "nothing was unpacked");
        std::thread::sleep(Duration::from_millis(5));
    }
    let served = appliance.run(&["serve"]);
    assert!(!served.status.success());
    assert!(text(&served).contains("in use"), "{}", text(&served));
    input.write_all(&octets[half..]).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
    appliance.serve();
}

/// A running server on PostgreSQL, or another one of the same database, is not left behind.
#[test]
fn e2e_backup_postgres_servers_at_work_are_not_replaced() {
    let database = store_bed::Postgres::start();
    let fresh = store_bed::Postgres::start();
    let mut appliance = Appliance::empty();
    let made = appliance
        .init_on(Some(&database.url()), &["--software"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made));
    appliance.serve();
    let (identity, recipient) = key(&appliance, "key");
    let file = backup(&appliance, &recipient, "one.age");
    let at = taken_at(&appliance, &file, &identity);
    let words = [
        "--accept-lost-revocations",
        at.as_str(),
        "--replace",
        "--store-url",
        &fresh.url(),
    ];
    let refused = restore(&appliance, &file, &identity, &words);
    assert!(!refused.status.success());
    assert!(text(&refused).contains("stop it first"), "{}", text(&refused));
    appliance.signal("TERM");
    appliance.wait();
    let done = restore(&appliance, &file, &identity, &words);
    assert!(done.status.success(), "{}", text(&done));
}
