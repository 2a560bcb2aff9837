//! The keys of `logging`.

use super::Field;

pub(super) const FIELDS: &[Field] = &[
    Field::new(
        "logging",
        [
            "level",
            "`error` `warn` `info` `debug` `trace`",
            "`info`",
            "The least important that is written.",
        ],
    ),
    Field::new(
        "logging",
        ["format", "`text` `json`", "`text`", "How it is written."],
    ),
    Field::new("logging", ["file", "path", "–", "A file besides standard error."]),
    Field::new(
        "logging",
        [
            "max_size_mb",
            "1–10000",
            "`10`",
            "The size at which the file is set aside.",
        ],
    ),
    Field::new(
        "logging",
        [
            "max_files",
            "0–1000",
            "`5`",
            "How many files that were set aside stay.",
        ],
    ),
    Field::new(
        "logging",
        [
            "journald",
            "bool",
            "`false`",
            "Whether the journal of the system is written to.",
        ],
    ),
    Field::new(
        "logging",
        [
            "redact",
            "`true`",
            "`true`",
            "Secrets, tokens and private keys are written at no level: `false` is refused.",
        ],
    ),
];
