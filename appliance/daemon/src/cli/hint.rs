//! What to do about an error of the server, by its stable code. A code that speaks for itself has no hint.

/// The next step for whoever got this error.
pub(super) fn for_code(code: &str) -> Option<&'static str> {
    [
        about_access,
        about_order,
        about_authority,
        about_list,
        about_surroundings,
    ]
    .iter()
    .find_map(|about| about(code))
}

/// Who may do what.
fn about_access(code: &str) -> Option<&'static str> {
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
        _ => return None,
    })
}

/// Certificates and what they are asked for with.
fn about_order(code: &str) -> Option<&'static str> {
    Some(match code {
        "unknown_profile" => "see the profiles there are: chancery profile list",
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
        "certificate_revoked" => "order a new certificate with a new key: chancery cert issue",
        "revocation_final" => {
            "nothing has to be done: the certificate is revoked (chancery cert show SERIAL)"
        }
        "serial_invalid" | "id_invalid" => "see the serials there are: chancery cert list",
        "status_invalid" => "write --status valid, revoked or expired",
        "validity_invalid" => "see how long the profile lets certificates live: chancery profile show NAME",
        "lint_failed" => {
            "the details name the rule and what breaks it; change the order, or the profile it comes from: chancery profile show NAME"
        }
        "profile_name_mismatch" => "give the profile the same name in the file and on the command line",
        "not_on_hold" => {
            "only a certificate that was revoked with the reason certificateHold can be released"
        }
        _ => return None,
    })
}

/// CAs.
fn about_authority(code: &str) -> Option<&'static str> {
    Some(match code {
        "unknown_issuer" | "no_issuer" => "see the CAs there are: chancery ca list",
        "issuer_required" => "several CAs come into question: name one with --ca (chancery ca list)",
        "issuer_not_active" | "issuer_expired" | "issuer_revoked" => {
            "see the state of the CAs: chancery ca list; an old one gets a successor by: chancery ca rollover NAME"
        }
        "ca_needs_rollover" => "give the CA a new key and certificate: chancery ca rollover NAME",
        "issuer_exists" => "take another name, or give it a new key: chancery ca rollover NAME",
        "rollover_pending" => "finish the one under way first: chancery ca import NAME FILE",
        "root_not_revocable" => {
            "tell everybody who trusts it to stop, and begin anew: chancery ca create-root"
        }
        "subject_invalid" | "subject_required" => {
            "write it as attributes with commas between them: --subject 'CN=Example Root,O=Example,C=CH'"
        }
        "name_invalid" => "take lower-case letters, digits and hyphens, as in: issuing-2",
        "profile_not_for_authorities" => {
            "CAs are made with a profile for CAs, such as sub-ca: chancery profile list"
        }
        "signature_algorithm_mismatch" => {
            "leave --signature-algorithm out, and what goes with the key is taken; or see what does: chancery ca create-root --help"
        }
        "key_mismatch"
        | "not_a_ca"
        | "certificate_malformed"
        | "certificate_not_valid"
        | "path_length_exceeded" => {
            "have the authority above certify the request of this CA anew (chancery ca csr NAME), for a CA, and import what it gives"
        }
        "issuer_not_pending" => "only one whose request waits gets a certificate imported: chancery ca list",
        "issuer_made_elsewhere" => "another server is making it: see what became of it: chancery ca list",
        "possession_not_proven" | "subject_not_ordered" => {
            "have whoever has the key make the request anew, with the subject that was ordered"
        }
        "issuer_key_lost" => {
            "use another CA (chancery ca list); when the key is there again: chancery ca key-found NAME"
        }
        "issuer_key_there" => {
            "a CA whose key signs gets a successor by: chancery ca rollover NAME; what it signed is ended by: chancery cert revoke"
        }
        "reason_missing" => "say in a few words how the key was lost: --reason …",
        "chain_invalid" => "give the certificates from the new one up to the root, in one PEM file",
        _ => return None,
    })
}

/// Lists of offline CAs.
fn about_list(code: &str) -> Option<&'static str> {
    Some(match code {
        "issuer_offline" => {
            "have the machine with its key sign a CRL, and import it: chancery ca import-crl NAME FILE"
        }
        "issuer_not_offline" => "its key is here, so a CRL is made here: chancery ca publish-crl NAME",
        "crl_malformed" | "crl_without_number" | "crl_not_whole" => {
            "have the offline CA make a full CRL with a number and a next update, and export it as PEM or DER"
        }
        "crl_not_of_issuer" => "import it for the CA that signed it: chancery ca list",
        "crl_not_newer" => "have the offline CA sign a CRL with a higher number",
        "crl_not_valid" => "have the offline CA sign a new CRL; when it is new, look at both clocks",
        "crl_shards_invalid" => "take 1 to 1024: --crl-shards 1",
        _ => return None,
    })
}

/// The HSM, the store, the audit log, the machine.
fn about_surroundings(code: &str) -> Option<&'static str> {
    Some(match code {
        "store_unavailable" | "store_busy" => {
            "look at the database and at its disk; the server goes on by itself when it is there"
        }
        "store_in_use" => "stop the other process first",
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
            "issuer_key_lost",
            "hsm_key_missing",
            "certificate_never_recorded",
            "crl_not_of_issuer",
            "issuer_offline",
            "serial_invalid",
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
                .and_then(|noun| noun.find_subcommand(verb.trim_end_matches([';', ')', ',', ':'])));
            assert!(known.is_some(), "{code}: {hint}");
        }
        assert_eq!(for_code("conflict"), None);
    }
}
