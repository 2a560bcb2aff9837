//! The keys of `api`.

use super::Field;

pub(super) const FIELDS: &[Field] = &[
    Field::new(
        "api",
        [
            "base_url",
            "URL",
            "required where the network is used",
            "The appliance, or `https://` and the host of a bridge. HTTP only on this machine.",
        ],
    ),
    Field::new(
        "api",
        [
            "uuid",
            "UUID",
            "–",
            "The courier. May stand in `auth` instead; where both stand, they are the same.",
        ],
    ),
    Field::new(
        "api",
        [
            "action",
            "`run` `status` `generate` `renew` `generate-keys` `check-api-health` `check-api-auth` `validate-config`",
            "`run`",
            "What is done when the command line names no command.",
        ],
    ),
    Field::new(
        "api",
        [
            "verify_tls",
            "`true`",
            "`true`",
            "The appliance's certificate is always verified: `false` is refused. `ca_file` and `pin_spki_sha256` are for appliances with a CA of their own.",
        ],
    ),
    Field::new(
        "api",
        [
            "ca_file",
            "path",
            "roots of the system",
            "Trust anchors in PEM for the appliance's own certificate, besides those of the system.",
        ],
    ),
    Field::new("api", ["ca_pem", "PEM", "–", "The same as a text."]),
    Field::new(
        "api",
        [
            "tls_server_name",
            "host name",
            "host of `base_url`",
            "The name that the server is told and verified with. Not together with `proxy`.",
        ],
    ),
    Field::new(
        "api",
        [
            "pin_spki_sha256",
            "list of 64 hexadecimal digits or base64",
            "–",
            "SHA-256 of acceptable public keys of the server; one match suffices. Stands beside the verification, never in its place.",
        ],
    ),
    Field::new(
        "api",
        ["min_tls", "`1.2` `1.3`", "`1.2`", "The least version of TLS."],
    ),
    Field::new(
        "api",
        [
            "connect_timeout",
            "time span",
            "`10s`",
            "How long a connection may take.",
        ],
    ),
    Field::new(
        "api",
        [
            "request_timeout",
            "time span",
            "`30s`",
            "How long a call may take with all its answer.",
        ],
    ),
    Field::new(
        "api",
        [
            "retries",
            "0–20",
            "`4`",
            "How often a call is repeated that may be; `Retry-After` is obeyed.",
        ],
    ),
    Field::new(
        "api",
        [
            "retry_max_delay",
            "time span",
            "`30s`",
            "The longest wait before that.",
        ],
    ),
    Field::new(
        "api",
        [
            "proxy",
            "URL",
            "environment",
            "A forward proxy, or a bridge in tunnel mode.",
        ],
    ),
    Field::new(
        "api",
        [
            "fallback_urls",
            "list of URLs",
            "–",
            "Others that are tried, in order, when there is no connection.",
        ],
    ),
    Field::new(
        "api",
        [
            "user_agent_suffix",
            "text",
            "–",
            "A tag for the audit log of the appliance.",
        ],
    ),
];
