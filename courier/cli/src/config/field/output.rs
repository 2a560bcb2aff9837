//! The keys of the output and of the hooks of a certificate.

use super::{Field, Kind, field};

pub(super) const FIELDS: &[Field] = &[
    field(
        "certificate.output.dir",
        Kind::Path,
        "directory of the file",
        "Where they appear.",
    ),
    field(
        "certificate.output.layout",
        Kind::Text,
        "`links`",
        "`links` switches all files at once by a symbolic link; `plain` renames file by file, the key last.",
    ),
    field(
        "certificate.output.certificate",
        Kind::Text,
        "`cert.pem`",
        "The certificate; an empty text leaves it out.",
    ),
    field(
        "certificate.output.private_key",
        Kind::Text,
        "`privkey.pem`",
        "The key.",
    ),
    field(
        "certificate.output.chain",
        Kind::Text,
        "`chain.pem`",
        "What stands between certificate and root.",
    ),
    field(
        "certificate.output.fullchain",
        Kind::Text,
        "`fullchain.pem`",
        "Certificate and chain.",
    ),
    field(
        "certificate.output.ca",
        Kind::Text,
        "`ca.pem`",
        "The authorities.",
    ),
    field(
        "certificate.output.combined",
        Kind::Text,
        "",
        "Key, certificate and chain in one file.",
    ),
    field(
        "certificate.output.pkcs12",
        Kind::Section,
        "",
        "A PKCS#12 file; the name alone, or a section.",
    ),
    field(
        "certificate.output.pkcs12_password",
        Kind::Secret,
        "",
        "The password, where `pkcs12` is the name alone.",
    ),
    field(
        "certificate.output.pkcs12_legacy",
        Kind::Flag,
        "false",
        "The old algorithms, where `pkcs12` is the name alone.",
    ),
    field(
        "certificate.output.mode_key",
        Kind::Text,
        "`0600`",
        "Mode of files with a private key.",
    ),
    field(
        "certificate.output.mode_cert",
        Kind::Text,
        "`0644`",
        "Mode of the other files.",
    ),
    field(
        "certificate.output.mode_dir",
        Kind::Text,
        "`0750`",
        "Mode of directories that are made.",
    ),
    field(
        "certificate.output.owner",
        Kind::Text,
        "the courier's account",
        "Who owns the files, by name or number.",
    ),
    field(
        "certificate.output.group",
        Kind::Text,
        "the courier's group",
        "Their group.",
    ),
    field(
        "certificate.output.keep_previous",
        Kind::Number,
        "3",
        "How many sets of before are kept.",
    ),
    field(
        "certificate.output.pkcs12.name",
        Kind::Text,
        "needed",
        "Its name.",
    ),
    field(
        "certificate.output.pkcs12.password",
        Kind::Secret,
        "needed",
        "Its password.",
    ),
    field(
        "certificate.output.pkcs12.legacy",
        Kind::Flag,
        "false",
        "The old algorithms, for old Java and Windows.",
    ),
    field(
        "certificate.hooks.pre",
        Kind::Command,
        "",
        "Before anything is written.",
    ),
    field(
        "certificate.hooks.on_success",
        Kind::Command,
        "",
        "After the files were installed.",
    ),
    field(
        "certificate.hooks.on_failure",
        Kind::Command,
        "",
        "After a run that failed.",
    ),
    field(
        "certificate.hooks.on_nochange",
        Kind::Command,
        "",
        "After a run that found nothing to do.",
    ),
    field(
        "certificate.hooks.timeout",
        Kind::Duration,
        "60s",
        "When a hook and all it started is killed.",
    ),
    field(
        "certificate.hooks.strict",
        Kind::Flag,
        "false",
        "A hook that fails makes the run end with 9.",
    ),
    field(
        "certificate.hooks.rollback",
        Kind::Flag,
        "false",
        "And brings the files of before back.",
    ),
];
