//! The keys of `logging`.

use super::{Field, Kind, field};

pub(super) const FIELDS: &[Field] = &[
    field(
        "logging.level",
        Kind::Text,
        "`info`",
        "`error`, `warn`, `info`, `debug`, `trace`.",
    ),
    field("logging.format", Kind::Text, "`text`", "`text`, `json`."),
    field("logging.file", Kind::Path, "", "A file besides standard error."),
    field(
        "logging.max_size_mb",
        Kind::Number,
        "10",
        "The size at which the file is set aside.",
    ),
    field(
        "logging.max_files",
        Kind::Number,
        "5",
        "How many files that were set aside are kept.",
    ),
    field(
        "logging.journald",
        Kind::Flag,
        "false",
        "Lines without the time, which the journal notes itself.",
    ),
    field(
        "logging.syslog",
        Kind::Flag,
        "false",
        "Each line also as a message of RFC 5424 to the daemon for logs of this host; one that is away loses lines and stops no run.",
    ),
    field(
        "logging.syslog_socket",
        Kind::Path,
        "`/dev/log`",
        "Where that daemon listens.",
    ),
    field(
        "logging.redact",
        Kind::Flag,
        "true",
        "Secrets are never logged; `false` is refused.",
    ),
];
