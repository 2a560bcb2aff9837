//! The section `logging`.

use super::section::Section;
use super::{LogFormat, LogLevel, LogSettings};

/// Where the daemon for logs listens on every Unix.
const SYSLOG_SOCKET: &str = "/dev/log";

/// Reads the section.
pub(super) fn read(root: &Section<'_>) -> LogSettings {
    let logging = root.section("logging");
    let levels = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let defaults = LogSettings::default();
    // What redaction leaves out is left out at every level.
    if logging.flag("redact") == Some(false) {
        logging.problem("redact", "is always true: secrets are never logged");
    }
    let socket = logging.path_of("syslog_socket");
    if socket.is_some() && !logging.flag("syslog").unwrap_or(false) {
        logging.problem("syslog_socket", "is for `logging.syslog: true`");
    }
    let socket = socket.unwrap_or_else(|| SYSLOG_SOCKET.into());
    LogSettings {
        level: logging.choice("level", &levels).unwrap_or(defaults.level),
        format: logging.choice("format", &formats).unwrap_or(defaults.format),
        file: logging.path_of("file"),
        max_size_mb: logging
            .number("max_size_mb", 1, 10_000)
            .unwrap_or(defaults.max_size_mb),
        max_files: logging.number("max_files", 0, 1000).unwrap_or(defaults.max_files),
        journald: logging.flag("journald").unwrap_or(defaults.journald),
        syslog: logging.flag("syslog").unwrap_or(false).then_some(socket),
    }
}
