#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

/// A certificate that signs itself.
fn certificate(name: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("openssl")
        .current_dir(dir.path())
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-keyout",
            "key",
            "-outform",
            "DER",
            "-out",
            "certificate",
            "-days",
            "30",
        ])
        .args(["-subj", &format!("/CN={name}")])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::read(dir.path().join("certificate")).unwrap()
}

fn settings(directory: &Path) -> DiscoverySettings {
    DiscoverySettings {
        directories: vec![directory.to_path_buf()],
        exclude: Vec::new(),
        max_files: 1000,
        max_depth: 8,
    }
}

fn scanned(settings: &DiscoverySettings) -> Scan {
    scan(settings, &|path| path.ends_with("live/cert.pem"), &mut |_| {})
}

fn paths(scan: &Scan, der: &[u8]) -> Vec<String> {
    let places = scan.certificates.get(der).into_iter().flatten();
    places
        .map(|place| place.path.rsplit('/').next().unwrap().to_owned())
        .collect()
}

fn put(path: &Path, octets: &[u8], mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, octets).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn certificates_are_found_wherever_they_lie() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (one, two, three) = (certificate("one"), certificate("two"), certificate("three"));
    let pem = |der: &[u8]| pki::pem::encode("CERTIFICATE", der);
    let key = "-----BEGIN PRIVATE KEY-----\nbm90IGRlY29kZWQ=\n-----END PRIVATE KEY-----\n";
    put(
        &at("a.pem"),
        format!("a remark\n{}{key}{}", pem(&one), pem(&two)).as_bytes(),
        0o600,
    );
    put(&at("deep/er/b.der"), &three, 0o644);
    put(&at("live/cert.pem"), pem(&one).as_bytes(), 0o644);
    put(&at("c.txt"), pem(&two).as_bytes(), 0o644);
    put(&at("broken.crt"), &pem(&two).as_bytes()[..80], 0o644);
    put(&at("open.CRT"), format!("{}{key}", pem(&three)).as_bytes(), 0o644);
    put(&at("site/cert.pem"), pem(&two).as_bytes(), 0o644);
    put(&at("site/privkey.pem"), key.as_bytes(), 0o644);
    let found = scanned(&settings(dir.path()));
    assert_eq!(found.certificates.len(), 3);
    assert_eq!(paths(&found, &one), ["a.pem", "cert.pem"]);
    assert_eq!(paths(&found, &two), ["a.pem", "cert.pem"]);
    assert_eq!(paths(&found, &three), ["b.der", "open.CRT"]);
    let place = |der: &[u8], name: &str| {
        let mut places = found.certificates[der].iter();
        places.find(|place| place.path.ends_with(name)).unwrap().clone()
    };
    assert!(place(&one, "live/cert.pem").managed && !place(&one, "a.pem").managed);
    assert!(place(&three, "open.CRT").key_exposed && !place(&one, "a.pem").key_exposed);
    assert!(
        place(&two, "site/cert.pem").key_exposed,
        "the key beside it is open"
    );
    // No octet of a key is in what is told.
    let told = serde_json::to_string(&found.pages("s")).unwrap();
    assert!(!told.contains("bm90IGRlY29kZWQ") && !told.contains("PRIVATE KEY"));
    assert_eq!((found.counts.files, found.counts.unreadable), (7, 0));
}

#[test]
fn nothing_but_files_below_the_folder_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let own = certificate("own");
    put(
        &at("archive/own.pem"),
        pki::pem::encode("CERTIFICATE", &own).as_bytes(),
        0o644,
    );
    put(&outside.path().join("far.der"), &certificate("far"), 0o644);
    fs::create_dir(at("live")).unwrap();
    symlink("../archive/own.pem", at("live/own.pem")).unwrap();
    symlink(outside.path().join("far.der"), at("far.der")).unwrap();
    symlink(outside.path(), at("folder")).unwrap();
    symlink(dir.path(), at("loop")).unwrap();
    symlink("nowhere", at("dangling.pem")).unwrap();
    let fifo = at("fifo.pem");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let large = fs::File::create(at("large.pem")).unwrap();
    large.set_len(read::MAX_FILE + 1).unwrap();
    let mut settings = settings(dir.path());
    let found = scanned(&settings);
    assert_eq!(paths(&found, &own), ["own.pem"], "once, where it lies");
    assert_eq!(found.certificates.len(), 1);
    assert_eq!((found.counts.files, found.counts.skipped), (1, 1));
    settings.exclude = vec![at("archive")];
    assert!(scanned(&settings).certificates.is_empty(), "by a link neither");
    settings.exclude.clear();
    settings.max_depth = 0;
    assert!(scanned(&settings).certificates.is_empty());
    settings.directories = vec![at("nowhere")];
    assert_eq!(scanned(&settings).counts.unreadable, 1);
}

#[test]
fn files_and_pages_have_a_number() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..(MAX_FOUND + 5) {
        let name = format!("n{number}");
        put(
            &dir.path().join(format!("{name}.der")),
            &certificate(&name),
            0o644,
        );
    }
    let mut settings = settings(dir.path());
    let pages = scanned(&settings).pages("scan");
    assert!(pages.len() >= 2);
    assert!(pages.iter().all(|page| {
        page.certificates.len() <= MAX_FOUND
            && serde_json::to_string(page).unwrap().len() <= courier_wire::MAX_BODY
    }));
    let all: usize = pages.iter().map(|page| page.certificates.len()).sum();
    assert_eq!(all, MAX_FOUND + 5);
    let lasts: Vec<bool> = pages.iter().map(|page| page.last).collect();
    assert_eq!(lasts.iter().filter(|last| **last).count(), 1);
    assert!(lasts.last().unwrap() & pages.last().unwrap().counts.is_some());
    settings.max_files = 3;
    let few = scanned(&settings);
    assert_eq!(few.certificates.len(), 3);
    assert_eq!(few.counts.skipped, u64::try_from(MAX_FOUND + 2).unwrap());
    // Nothing found is a page as well, so that what was there is known to be gone.
    let nothing = Scan::default().pages("scan");
    assert!(nothing.len() == 1 && nothing[0].last);
}

#[test]
fn a_path_is_told_as_one_line_of_some_length() {
    use std::os::unix::ffi::OsStrExt as _;
    let odd = Path::new(std::ffi::OsStr::from_bytes(b"/a\n\x1b[31m\xff.pem"));
    let told = shown(odd);
    assert!(!told.chars().any(char::is_control), "{told:?}");
    let long = format!("/{}é/end.pem", "ä".repeat(2000));
    let told = shown(Path::new(&long));
    assert!(told.len() <= MAX_PATH && told.ends_with("/end.pem"));
}

#[test]
fn a_certificate_with_a_weak_key_is_found() {
    let weak = include_bytes!("../../../../protocols/pki/src/certificate/outline/weak.crt");
    assert_eq!(read::certificates(weak).len(), 1);
}
