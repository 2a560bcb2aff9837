//! The keys of `discovery`.

use super::{Field, Kind, field};

pub(super) const FIELDS: &[Field] = &[
    field(
        "discovery.directories",
        Kind::Texts,
        "",
        "Folders in which certificates are looked for, whoever put them there; with it a run does so once a day.",
    ),
    field(
        "discovery.exclude",
        Kind::Texts,
        "",
        "Files and folders that are left out.",
    ),
    field(
        "discovery.max_files",
        Kind::Number,
        "100000",
        "Most files that are read.",
    ),
    field(
        "discovery.max_depth",
        Kind::Number,
        "16",
        "How deep below those folders.",
    ),
];
