//! Lines of the log as messages of RFC 5424 to the daemon on this host: one datagram each, to `/dev/log`.
//!
//! The log is a service to whoever reads it and nothing that a run depends on: a daemon that is away, or that does not keep up, loses
//! lines and stops nobody. Each line finds the socket anew, so that a daemon that was restarted is met again.

use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use crate::client::Clock;

/// Facility `system daemons`: RFC 5424 §6.2.1.
const FACILITY: u8 = 3;
/// Longest message: what every receiver of RFC 5424 §6.1 should take.
const MOST_OCTETS: usize = 2048;
/// Longest HOSTNAME (RFC 5424 §6).
const MOST_HOST: usize = 255;

/// A daemon on this host, as the log writes to it.
#[derive(Clone, Debug)]
pub(super) struct Syslog {
    daemon: Arc<Daemon>,
}

#[derive(Debug)]
struct Daemon {
    socket: UnixDatagram,
    path: PathBuf,
    host: String,
    clock: Clock,
}

impl Syslog {
    /// The daemon that listens here, now or later.
    pub(super) fn at(path: &Path, clock: Clock) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        let node = rustix::system::uname();
        let host = node.nodename().to_string_lossy();
        let host: String = host
            .chars()
            .filter(char::is_ascii_graphic)
            .take(MOST_HOST)
            .collect();
        Ok(Self {
            daemon: Arc::new(Daemon {
                socket,
                path: path.to_owned(),
                host: if host.is_empty() { "-".to_owned() } else { host },
                clock,
            }),
        })
    }
}

impl<'a> MakeWriter<'a> for Syslog {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        self.line(Level::INFO)
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line {
        self.line(*meta.level())
    }
}

impl Syslog {
    fn line(&self, level: Level) -> Line {
        Line {
            daemon: Arc::clone(&self.daemon),
            level,
        }
    }
}

/// A line on its way. What is written at once is one message.
#[derive(Debug)]
pub(super) struct Line {
    daemon: Arc<Daemon>,
    level: Level,
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let message = self.daemon.message(self.level, line);
        // Whether anybody is there makes no difference to the run.
        let _ = self.daemon.socket.send_to(message.as_bytes(), &self.daemon.path);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Daemon {
    /// A message (RFC 5424 §6) without structured data.
    fn message(&self, level: Level, line: &[u8]) -> String {
        let priority = FACILITY * 8 + severity(level);
        let (at, host, process) = (self.clock.now(), &self.host, std::process::id());
        let mut message = format!("<{priority}>1 {at:.3} {host} courier {process} - - ");
        for letter in String::from_utf8_lossy(line).trim_end().chars() {
            // What would end the line, or speak to a terminal, cannot make a second message.
            let letter = if letter.is_control() { ' ' } else { letter };
            if message.len() + letter.len_utf8() > MOST_OCTETS {
                break;
            }
            message.push(letter);
        }
        message
    }
}

/// RFC 5424 §6.2.1.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test says what broke by panicking"
    )]

    use std::time::Duration;

    use tracing_subscriber::fmt;

    use super::*;

    fn clock() -> Clock {
        Clock::new(|| "2030-01-01T12:00:00.5Z".parse().unwrap())
    }

    fn listen(path: &Path) -> UnixDatagram {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut octets = [0; 8192];
        let len = socket.recv(&mut octets).unwrap();
        String::from_utf8(octets[..len].to_vec()).unwrap()
    }

    fn begin(priority: u8) -> String {
        format!("<{priority}>1 2030-01-01T12:00:00.500Z ")
    }

    #[test]
    fn every_line_is_a_message_of_its_own_with_the_severity_of_its_level() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let daemon = listen(&path);
        let syslog = Syslog::at(&path, clock()).unwrap();
        let lines = fmt().with_max_level(Level::TRACE).with_ansi(false);
        let lines = lines
            .without_time()
            .with_level(false)
            .with_writer(syslog)
            .finish();
        tracing::subscriber::with_default(lines, || {
            tracing::error!("one");
            tracing::warn!("two");
            tracing::info!(name = "web01", "three");
            tracing::debug!("four");
        });
        let process = std::process::id();
        for (priority, word) in [
            (27, "one"),
            (28, "two"),
            (30, "three name=\"web01\""),
            (31, "four"),
        ] {
            let message = heard(&daemon);
            assert!(message.starts_with(&begin(priority)), "{message}");
            assert!(message.contains(&format!(" courier {process} - - ")), "{message}");
            assert!(message.ends_with(word), "{message}");
            assert_eq!(
                message.split(' ').nth(2).map(str::is_empty),
                Some(false),
                "{message}"
            );
        }
    }

    #[test]
    fn a_line_cannot_become_two_messages_and_is_cut_at_a_letter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let daemon = listen(&path);
        let syslog = Syslog::at(&path, clock()).unwrap();
        let mut line = syslog.make_writer();
        line.write_all(b"a\n<0>1 - - - - - - forged\x1b[2J\n").unwrap();
        let message = heard(&daemon);
        assert!(
            message.ends_with(" - - a <0>1 - - - - - - forged [2J"),
            "{message}"
        );
        assert!(!message.contains(char::is_control), "{message:?}");
        line.write_all("ü".repeat(5000).as_bytes()).unwrap();
        let message = heard(&daemon);
        assert!(
            (MOST_OCTETS - 1..=MOST_OCTETS).contains(&message.len()),
            "{}",
            message.len()
        );
        assert!(message.ends_with('ü'));
    }

    #[test]
    fn a_daemon_that_is_away_comes_back_or_does_not_read_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let syslog = Syslog::at(&path, clock()).unwrap();
        syslog.make_writer().write_all(b"lost").unwrap();
        let daemon = listen(&path);
        syslog.make_writer().write_all(b"kept").unwrap();
        assert!(heard(&daemon).ends_with(" kept"));
        drop(daemon);
        std::fs::remove_file(&path).unwrap();
        let daemon = listen(&path);
        // More than any queue of a socket takes.
        for number in 0..5000 {
            let line = format!("{number} {}", "x".repeat(2000));
            syslog.make_writer().write_all(line.as_bytes()).unwrap();
        }
        assert!(heard(&daemon).contains(" 0 xxx"));
    }
}
