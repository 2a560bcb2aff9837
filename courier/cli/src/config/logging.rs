//! The section `logging`.

use super::section::Section;
use super::{LogFormat, LogLevel, LogSettings};

const LEVELS: [(&str, LogLevel); 5] = [
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

pub(super) fn read(section: &Section<'_>) -> LogSettings {
    if !section.flag("redact", true) {
        section.problem("redact", "is false: secrets are never written to a log");
    }
    let default = LogSettings::default();
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    LogSettings {
        level: section.choice("level", &LEVELS).unwrap_or_default(),
        format: section.choice("format", &formats).unwrap_or_default(),
        file: section.path("file"),
        max_size_mb: section
            .number("max_size_mb", 1, 10_000)
            .unwrap_or(default.max_size_mb),
        max_files: section.number("max_files", 0, 1000).unwrap_or(default.max_files),
        journald: section.flag("journald", false),
    }
}
