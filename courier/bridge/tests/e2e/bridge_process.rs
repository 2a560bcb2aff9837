//! The program, started and ended.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::bed::Bed;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Bridge {
    child: Child,
    lines: mpsc::Receiver<String>,
    pub(crate) couriers: SocketAddr,
    pub(crate) metrics: SocketAddr,
}

impl Bridge {
    /// Starts it and waits until it listens.
    pub(crate) fn start(bed: &Bed, config: &str) -> Self {
        let path = bed.write(&format!("{}.yaml", uuid::Uuid::new_v4()), config);
        let mut child = Command::new(env!("CARGO_BIN_EXE_courier-bridge"))
            .args(["run", "--config"])
            .arg(path)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut bridge = Self {
            child,
            lines,
            couriers: nowhere,
            metrics: nowhere,
        };
        let line = bridge.wait_for("listening");
        let value = |key: &str| {
            let rest = line.split(key).nth(1).unwrap();
            rest.split_whitespace().next().unwrap().parse().unwrap()
        };
        bridge.couriers = value("couriers=");
        bridge.metrics = value("metrics=");
        bridge
    }

    /// Waits for a line of the log.
    pub(crate) fn wait_for(&self, words: &str) -> String {
        let mut told = Vec::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("`{words}` is logged: {told:?}"));
            if line.contains(words) {
                return line;
            }
            told.push(line);
        }
    }

    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    pub(crate) fn ended(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// What the listener for those who look after it answers: status and body.
    pub(crate) fn look(&self, path: &str) -> (u16, String) {
        let done = curl(&[
            "-s",
            "-w",
            "\n%{http_code}",
            &format!("http://{}{path}", self.metrics),
        ]);
        let text = String::from_utf8(done.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command of the program that comes to an end.
pub(crate) fn command(bed: &Bed, config: &str, arguments: &[&str]) -> Output {
    let path = bed.write("command.yaml", config);
    let mut command = Command::new(env!("CARGO_BIN_EXE_courier-bridge"));
    command.arg("--config").arg(path).args(arguments);
    command.current_dir(bed.folder()).output().unwrap()
}

pub(crate) fn curl(arguments: &[&str]) -> Output {
    Command::new("curl")
        .args(["--max-time", "30"])
        .args(arguments)
        .output()
        .expect("curl is there")
}
