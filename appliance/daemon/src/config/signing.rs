//! What the keys of `signerd.toml` mean; its types are those of the crate `token`.

/// Key and what it means.
pub(super) const TEXTS: &[(&str, &str)] = &[
    ("version", "The version of this format: 1."),
    (
        "socket",
        "The Unix socket to listen on; `--socket` goes before it.",
    ),
    (
        "socket_group_access",
        "Whether the group of the socket's folder may connect as well: mode 0660 in place of 0600.",
    ),
    (
        "allowed_uids",
        "Users that may connect, by number, besides the one the process runs as.",
    ),
    (
        "audit_file",
        "Where a line is written for every batch of signatures; standard error when left out.",
    ),
    (
        "state_directory",
        "Where it is remembered that a PIN was rejected, and what the keys of each token were like at first; the folder of this file when left out.",
    ),
    (
        "allow_core_dumps",
        "Lets a debugger and core dumps see the memory of the process. For the search of faults only.",
    ),
    (
        "tokens[].name",
        "The name by which the token is spoken of here: lower-case letters, digits, hyphens; not `software`.",
    ),
    ("tokens[].module", "The vendor's PKCS#11 module."),
    (
        "tokens[].label",
        "The token's label. One of `label`, `serial` and `slot` is given.",
    ),
    ("tokens[].serial", "The token's serial number."),
    ("tokens[].slot", "The slot the token is in."),
    (
        "tokens[].pin_file",
        "The file with the user PIN in its first line. One of `pin_file` and `pin_credential` is given.",
    ),
    (
        "tokens[].pin_credential",
        "The name of the systemd credential with the user PIN.",
    ),
    (
        "tokens[].sessions",
        "Sessions that sign at the same time. Left out, the signing process begins with one for each core and learns under load whether more are of use, up to 64.",
    ),
    (
        "tokens[].session_copies",
        "Whether to sign with session copies of the keys: spares a soft token the reading of its files.",
    ),
    (
        "software.directory",
        "The folder of the software keys (PKCS#8); without it they live in memory and end with the process.",
    ),
    (
        "software.passphrase_file",
        "The file with the passphrase of the software keys in its first line.",
    ),
    (
        "limits.queue",
        "Signatures that may wait for one token; more are answered `overloaded` at once.",
    ),
    (
        "limits.deadline_ms",
        "Milliseconds a request without a deadline of its own waits, and the most that any waits.",
    ),
    (
        "limits.hang_ms",
        "Milliseconds after which a call into a module counts as hung and the process ends to be started anew.",
    ),
    (
        "limits.connections",
        "Connections at the same time; the server has two.",
    ),
    (
        "limits.keys",
        "Keys that may sign, by fingerprint or label; every key when empty.",
    ),
    (
        "limits.schemes",
        "Signature schemes that may be used; every scheme when empty.",
    ),
    (
        "limits.signatures_per_second",
        "Signatures each key may make in a second; 0 for no limit.",
    ),
    ("limits.generate", "Whether keys may be made."),
    (
        "limits.import",
        "Whether private keys may be taken over into the software backend.",
    ),
    (
        "checks.test_signature_seconds",
        "Seconds between two test signatures of a token, each over the same fixed message and with the next of its keys, when nobody else wants one; 0 for none: for an HSM that is paid for by the signature.",
    ),
    (
        "checks.key_attributes_seconds",
        "Seconds between two looks at what the token says of its keys (sensitive, extractable, allowed mechanisms and others); 0 for none.",
    ),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use token::{SoftwareConfig, TokenConfig};
    use toml::Value;

    use super::*;

    /// A configuration that has a value for every key.
    fn full() -> token::Config {
        let (path, text) = (Some("/x".into()), Some("x".to_owned()));
        let token = TokenConfig {
            name: "x".to_owned(),
            module: "/x".into(),
            label: text.clone(),
            serial: text.clone(),
            slot: Some(1),
            pin_file: path.clone(),
            pin_credential: text,
            sessions: Some(1),
            session_copies: true,
        };
        token::Config {
            socket: path.clone(),
            allowed_uids: vec![1],
            audit_file: path.clone(),
            state_directory: path.clone(),
            tokens: vec![token],
            software: Some(SoftwareConfig {
                directory: path.clone(),
                passphrase_file: path,
            }),
            ..token::Config::default()
        }
    }

    #[test]
    fn every_key_has_a_text_and_every_text_a_key() {
        let mut keys = vec![];
        for (name, value) in Value::try_from(full()).unwrap().as_table().unwrap() {
            let section = match value {
                Value::Table(section) => Some((format!("{name}."), section)),
                Value::Array(items) => items
                    .first()
                    .and_then(Value::as_table)
                    .map(|item| (format!("{name}[]."), item)),
                _ => None,
            };
            match section {
                Some((prefix, section)) => keys.extend(section.keys().map(|key| format!("{prefix}{key}"))),
                None => keys.push(name.clone()),
            }
        }
        keys.sort();
        let mut texts: Vec<String> = TEXTS.iter().map(|(key, _)| (*key).to_owned()).collect();
        texts.sort();
        assert_eq!(keys, texts);
    }
}
