//! Schedules, judged by systemd and by reading them back.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::config::{Origin, parse};

const FILE: &str = "api:\n  uuid: 550e8400-e29b-41d4-a716-446655440000\n  base_url: https://pki.example\nauth: { method: spiffe, \
                    workload_api_socket: 'unix:///run/spire/api.sock' }\ncertificate: { sans: { dns: [a.example] }, output: { dir: /srv/tls } }\n";

fn job_of(path: &str, text: &str) -> Job {
    let origin = Origin {
        path: Path::new(path),
        base: Path::new("/etc/courier"),
        is_readable_by_others: false,
    };
    let settings = parse(text, origin, &BTreeMap::new(), false).unwrap();
    Job::new(&settings, Path::new("/usr/bin/courier"), "courier").unwrap()
}

fn job() -> Job {
    job_of("/etc/courier/web.yaml", FILE)
}

/// Runs a judge; one that is not there fails the test.
fn run(program: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn systemd_takes_the_units_and_finds_them_shut() {
    let folder = tempfile::tempdir().unwrap();
    let odd = "/etc/courier/50% \"off\" $HOME.yaml";
    for (number, job) in [job(), job_of(odd, FILE)].into_iter().enumerate() {
        let job = job
            .with_credential("client-secret", Path::new("/etc/courier/client 100%"))
            .unwrap();
        let units = systemd(&job);
        let service = folder.path().join(format!("courier-{number}.service"));
        let timer = folder.path().join(format!("courier-{number}.timer"));
        std::fs::write(&service, &units.service).unwrap();
        std::fs::write(&timer, &units.timer).unwrap();
        let unit = service.to_str().unwrap();
        let (is_shut, said) = run(
            "systemd-analyze",
            &["security", "--offline=true", "--threshold=20", unit],
        );
        assert!(is_shut, "it is open wider than 2.0: {said}");
        for unit in [unit, timer.to_str().unwrap()] {
            let (_, said) = run("systemd-analyze", &["verify", "--man=no", unit]);
            // The program is not installed where the tests run; everything else it says is a fault.
            let faults: Vec<&str> = said
                .lines()
                .filter(|line| !line.contains("is not executable"))
                .collect();
            assert!(faults.is_empty(), "{faults:?}\n{}", units.service);
        }
    }
    let (is_time, said) = run("systemd-analyze", &["calendar", "*-*-* 00,12:00:00"]);
    assert!(is_time, "{said}");
}

#[test]
fn the_units_say_what_the_design_says() {
    let units = systemd(
        &job()
            .with_credential("client-secret", Path::new("/etc/courier/cs"))
            .unwrap(),
    );
    for line in [
        "User=courier",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "LoadCredential=client-secret:/etc/courier/cs",
        "ReadWritePaths=\"-/srv/tls\"",
        "ReadWritePaths=\"-/var/lib/courier\"",
        "ExecStart=\"/usr/bin/courier\" --config \"/etc/courier/web.yaml\" run",
    ] {
        assert!(
            units.service.lines().any(|found| found == line),
            "{line}\n{}",
            units.service
        );
    }
    for line in [
        "OnCalendar=*-*-* 00,12:00:00",
        "RandomizedDelaySec=1h",
        "Persistent=true",
        "WantedBy=timers.target",
    ] {
        assert!(
            units.timer.lines().any(|found| found == line),
            "{line}\n{}",
            units.timer
        );
    }
    // What servers take is written by the courier, too.
    let with_servers = FILE.replace(
        "output: {",
        "deploy: [{ type: nginx }, { type: haproxy, pem_path: pem/a.pem, stats_socket: /run/haproxy.sock }], output: {",
    );
    let service = systemd(&job_of("/etc/courier/web.yaml", &with_servers)).service;
    for line in [
        "ReadWritePaths=\"-/etc/nginx/certs\"",
        "ReadWritePaths=\"-/etc/courier/pem\"",
        "ReadWritePaths=\"-/srv/tls\"",
    ] {
        assert!(service.lines().any(|found| found == line), "{line}\n{service}");
    }
    let shared = systemd(&job_of(
        "/etc/courier/web.yaml",
        &FILE.replace("/srv/tls", "/srv/tls }, state_dir: /tmp/state, hooks: {"),
    ));
    assert!(shared.service.contains("PrivateTmp=no"), "{}", shared.service);
    // A chain of calls ends with what is allowed after all.
    assert!(service.contains("\nSystemCallFilter=@chown\n"), "{service}");
    let at_home = job_of("/home/me/web.yaml", &FILE.replace("/run/spire", "/tmp/spire"));
    let service = systemd(&at_home).service;
    assert!(service.contains("ProtectHome=read-only") && service.contains("PrivateTmp=no"));
}

#[test]
fn the_line_of_cron_is_one_command_of_the_shell() {
    let odd = job_of("/etc/courier/it's 50% $HOME.yaml", FILE);
    let text = cron(&odd, 77);
    let line = text.lines().last().unwrap();
    assert!(line.starts_with("17 */12 * * * courier "), "{line}");
    // What cron makes of it, the shell takes apart again.
    let command = line.split_once(" courier ").unwrap().1.replace("\\%", "%");
    let printed = command.replace("'/usr/bin/courier'", "printf '%s\\n'");
    let (is_done, said) = run("sh", &["-c", &printed]);
    assert!(is_done);
    assert_eq!(said, "--quiet\n--config\n/etc/courier/it's 50% $HOME.yaml\nrun\n");
    assert_eq!(odd.name(), "courier-it-s-50---HOME");
}

#[test]
fn the_task_of_windows_is_xml() {
    let text = windows_task(&job_of("/etc/courier/a&b <c> \"d\".yaml", FILE));
    assert!(text.contains("<Interval>PT12H</Interval>") && text.contains("<StartWhenAvailable>true"));
    assert!(text.contains(
        "<Arguments>--quiet --config &quot;/etc/courier/a&amp;b &lt;c&gt; \\&quot;d\\&quot;.yaml&quot; run</Arguments>"
    ), "{text}");
    let mut open = Vec::new();
    for tag in text.split('<').skip(1).filter(|tag| !tag.starts_with(['?', '!'])) {
        let name = tag.split(['>', ' ']).next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None => open.push(name),
        }
    }
    assert!(open.is_empty());
}

#[test]
fn files_are_put_there_and_taken_away_and_those_of_others_stay() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for (format, count) in [(Format::Systemd, 2), (Format::Cron, 1)] {
        let installed = install(format, &job(), 5, root).unwrap();
        assert_eq!(installed.files.len(), count);
        // Again, over its own.
        assert_eq!(install(format, &job(), 6, root).unwrap(), installed);
        for file in &installed.files {
            assert!(std::fs::read_to_string(file).unwrap().contains(MARK));
        }
        let removed = remove(format, &job(), root).unwrap();
        assert_eq!(removed.files.len(), count);
        // A timer that was enabled goes on until the system is told.
        let is_told = removed
            .then
            .contains(&"systemctl disable --now courier-web.timer".to_owned());
        assert_eq!(is_told, format == Format::Systemd, "{removed:?}");
        assert_eq!(remove(format, &job(), root).unwrap().files.len(), 0);
        let foreign = &installed.files[0];
        std::fs::write(foreign, "[Service]\n").unwrap();
        assert!(
            matches!(install(format, &job(), 5, root), Err(ScheduleFault::Foreign(path)) if path == *foreign)
        );
        assert!(matches!(
            remove(format, &job(), root),
            Err(ScheduleFault::Foreign(_))
        ));
        assert_eq!(std::fs::read_to_string(foreign).unwrap(), "[Service]\n");
        // Nothing of a set is written when one of it is somebody else's.
        assert!(installed.files.iter().skip(1).all(|file| !file.exists()));
        std::fs::remove_file(foreign).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", foreign).unwrap();
        assert!(matches!(
            install(format, &job(), 5, root),
            Err(ScheduleFault::Foreign(_))
        ));
    }
    assert!(matches!(
        install(Format::WindowsTask, &job(), 5, root),
        Err(ScheduleFault::ElsewhereOnly)
    ));
}

#[test]
fn what_no_schedule_can_carry_is_refused() {
    let job = job();
    assert!(job.clone().with_credential("../x", Path::new("/a")).is_err());
    assert!(job.clone().with_credential("x", Path::new("relative")).is_err());
    assert!(
        job.with_credential("x", Path::new("/a\nExecStart=/bin/sh"))
            .is_err()
    );
    let origin = Origin {
        path: Path::new("/etc/courier/a.yaml"),
        base: Path::new("/etc/courier"),
        is_readable_by_others: false,
    };
    let settings = parse(FILE, origin, &BTreeMap::new(), false).unwrap();
    for user in ["", "a b", "root\n", "-x"] {
        assert!(
            Job::new(&settings, Path::new("/usr/bin/courier"), user).is_err(),
            "{user:?}"
        );
    }
    assert!(Job::new(&settings, Path::new("courier"), "courier").is_err());
}
