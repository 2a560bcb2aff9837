//! The packages: made of the programs that are built, installed, run, upgraded and taken away with Debian's and RPM's own tools, on a copy
//! of this machine that is written to in memory and thrown away. Making the copy wants root.

#[path = "packages/machine.rs"]
mod machine;

use std::path::Path;
use std::process::{Child, Command};

use tempfile::TempDir;

use crate::docs::commands;
use crate::harness::{free_ports, judge, softhsm, text};
use machine::Machine;

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn e2e_package_dpkg() {
    let packages = Packages::make("deb,tar");
    let machine = Machine::start(packages.folder.path());
    let debs = packages.ending(".deb");
    judge(
        "lintian",
        &[
            &["--allow-root", "--fail-on", "error,warning"],
            words(&debs).as_slice(),
        ]
        .concat(),
    );
    for deb in &debs {
        let name = judge("dpkg-deb", &["--field", deb, "Package"]);
        let name = name.trim();
        machine.ok(&format!("dpkg -i /packages/{}", file_name(deb)));
        check_programs_and_units(&machine, &machine.ok(&format!("dpkg -L {name}")));
        check_folders_of(&machine, name);
        machine.ok(&format!("dpkg --verify {name}"));
        machine.ok("! ls /etc/systemd/system/*.wants | grep -e chancery -e courier");
        if name == "courier" {
            check_sample(&machine);
        }
        if name != "chancery" {
            // What it remembers goes when it is purged, and comes again.
            let state = format!("/var/lib/{name}");
            machine.ok(&format!(
                "touch {state}/x && dpkg -P {name} && ! test -e {state} && ! test -e /etc/{name}"
            ));
            machine.ok(&format!(
                "dpkg -i /packages/{} && test -d {state}",
                file_name(deb)
            ));
        }
    }
    check_folders(&machine);
    let ports = set_up(&machine);
    let mut servers = start(&machine, ports);
    machine.ok("chancery tour");
    upgrade_over_itself(&machine);
    machine.ok(&format!("curl -sSf http://127.0.0.1:{}/healthz", ports[1]));
    stop(&machine, &mut servers);
    let mut servers = start(&machine, ports);
    machine.ok("chancery --output json cert list");
    stop(&machine, &mut servers);
    remove_and_purge(&machine);
}

/// What the administrator changed stays, what runs is started anew, unless something is in the way. The `systemctl` is simulated.
fn upgrade_over_itself(machine: &Machine) {
    let before = change_configuration(machine);
    machine.simulate_systemctl();
    machine.ok(&format!("dpkg -i {CHANCERY_DEB}"));
    assert_eq!(machine.ok(SUMS), before);
    let asked = machine.ok("cat /run/simulated/asked; rm /run/simulated/asked");
    let restart = "try-restart chancery-signerd.service chancery.service";
    assert!(asked.contains(restart) && !asked.contains("enable"), "{asked}");
    // A configuration that the new program cannot use: the old one goes on.
    machine
        .ok("cp -p /etc/chancery/chancery.toml /root/kept && echo '[limitz]' >>/etc/chancery/chancery.toml");
    let said = machine.ok(&format!("dpkg -i {CHANCERY_DEB} 2>&1"));
    assert!(
        said.contains("limits") && said.contains("were not restarted"),
        "{said}"
    );
    let asked = machine.ok("cat /run/simulated/asked");
    assert!(
        asked.contains("daemon-reload") && !asked.contains("restart"),
        "{asked}"
    );
    machine.ok("rm -r /run/systemd /usr/local/bin/systemctl && cat /root/kept >/etc/chancery/chancery.toml");
}

/// Removed, the configuration stays; purged, it goes, and what was issued stays.
fn remove_and_purge(machine: &Machine) {
    machine.ok("dpkg -r chancery && ! test -e /usr/bin/chancery");
    machine.ok("test -s /etc/chancery/chancery.toml && test -e /etc/logrotate.d/chancery-signerd");
    let said = machine.ok("dpkg -P chancery 2>&1");
    assert!(said.contains("/var/lib/chancery is kept"), "{said}");
    machine
        .ok("! ls /etc/chancery/*.toml && ! test -e /etc/logrotate.d/chancery-signerd && ! dpkg -s chancery");
    machine.ok("test -s /var/lib/chancery/chancery.db && test -s /etc/chancery/pin");
    // Where nothing was made, nothing stays.
    machine.ok("rm -rf /var/lib/chancery /var/lib/chancery-signerd /etc/chancery");
    machine.ok(&format!(
        "dpkg -i {CHANCERY_DEB} && test -d /etc/chancery && dpkg -P chancery"
    ));
    machine
        .ok("! test -e /etc/chancery && ! test -e /var/lib/chancery && ! test -e /var/lib/chancery-signerd");
}

#[test]
fn e2e_package_rpm() {
    let packages = Packages::make("rpm");
    let machine = Machine::start(packages.folder.path());
    machine.ok("rpm --initdb");
    for rpm in packages.ending(".rpm") {
        let name = judge("rpm", &["-qp", "--queryformat", "%{NAME}", &rpm]);
        let needs = judge("rpm", &["-qpR", &rpm]);
        assert!(
            needs.contains("systemd") && needs.contains("libc.so.6"),
            "{needs}"
        );
        let owners = judge(
            "rpm",
            &[
                "-qp",
                "--queryformat",
                "[%{FILEUSERNAME}:%{FILEGROUPNAME}\n]",
                &rpm,
            ],
        );
        assert!(owners.lines().all(|owner| owner == "root:root"), "{owners}");
        // Debian's packages are not in RPM's database, so that needs cannot be looked up in it.
        machine.ok(&format!("rpm -i --nodeps /packages/{}", file_name(&rpm)));
        check_programs_and_units(&machine, &machine.ok(&format!("rpm -ql {name}")));
        check_folders_of(&machine, &name);
        machine.ok(&format!("rpm -V --nodeps {name}"));
    }
    check_folders(&machine);
    assert_eq!(
        machine.ok("rpm -qc chancery"),
        "/etc/logrotate.d/chancery-signerd"
    );

    let ports = set_up(&machine);
    let mut servers = start(&machine, ports);
    machine.ok("chancery tour");
    let before = change_configuration(&machine);
    let file = format!("/packages/chancery-{VERSION}-1.{}.rpm", std::env::consts::ARCH);
    machine.ok(&format!("rpm -U --nodeps --replacepkgs {file}"));
    assert_eq!(machine.ok(SUMS), before);
    machine.ok("chancery --output json cert list");
    stop(&machine, &mut servers);
    machine.ok("rpm -e chancery");
    machine.ok("! test -e /usr/bin/chancery && test -s /etc/chancery/chancery.toml");
    machine.ok("test -s /etc/logrotate.d/chancery-signerd.rpmsave && test -s /var/lib/chancery/chancery.db");
}

/// The folders of the packages beside the appliance's: who may read and write them.
const FOLDERS: &[(&str, &str)] = &[
    (
        "courier",
        "/etc/courier 750 root:courier\n/etc/courier/tls 750 courier:courier\n/var/lib/courier 700 courier:courier",
    ),
    (
        "courier-bridge",
        "/etc/courier-bridge 750 root:courier-bridge\n/var/lib/courier-bridge 700 courier-bridge:courier-bridge",
    ),
];

/// The sums of all that the administrator may have changed.
const SUMS: &str = "sha256sum /etc/chancery/*.toml /etc/chancery/pin /etc/logrotate.d/chancery-signerd";

const CHANCERY_DEB: &str = "/packages/chancery_*.deb";

/// The courier's sample can be used by its user once its secret and its roots are there.
fn check_sample(machine: &Machine) {
    machine.ok("install -m 640 -g courier /usr/share/doc/courier/examples/production.yaml /etc/courier/production.yaml");
    machine.ok("cp /etc/ssl/certs/ca-certificates.crt /etc/courier/ca-bundle.pem");
    machine.ok("echo secret | install -o courier -m 400 /dev/stdin /etc/courier/client-secret");
    machine.ok("runuser -u courier -- courier --config /etc/courier/production.yaml validate-config");
    machine.ok("systemd-analyze condition --unit=courier.service");
    machine.ok("rm /etc/courier/ca-bundle.pem /etc/courier/client-secret");
}

/// Changes it, and tells its sums.
fn change_configuration(machine: &Machine) -> String {
    machine.ok("for file in /etc/logrotate.d/chancery-signerd /etc/chancery/signerd.toml; do echo '# mine' >>$file; done");
    machine.ok(SUMS)
}

/// Who may read and write the folders of a package.
fn check_folders_of(machine: &Machine, package: &str) {
    for (_, wanted) in FOLDERS.iter().filter(|(name, _)| *name == package) {
        let folders: Vec<&str> = wanted.lines().filter_map(|line| line.split(' ').next()).collect();
        let modes = machine.ok(&format!("stat -c '%n %a %U:%G' {}", folders.join(" ")));
        assert_eq!(modes, *wanted);
    }
}

/// Each program tells its version; each unit is correct, now that its program is there, shut, and does nothing without a configuration.
fn check_programs_and_units(machine: &Machine, files: &str) {
    for file in files.lines() {
        if file.starts_with("/usr/bin/") {
            let said = machine.ok(&format!("{file} --version"));
            assert!(said.ends_with(VERSION), "{file}: {said}");
        }
        if file.starts_with("/usr/lib/systemd/system/") && !file.ends_with('/') {
            let said = machine.ok(&format!("systemd-analyze verify --man=no {file} 2>&1"));
            assert!(said.is_empty(), "{file}: {said}");
            if file.ends_with(".service") {
                machine.ok(&format!(
                    "systemd-analyze security --offline=true --threshold=20 {file}"
                ));
                let unit = file.rsplit('/').next().unwrap();
                let begun = machine.run(&format!("systemd-analyze condition --unit={unit}"));
                assert!(text(&begun).contains("failed"), "{unit}: {}", text(&begun));
            }
        }
    }
}

/// Who may read and write what, and that the signing process lets the server in.
fn check_folders(machine: &Machine) {
    let modes = machine.ok(
        "stat -c '%n %a %U:%G' /etc/chancery /etc/chancery/* /var/lib/chancery /var/lib/chancery-signerd",
    );
    let wanted = "/etc/chancery 1775 root:chancery\n\
                  /etc/chancery/signerd.toml 644 root:root\n\
                  /var/lib/chancery 700 chancery:chancery\n\
                  /var/lib/chancery-signerd 700 chancery-signerd:chancery-signing";
    assert_eq!(modes, wanted);
    machine.ok("grep -qx \"allowed_uids = \\[$(id -u chancery)\\]\" /etc/chancery/signerd.toml");
    machine.ok("id -nG chancery | grep -qw chancery-signing");
    let refused = machine.run("runuser -u chancery -- sh -c 'echo x >/etc/chancery/x && mv -f /etc/chancery/x /etc/chancery/signerd.toml'");
    assert!(
        text(&refused).contains("Operation not permitted"),
        "{}",
        text(&refused)
    );
    machine.ok("rm /etc/chancery/x");
    machine.ok("logrotate --debug /etc/logrotate.d/chancery-signerd");
}

/// A token, its PIN, and what the manual says to do with them; the ports of the server.
fn set_up(machine: &Machine) -> [u16; 3] {
    machine.ok("install -m 600 /dev/null /etc/chancery/pin && echo 12345678 >/etc/chancery/pin");
    machine.ok("usermod -aG softhsm chancery-signerd && rm -rf /var/lib/softhsm/tokens/*");
    machine.ok(
        "runuser -u chancery-signerd -- softhsm2-util --init-token --free --label chancery --pin 12345678 --so-pin 87654321",
    );
    machine.ok(&format!(
        "sed -i 's,^module = .*,module = \"{}\",' /etc/chancery/signerd.toml",
        softhsm()
    ));
    // What systemd does by RuntimeDirectory= and LoadCredential=.
    machine.ok("install -d -o chancery-signerd -g chancery-signing -m 750 /run/chancery-signerd");
    machine.ok("install -d -o chancery-signerd -m 700 /run/credentials-of-signerd");
    machine.ok("install -o chancery-signerd -m 400 /etc/chancery/pin /run/credentials-of-signerd/pin");
    free_ports()
}

/// The signing process and the server, by the commands of their units, under their users; the first time after `init`, as the manual
/// has it.
fn start(machine: &Machine, ports: [u16; 3]) -> Vec<Child> {
    let command = |unit: &str| {
        let line = machine.ok(&format!(
            "sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/{unit}.service"
        ));
        let user = machine.ok(&format!(
            "sed -n 's/^User=//p' /usr/lib/systemd/system/{unit}.service"
        ));
        let group = machine.ok(&format!(
            "sed -n 's/^Group=//p' /usr/lib/systemd/system/{unit}.service"
        ));
        format!("exec setpriv --reuid {user} --regid {group} --init-groups {line}")
    };
    let signerd = machine.spawn(&format!(
        "umask 0077; export CREDENTIALS_DIRECTORY=/run/credentials-of-signerd; {}",
        command("chancery-signerd")
    ));
    machine.wait_for("test -S /run/chancery-signerd/signerd.sock");
    let [api, public, metrics] = ports;
    if !machine
        .run("test -e /etc/chancery/chancery.toml")
        .status
        .success()
    {
        let page = commands("operations/installation.md", 2, &[]);
        let (init, tour) = page.split_once("chancery tour").unwrap();
        assert!(tour.trim().is_empty(), "{page}");
        let init = init
            .replace("0.0.0.0:80 ", &format!("127.0.0.1:{public} "))
            .replace("//pki.example.com", &format!("//127.0.0.1:{public}"))
            .replace(
                "0.0.0.0:8443",
                &format!("127.0.0.1:{api} --metrics 127.0.0.1:{metrics}"),
            );
        machine.ok(init.trim());
        machine.ok("systemd-analyze condition --unit=chancery.service");
        machine.ok("systemd-analyze condition --unit=chancery-signerd.service");
    }
    let server = machine.spawn(&format!("umask 0077; {}", command("chancery")));
    machine.wait_for(&format!("curl -sf http://127.0.0.1:{public}/healthz"));
    vec![server, signerd]
}

fn stop(machine: &Machine, servers: &mut Vec<Child>) {
    for (mut server, program) in servers.drain(..).zip(["chancery", "chancery-signer"]) {
        // The machine has no others of this name, of which the kernel keeps fifteen letters.
        machine.ok(&format!("kill -TERM $(pgrep -x {program})"));
        assert!(server.wait().unwrap().success(), "{program}");
    }
}

/// Packages of the programs beside the one under test.
struct Packages {
    folder: TempDir,
}

impl Packages {
    /// Makes them, twice, and holds both against each other.
    fn make(forms: &str) -> Self {
        let (folder, again) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let programs = Path::new(env!("CARGO_BIN_EXE_chancery")).parent().unwrap();
        let xtask = programs.join("xtask");
        assert!(
            xtask.exists(),
            "xtask is not built: run the tests by `cargo xtask test`"
        );
        for out in [&folder, &again] {
            let made = Command::new(&xtask)
                .args(["package", "--profile", "dev", "--forms", forms, "--out"])
                .arg(out.path())
                .arg("--programs")
                .arg(programs)
                .env("SOURCE_DATE_EPOCH", "1700000000")
                .output()
                .unwrap();
            assert!(made.status.success(), "{}", text(&made));
        }
        let sums = |out: &TempDir| std::fs::read_to_string(out.path().join("SHA256SUMS")).unwrap();
        assert_eq!(sums(&folder), sums(&again));
        let check = Command::new("sha256sum")
            .args(["--check", "--strict", "SHA256SUMS"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(check.status.success(), "{}", text(&check));
        Self { folder }
    }

    /// Those of a form.
    fn ending(&self, end: &str) -> Vec<String> {
        let found = std::fs::read_dir(self.folder.path()).unwrap();
        let names = found.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned());
        let names: Vec<String> = names.filter(|name| name.ends_with(end)).collect();
        assert!(!names.is_empty(), "no {end}");
        names
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

fn words(owned: &[String]) -> Vec<&str> {
    owned.iter().map(String::as_str).collect()
}
