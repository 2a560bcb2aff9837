//! A copy of this machine that is thrown away.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::text;

/// A copy of this machine: what is written goes to memory; its processes are in a name space of their own and end with it.
pub(super) struct Machine {
    init: Child,
    /// The process of the copy that has the number 1 there.
    pid: String,
    _place: TempDir,
}

impl Machine {
    /// Copies it, and puts this folder at `/packages` of the copy.
    pub(super) fn start(packages: &Path) -> Self {
        let place = TempDir::new().unwrap();
        let script = r#"
            set -e
            mount -t tmpfs tmpfs "$0"
            cd "$0"
            mkdir upper work root
            mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
            mount -t proc proc root/proc
            mount --rbind /dev root/dev
            mount -t tmpfs tmpfs root/run
            mount -t tmpfs -o mode=1777 tmpfs root/tmp
            mkdir -p root/packages
            mount --bind "$1" root/packages
            exec chroot root sh -c 'echo ready; exec cat'"#;
        let mut init = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script])
            .arg(place.path())
            .arg(packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let said = init.stdout.as_mut().unwrap();
        BufReader::new(said).read_line(&mut line).unwrap();
        assert_eq!(
            line, "ready\n",
            "a copy of the machine could not be made: it wants root and overlayfs"
        );
        let children = PathBuf::from(format!("/proc/{0}/task/{0}/children", init.id()));
        let pid = std::fs::read_to_string(children).unwrap().trim().to_owned();
        Self {
            init,
            pid,
            _place: place,
        }
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args([
                "--target", &self.pid, "--mount", "--pid", "--root", "--wdns=/", "sh", "-c", script,
            ])
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null());
        command
    }

    /// Runs a script in it, as root.
    pub(super) fn run(&self, script: &str) -> Output {
        self.command(script).output().unwrap()
    }

    /// What a script that must succeed said.
    pub(super) fn ok(&self, script: &str) -> String {
        let output = self.run(script);
        assert!(output.status.success(), "{script}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Starts a script that goes on.
    pub(super) fn spawn(&self, script: &str) -> Child {
        self.command(script).stdout(Stdio::null()).spawn().unwrap()
    }

    /// Waits until a script succeeds.
    pub(super) fn wait_for(&self, condition: &str) {
        let since = Instant::now();
        while !self.run(condition).status.success() {
            assert!(since.elapsed() < Duration::from_mins(1), "{condition}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// From now on systemd seems to run: a simulated `systemctl` writes down what is asked of it and says that everything is active.
    pub(super) fn simulate_systemctl(&self) {
        self.ok("mkdir -p /run/systemd/system /run/simulated /usr/local/bin && \
                 printf '#!/bin/sh\\necho \"$@\" >>/run/simulated/asked\\n' >/usr/local/bin/systemctl && \
                 chmod 755 /usr/local/bin/systemctl");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.init.stdin.take());
        let _ = self.init.wait();
    }
}
