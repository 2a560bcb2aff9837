//! What to do about an error of the server, by its stable code. A code that speaks for itself has no hint.

/// The next step for whoever got this error.
pub(super) fn for_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "unauthenticated" | "token_invalid" => {
            "name the file of a valid API token with --token-file (the first one is admin.token in the state folder)"
        }
        "token_expired" | "token_revoked" => "ask an administrator for a new one: chancery api-token create",
        "role_insufficient" => {
            "use a token that may do this (--token-file; admin.token in the state folder may do everything), or ask an \
             administrator for one: chancery api-token create"
        }
        "scope_insufficient" | "not_yours" => "use a token that is good for this CA and profile",
        "unknown_profile" => "see the profiles there are: chancery profile list",
        "unknown_issuer" | "no_issuer" => "see the CAs there are: chancery ca list",
        "issuer_required" => "several CAs come into question: name one with --ca (chancery ca list)",
        "issuer_not_active" | "issuer_expired" | "issuer_revoked" => {
            "see the state of the CAs: chancery ca list; an old one gets a successor by: chancery ca rollover NAME"
        }
        "ca_needs_rollover" => "give the CA a new key and certificate: chancery ca rollover NAME",
        "issuer_exists" => "take another name, or give it a new key: chancery ca rollover NAME",
        "rollover_pending" => "finish the one under way first: chancery ca import NAME FILE",
        "san_type_not_allowed"
        | "san_not_allowed"
        | "san_required"
        | "wildcard_not_allowed"
        | "eku_not_allowed"
        | "key_usage_not_allowed"
        | "ms_sid_not_allowed"
        | "subject_attribute_not_allowed"
        | "subject_attribute_required"
        | "common_name_not_in_names"
        | "ca_not_allowed"
        | "key_algorithm_not_allowed" => {
            "see what the profile allows: chancery profile show NAME; then make another CSR"
        }
        "csr_malformed" | "csr_signature_invalid" | "csr_duplicate_extension" => {
            "make the CSR anew, for example: openssl req -new -key host.key -subj /CN=… -addext subjectAltName=DNS:…"
        }
        "key_too_weak" => "make a new key: P-256 or better, or RSA of at least 2048 bits",
        "profile_invalid" => "see a profile that works: chancery profile show tls-server",
        "serial_ambiguous" => {
            "several CAs used this serial: give the certificate's identifier (chancery cert list)"
        }
        "certificate_never_recorded" => {
            "nothing has to be done: OCSP and the CRL say revoked; what is known: chancery cert show SERIAL, chancery audit tail --object SERIAL"
        }
        "not_on_hold" => {
            "only a certificate that was revoked with the reason certificateHold can be released"
        }
        "hsm_pin_rejected" => {
            "put the right PIN into the PIN file, where it is found by itself; the wrong one is not tried again"
        }
        "hsm_unavailable" | "signer_unavailable" => {
            "look at the HSM and at the server's log (a soft token on a full disk is away, too); the server goes on by itself"
        }
        "hsm_refused" => {
            "see what the tokens can do: chancery token list; a CA from disk wants a [software] section in signerd.toml"
        }
        "hsm_key_missing" => {
            "name the token that has the key in signerd.toml (chancery token list --keys shows what each has), or bring it back by its vendor's \
             means; when it is gone for good: chancery ca key-lost NAME --reason …"
        }
        "issuer_key_lost" => {
            "use another CA (chancery ca list); when the key is there again: chancery ca key-found NAME"
        }
        "issuer_key_there" => {
            "a CA whose key signs gets a successor by: chancery ca rollover NAME; what it signed is ended by: chancery cert revoke"
        }
        "reason_missing" => "say in a few words how the key was lost: --reason …",
        "hsm_full" => "make room in the token, or name another with --token",
        "audit_not_signed" => "wait a few seconds (audit.checkpoint_seconds) and ask again",
        "audit_alarm" => {
            "find out what was changed: chancery audit verify --offline; then restore the store, or see `chancery audit begin-anew \
             --help`"
        }
        "audit_files" => "move the folder audit.folder away by hand, then try again",
        "store_full" => {
            "make room on the disk of the store (the state folder, or the database server); nothing was changed"
        }
        "clock_set_back" => {
            "set the clock right; if the earlier time was the wrong one: chancery ca accept-clock"
        }
        "chain_invalid" => "give the certificates from the new one up to the root, in one PEM file",
        "internal_error" => "look for the request identifier in the server's log",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_commands_that_there_are() {
        use clap::CommandFactory as _;
        let command = crate::cli::Cli::command();
        for code in [
            "unknown_profile",
            "unknown_issuer",
            "clock_set_back",
            "token_expired",
            "rollover_pending",
        ] {
            let hint = for_code(code).unwrap_or_default();
            let mut words = hint
                .split("chancery ")
                .nth(1)
                .unwrap_or_default()
                .split_whitespace();
            let (noun, verb) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let known = command
                .find_subcommand(noun)
                .and_then(|noun| noun.find_subcommand(verb.trim_end_matches([';', ')'])));
            assert!(known.is_some(), "{code}: {hint}");
        }
        assert_eq!(for_code("conflict"), None);
    }
}
