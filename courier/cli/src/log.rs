//! The log: lines on standard error, in a file that is set aside when it is long, and at the daemon for logs of this host.

mod syslog;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use tracing::Subscriber;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriterExt as _};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};

use crate::args::{Global, Output};
use crate::client::Clock;
use crate::config::{LogFormat, LogLevel, LogSettings};
use crate::failure::Failure;
use syslog::Syslog;

/// Starts the log of this process as the first file says; with a directory of files the others write to the same.
pub fn start(settings: &LogSettings, global: &Global) -> Result<(), Failure> {
    static STARTED: OnceLock<()> = OnceLock::new();
    if STARTED.set(()).is_err() {
        return Ok(());
    }
    let level = level(settings.level, global.verbose, global.quiet);
    let writer = match &settings.file {
        None => BoxMakeWriter::new(io::stderr),
        Some(path) => BoxMakeWriter::new(Mutex::new(Rotating::open(path, settings)?).and(io::stderr)),
    };
    let is_json = match global.log_format {
        Some(format) => format == Output::Json,
        None => settings.format == LogFormat::Json,
    };
    let syslog = settings.syslog.as_ref().map(|path| {
        Syslog::at(path, Clock::system()).map_err(|source| Failure::Io {
            what: "no socket can be made for the daemon for logs".to_owned(),
            source,
        })
    });
    let lines = subscriber(level, writer, syslog.transpose()?, is_json, settings.journald);
    let started = tracing::subscriber::set_global_default(lines);
    started.map_err(|_| Failure::Usage("the log was started before".to_owned()))
}

/// Everything that is written to, at this level. The journal and the daemon for logs note the time by themselves.
fn subscriber(
    level: LevelFilter,
    writer: BoxMakeWriter,
    syslog: Option<Syslog>,
    is_json: bool,
    is_without_time: bool,
) -> impl Subscriber + Send + Sync {
    let lines = fmt::layer().with_ansi(false).with_writer(writer);
    let lines = match (is_json, is_without_time) {
        (true, _) => lines.json().boxed(),
        (false, true) => lines.without_time().boxed(),
        (false, false) => lines.boxed(),
    };
    let syslog = syslog.map(|syslog| {
        let lines = fmt::layer().with_ansi(false).with_writer(syslog).without_time();
        if is_json {
            lines.json().boxed()
        } else {
            lines.with_level(false).boxed()
        }
    });
    Registry::default().with(level).with(lines).with(syslog)
}

/// The level of the file, raised by `-v` and lowered by `-q`; `-v` does nothing to a file that asks for more already.
fn level(configured: LogLevel, verbose: u8, quiet: bool) -> LevelFilter {
    let asked = match (quiet, verbose) {
        (true, _) => LogLevel::Warn.min(configured),
        (false, 0) => configured,
        (false, 1) => configured.max(LogLevel::Debug),
        (false, _) => LogLevel::Trace,
    };
    match asked {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// A file that becomes `<name>.1` when it is long, the one before `<name>.2`, and so on.
struct Rotating {
    path: PathBuf,
    file: File,
    len: u64,
    most: u64,
    keep: u32,
}

impl Rotating {
    fn open(path: &Path, settings: &LogSettings) -> Result<Self, Failure> {
        let opened = append(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (len, file) = opened.map_err(|source| Failure::Io {
            what: format!("the log {} cannot be written", path.display()),
            source,
        })?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            len,
            most: u64::from(settings.max_size_mb) * 1024 * 1024,
            keep: settings.max_files,
        })
    }

    fn rotate(&mut self) -> io::Result<()> {
        let aside = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.keep).rev() {
            match std::fs::rename(aside(number), aside(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.keep > 0 {
            std::fs::rename(&self.path, aside(1))?;
        } else {
            std::fs::remove_file(&self.path)?;
        }
        self.file = append(&self.path)?;
        self.len = 0;
        Ok(())
    }
}

impl Write for Rotating {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let more = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.len > 0 && self.len.saturating_add(more) > self.most {
            self.rotate()?;
        }
        let written = self.file.write(line)?;
        self.len = self.len.saturating_add(u64::try_from(written).unwrap_or(0));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append(path: &Path) -> io::Result<File> {
    let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    options
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(nofollow);
    options.open(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;

    #[test]
    fn a_switch_raises_and_never_lowers_what_the_file_asks_for() {
        assert_eq!(level(LogLevel::Info, 0, false), LevelFilter::INFO);
        assert_eq!(level(LogLevel::Info, 1, false), LevelFilter::DEBUG);
        assert_eq!(level(LogLevel::Trace, 1, false), LevelFilter::TRACE);
        assert_eq!(level(LogLevel::Info, 2, false), LevelFilter::TRACE);
        assert_eq!(level(LogLevel::Debug, 0, true), LevelFilter::WARN);
        assert_eq!(level(LogLevel::Error, 0, true), LevelFilter::ERROR);
    }

    #[test]
    fn long_files_are_set_aside_and_old_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("courier.log");
        let settings = LogSettings {
            max_size_mb: 0,
            max_files: 2,
            ..LogSettings::default()
        };
        let mut log = Rotating::open(&path, &settings).unwrap();
        for number in 1..=4 {
            log.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
        assert_eq!(
            (read("courier.log"), read("courier.log.1"), read("courier.log.2")),
            ("4\n".to_owned(), "3\n".to_owned(), "2\n".to_owned())
        );
        assert!(!dir.path().join("courier.log.3").exists());
    }
}
