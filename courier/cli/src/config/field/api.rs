//! The keys of `api`.

use super::{Field, Kind, field};

pub(super) const FIELDS: &[Field] = &[
    field(
        "api.base_url",
        Kind::Text,
        "needed",
        "The appliance, or the bridge to it: `https://…`; `http://` only on this machine.",
    ),
    field(
        "api.uuid",
        Kind::Text,
        "",
        "The courier's UUID, for every method; the same as `auth.uuid` where both are there.",
    ),
    field(
        "api.action",
        Kind::Text,
        "`run`",
        "The command when the command line names none: `run`, `status`, `generate`, `renew`, `generate-keys`, `check-api-health`, `check-api-auth`, `validate-config`.",
    ),
    field(
        "api.verify_tls",
        Kind::Flag,
        "true",
        "Whether the appliance is verified; it always is, `false` is refused.",
    ),
    field(
        "api.ca_file",
        Kind::Path,
        "",
        "More trust anchors for the appliance itself, besides those of the system.",
    ),
    field("api.ca_pem", Kind::Text, "", "The same, in place."),
    field(
        "api.tls_server_name",
        Kind::Text,
        "host of `base_url`",
        "The name that the server is asked for and verified with.",
    ),
    field(
        "api.pin_spki_sha256",
        Kind::Texts,
        "",
        "SHA-256 of acceptable public keys of the server, hexadecimal or Base64; one match suffices.",
    ),
    field(
        "api.min_tls",
        Kind::Text,
        "`1.2`",
        "The least version of TLS: `1.2`, `1.3`.",
    ),
    field(
        "api.connect_timeout",
        Kind::Duration,
        "10s",
        "How long a connection may take.",
    ),
    field(
        "api.request_timeout",
        Kind::Duration,
        "30s",
        "How long a call may take.",
    ),
    field(
        "api.retries",
        Kind::Number,
        "4",
        "How often a call is repeated that may be.",
    ),
    field(
        "api.retry_max_delay",
        Kind::Duration,
        "30s",
        "The longest wait before that, unless the appliance asks for a longer one.",
    ),
    field(
        "api.proxy",
        Kind::Text,
        "environment",
        "A forward proxy, or a bridge in tunnel mode.",
    ),
    field(
        "api.fallback_urls",
        Kind::Texts,
        "",
        "Other addresses, tried in order when there is no connection.",
    ),
    field(
        "api.user_agent_suffix",
        Kind::Text,
        "",
        "A tag for the audit log of the appliance.",
    ),
];
