//! The keys of `certificate`.

use super::Field;

pub(super) const FIELDS: &[Field] = &[
    Field::new(
        "certificate",
        [
            "name",
            "slug",
            "stem of the file",
            "What it is called in state, logs and JSON.",
        ],
    ),
    Field::new(
        "certificate",
        [
            "generate_keys_locally",
            "bool",
            "`true`",
            "Whether the key is made on this host, which it then never leaves; otherwise the appliance makes it and encrypts it to this courier.",
        ],
    ),
    Field::new(
        "certificate",
        [
            "digest",
            "`sha256` `sha384` `sha512`",
            "goes with the key",
            "The digest that the request is signed with.",
        ],
    ),
    Field::new(
        "certificate",
        [
            "validity",
            "time span of whole days, or a number of days",
            "profile",
            "How long it shall be valid; profile and policies bound it.",
        ],
    ),
    Field::new(
        "certificate",
        ["profile", "text", "record", "The profile that it is issued by."],
    ),
    Field::new(
        "certificate",
        [
            "extended_key_usage",
            "list",
            "profile",
            "What is asked for, such as `serverAuth`; the profile decides.",
        ],
    ),
    Field::new(
        "certificate",
        [
            "wait",
            "time span",
            "`2m`",
            "How long a pending order is waited for.",
        ],
    ),
    Field::new(
        "certificate",
        [
            "on_success",
            "command or list",
            "–",
            "The same as `hooks.on_success`.",
        ],
    ),
    Field::new(
        "certificate",
        [
            "on_failure",
            "command or list",
            "–",
            "The same as `hooks.on_failure`.",
        ],
    ),
    Field::new(
        "certificate",
        [
            "deploy",
            "list of maps",
            "–",
            "Servers on this host that take the files: `type` names the kind, the other keys are the target's own.",
        ],
    ),
    Field::new(
        "certificate",
        [
            "state_dir",
            "path",
            "state directory of the platform",
            "Where the courier remembers things.",
        ],
    ),
    Field::new(
        "certificate.subject",
        [
            "common_name",
            "text",
            "first DNS name",
            "At most 64 characters; among the names, too, when it is a DNS name.",
        ],
    ),
    Field::new(
        "certificate.subject",
        ["organization", "text", "–", "Organisation."],
    ),
    Field::new(
        "certificate.subject",
        ["organizational_unit", "text", "–", "Unit of it."],
    ),
    Field::new(
        "certificate.subject",
        ["country", "two letters", "–", "Country (ISO 3166-1)."],
    ),
    Field::new(
        "certificate.subject",
        ["state", "text", "–", "State or province."],
    ),
    Field::new("certificate.subject", ["locality", "text", "–", "Place."]),
    Field::new("certificate.sans", ["dns", "list", "–", "DNS names."]),
    Field::new("certificate.sans", ["ip", "list", "–", "IP addresses."]),
    Field::new("certificate.sans", ["email", "list", "–", "Mailboxes."]),
    Field::new("certificate.sans", ["uri", "list", "–", "URIs."]),
    Field::new(
        "certificate.key",
        [
            "algorithm",
            "`ec-256` `ec-384` `ec-521` `rsa-2048` `rsa-3072` `rsa-4096` `ed25519`",
            "`ec-256`",
            "The kind of key.",
        ],
    ),
    Field::new(
        "certificate.key",
        [
            "reuse",
            "`never` `on-renew`",
            "`never`",
            "Whether a renewal keeps the key.",
        ],
    ),
    Field::secret(
        "certificate.key",
        [
            "passphrase",
            "text",
            "–",
            "Encrypts the key on disk (PKCS#8, PBES2, AES-256).",
        ],
    ),
    Field::new(
        "certificate.key",
        [
            "provider",
            "`file`",
            "`file`",
            "Where the key is. `pkcs11` and `tpm2` are refused.",
        ],
    ),
    Field::new(
        "certificate.renew",
        [
            "before",
            "time span",
            "a third of the lifetime, a day at least",
            "How long before its end it is renewed.",
        ],
    ),
    Field::new(
        "certificate.renew",
        [
            "before_percent",
            "1–90",
            "–",
            "The same as a share of its lifetime, instead of `before`.",
        ],
    ),
    Field::new(
        "certificate.renew",
        [
            "use_server_window",
            "bool",
            "`true`",
            "Renews in the window that the appliance suggests, never later than `before`.",
        ],
    ),
    Field::new(
        "certificate.renew",
        [
            "on_config_change",
            "bool",
            "`true`",
            "Renews when names, subject or kind of key in this file are other than in the certificate.",
        ],
    ),
    Field::new(
        "certificate.output",
        ["dir", "path", "directory of the file", "Where the files appear."],
    ),
    Field::new(
        "certificate.output",
        [
            "layout",
            "`links` `plain`",
            "`links`",
            "`links`: the names are symbolic links and all switch at once. `plain`: they are files, replaced one by one.",
        ],
    ),
    Field::new(
        "certificate.output",
        [
            "certificate",
            "file name",
            "`cert.pem`",
            "The certificate; an empty text here and below: no such file.",
        ],
    ),
    Field::new(
        "certificate.output",
        ["private_key", "file name", "`privkey.pem`", "The private key."],
    ),
    Field::new(
        "certificate.output",
        [
            "chain",
            "file name",
            "`chain.pem`",
            "What stands between certificate and root.",
        ],
    ),
    Field::new(
        "certificate.output",
        [
            "fullchain",
            "file name",
            "`fullchain.pem`",
            "Certificate and chain.",
        ],
    ),
    Field::new(
        "certificate.output",
        ["ca", "file name", "`ca.pem`", "The authorities."],
    ),
    Field::new(
        "certificate.output",
        [
            "combined",
            "file name",
            "–",
            "Private key and fullchain in one file.",
        ],
    ),
    Field::new(
        "certificate.output",
        ["mode_key", "octal", "`0600`", "Mode of files with a private key."],
    ),
    Field::new(
        "certificate.output",
        ["mode_cert", "octal", "`0644`", "Mode of the others."],
    ),
    Field::new(
        "certificate.output",
        [
            "mode_dir",
            "octal",
            "`0750`",
            "Mode of directories that are made.",
        ],
    ),
    Field::new(
        "certificate.output",
        ["owner", "name or number", "this process", "Who owns the files."],
    ),
    Field::new(
        "certificate.output",
        ["group", "name or number", "this process", "Their group."],
    ),
    Field::new(
        "certificate.output",
        [
            "keep_previous",
            "0–100",
            "`3`",
            "How many generations before the current one stay.",
        ],
    ),
    Field::new(
        "certificate.output.pkcs12",
        ["file", "file name", "required", "A PKCS#12 file with all of it."],
    ),
    Field::secret(
        "certificate.output.pkcs12",
        ["password", "text", "required", "Its password."],
    ),
    Field::new(
        "certificate.output.pkcs12",
        [
            "legacy",
            "bool",
            "`false`",
            "In the form that old Java and Windows read.",
        ],
    ),
    Field::new(
        "certificate.hooks",
        ["pre", "command or list", "–", "Run before anything is written."],
    ),
    Field::new(
        "certificate.hooks",
        [
            "on_success",
            "command or list",
            "–",
            "Run after the files were installed.",
        ],
    ),
    Field::new(
        "certificate.hooks",
        [
            "on_failure",
            "command or list",
            "–",
            "Run after a run that failed.",
        ],
    ),
    Field::new(
        "certificate.hooks",
        [
            "on_nochange",
            "command or list",
            "–",
            "Run after a run that found nothing to do.",
        ],
    ),
    Field::new(
        "certificate.hooks",
        [
            "timeout",
            "time span",
            "`60s`",
            "When the command and all that it started is killed.",
        ],
    ),
    Field::new(
        "certificate.hooks",
        [
            "strict",
            "bool",
            "`false`",
            "A hook that fails makes the run fail, with exit code 9.",
        ],
    ),
    Field::new(
        "certificate.hooks",
        [
            "rollback",
            "bool",
            "`false`",
            "With `strict`: the files of before come back when `on_success` fails.",
        ],
    ),
];
