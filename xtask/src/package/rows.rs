//! The packages: what each is called, has in it, needs, and does when it comes and goes.
//!
//! Paths of sources are those of the repository. What lies below `etc` is configuration: it is the administrator's after it was installed
//! once, in either form.

/// A package.
#[derive(Debug)]
pub(super) struct Row {
    /// What `cargo xtask package` calls it.
    pub(super) word: &'static str,
    /// Its name.
    pub(super) name: &'static str,
    /// Where Debian puts it.
    pub(super) section: &'static str,
    /// What it is, in a line.
    pub(super) summary: &'static str,
    /// What it is, in lines of less than 80 characters.
    pub(super) description: &'static [&'static str],
    /// Its programs; they go to `/usr/bin`.
    pub(super) programs: &'static [Program],
    /// Its systemd units, files of `systemd/`. None is enabled and none is started by the package.
    pub(super) units: &'static [&'static str],
    /// What else is in it.
    pub(super) files: &'static [File],
    /// What has to be there, or had better be.
    pub(super) needs: Needs,
    /// What is done when it comes and goes.
    pub(super) scripts: Scripts,
}

/// A program.
#[derive(Debug)]
pub(super) struct Program {
    /// Its name.
    pub(super) name: &'static str,
    /// The words before the folder for which it writes its manual pages there; it then has `completions SHELL` as well.
    pub(super) manual: Option<&'static [&'static str]>,
}

/// A file or folder of the repository and where it goes.
#[derive(Debug)]
pub(super) struct File {
    /// Below the root of the repository.
    pub(super) from: &'static str,
    /// Below `/`. A manual page, and what ends in `.gz`, is packed with gzip.
    pub(super) to: &'static str,
}

/// Other packages, by the names that each family has for them. What the programs are linked with is found out and not listed.
#[derive(Debug)]
pub(super) struct Needs {
    /// `Depends` of Debian.
    pub(super) debian: &'static [&'static str],
    /// `Requires` of RPM.
    pub(super) rpm: &'static [&'static str],
    /// `Recommends` of both.
    pub(super) better_with: &'static [&'static str],
    /// `Conflicts` of both.
    pub(super) not_with: &'static [&'static str],
}

/// Shell code, run as root under `set -e`. All of it may run any number of times.
#[derive(Debug)]
pub(super) struct Scripts {
    /// After the files were put in place, at the first installation and at every later one.
    pub(super) set_up: &'static str,
    /// After an upgrade, where systemd runs: what is at work takes up the new programs.
    pub(super) renew: &'static str,
    /// When Debian's package is purged.
    pub(super) purge: &'static str,
}

const SYSTEMD: &[&str] = &[
    "systemd | systemd-standalone-sysusers | systemd-sysusers",
    "systemd | systemd-standalone-tmpfiles | systemd-tmpfiles",
];

/// All packages.
pub(super) const ROWS: &[Row] = &[APPLIANCE, COURIER, BRIDGE];

const APPLIANCE: Row = Row {
    word: "appliance",
    name: "chancery",
    section: "admin",
    summary: "certification authority whose keys live in an HSM",
    description: &[
        "Chancery issues certificates, answers OCSP and publishes CRLs; the keys of",
        "its CAs are made in a PKCS#11 token and never leave it. The server, chancery,",
        "has no access to the token: that has the signing process, chancery-signerd,",
        "under a user of its own.",
    ],
    programs: &[
        Program {
            name: "chancery",
            manual: Some(&["man"]),
        },
        Program {
            name: "chancery-signerd",
            manual: None,
        },
    ],
    units: &["chancery.service", "chancery-signerd.service"],
    files: &[
        File {
            from: "systemd/chancery.sysusers",
            to: "usr/lib/sysusers.d/chancery.conf",
        },
        File {
            from: "systemd/chancery.tmpfiles",
            to: "usr/lib/tmpfiles.d/chancery.conf",
        },
        File {
            from: "systemd/signerd.toml",
            to: "usr/share/chancery/signerd.toml",
        },
        File {
            from: "systemd/README.md",
            to: "usr/share/doc/chancery/systemd.md",
        },
        File {
            from: "xtask/packages/chancery/logrotate",
            to: "etc/logrotate.d/chancery-signerd",
        },
        File {
            from: "xtask/packages/chancery/chancery-signerd.8",
            to: "usr/share/man/man8/chancery-signerd.8.gz",
        },
        File {
            from: "docs",
            to: "usr/share/doc/chancery/manual",
        },
    ],
    needs: Needs {
        debian: SYSTEMD,
        rpm: &["systemd", "util-linux"],
        better_with: &["logrotate"],
        not_with: &[],
    },
    scripts: Scripts {
        set_up: include_str!("../../packages/chancery/set-up.sh"),
        renew: include_str!("../../packages/chancery/renew.sh"),
        purge: include_str!("../../packages/chancery/purge.sh"),
    },
};

const COURIER: Row = Row {
    word: "courier",
    name: "courier",
    section: "admin",
    summary: "fetches the certificates of this host and renews them",
    description: &[
        "The courier asks a Chancery appliance for the certificates of the host it runs",
        "on, installs them, has those who use them told, and renews them in time. A",
        "timer starts it twice a day; most of the time there is nothing to do.",
    ],
    programs: &[Program {
        name: "courier",
        manual: Some(&["man", "--dir"]),
    }],
    units: &["courier.service", "courier.timer"],
    files: &[
        File {
            from: "systemd/courier.sysusers",
            to: "usr/lib/sysusers.d/courier.conf",
        },
        File {
            from: "systemd/courier.tmpfiles",
            to: "usr/lib/tmpfiles.d/courier.conf",
        },
        File {
            from: "systemd/courier.yaml",
            to: "usr/share/doc/courier/examples/production.yaml",
        },
        File {
            from: "docs/courier",
            to: "usr/share/doc/courier/manual",
        },
    ],
    needs: Needs {
        debian: SYSTEMD,
        rpm: &["systemd"],
        better_with: &["ca-certificates"],
        // The mail server of this name has the user `courier` and the folder `/etc/courier` as well.
        not_with: &["courier-base"],
    },
    scripts: Scripts {
        set_up: include_str!("../../packages/courier/set-up.sh"),
        renew: include_str!("../../packages/courier/renew.sh"),
        purge: include_str!("../../packages/courier/purge.sh"),
    },
};

const BRIDGE: Row = Row {
    word: "bridge",
    name: "courier-bridge",
    section: "admin",
    summary: "way of couriers from one network segment into another",
    description: &[
        "Couriers that do not reach the Chancery appliance themselves reach it through",
        "this bridge, which lets through what they say to it, and nothing else.",
    ],
    programs: &[Program {
        name: "courier-bridge",
        manual: None,
    }],
    units: &["courier-bridge.service"],
    files: &[
        File {
            from: "systemd/courier-bridge.sysusers",
            to: "usr/lib/sysusers.d/courier-bridge.conf",
        },
        File {
            from: "systemd/courier-bridge.tmpfiles",
            to: "usr/lib/tmpfiles.d/courier-bridge.conf",
        },
        File {
            from: "systemd/courier-bridge.yaml",
            to: "usr/share/doc/courier-bridge/examples/config.yaml",
        },
    ],
    needs: Needs {
        debian: SYSTEMD,
        rpm: &["systemd"],
        better_with: &["ca-certificates"],
        not_with: &[],
    },
    scripts: Scripts {
        set_up: include_str!("../../packages/courier-bridge/set-up.sh"),
        renew: include_str!("../../packages/courier-bridge/renew.sh"),
        purge: include_str!("../../packages/courier-bridge/purge.sh"),
    },
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::super::scripts;
    use super::*;

    #[test]
    fn what_a_row_names_is_there() {
        let root = crate::shell::root().unwrap();
        for row in ROWS {
            for unit in row.units {
                assert!(root.join("systemd").join(unit).is_file(), "{unit}");
            }
            for file in row.files {
                assert!(root.join(file.from).exists(), "{}", file.from);
                assert!(!file.to.starts_with('/'), "{}", file.to);
            }
            assert!(row.summary.len() < 80 && row.description.iter().all(|line| line.len() < 80));
        }
    }

    #[test]
    fn names_are_used_once() {
        let mut names: Vec<&str> = ROWS.iter().flat_map(|row| [row.word, row.name]).collect();
        names.sort_unstable();
        names.dedup();
        // One is called the same in both places.
        assert_eq!(
            names,
            ["appliance", "bridge", "chancery", "courier", "courier-bridge"]
        );
    }

    #[test]
    fn scripts_can_be_read_by_the_shell() {
        for row in ROWS {
            for (name, script) in scripts::debian(row).into_iter().chain(scripts::rpm(row)) {
                let mut shell = Command::new("sh")
                    .arg("-n")
                    .stdin(Stdio::piped())
                    .spawn()
                    .unwrap();
                shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
                assert!(shell.wait().unwrap().success(), "{} {name}:\n{script}", row.name);
            }
        }
    }
}
