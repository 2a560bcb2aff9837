//! The leaf of an entry: one line of JSON, which is also what exports send, so that whoever collected those can hold them against
//! a checkpoint.
//!
//! The octets are part of the log for ever: the order of the fields, their names and the way they are written never change.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::value::RawValue;
use store::audit::LoggedEntry;
use tlog::{Hash, MAX_ENTRY_LEN};

use crate::audit::hexadecimal;
use crate::clock::from_millis;

#[derive(Serialize)]
struct Leaf<'a> {
    seq: i64,
    at: String,
    actor: &'a str,
    action: &'a str,
    object: &'a str,
    outcome: &'a str,
    details: &'a RawValue,
    /// Of the chain: it says every octet of the entry, also where details are left out.
    hash: String,
}

/// The octets of a leaf, without a line end in them.
pub(crate) fn leaf(logged: &LoggedEntry) -> Vec<u8> {
    let details = details(&logged.entry.details);
    let line = line(logged, &details);
    if line.len() <= MAX_ENTRY_LEN {
        return line;
    }
    let line = self::line(logged, &summary(&logged.entry.details));
    if line.len() <= MAX_ENTRY_LEN {
        return line;
    }
    // Nothing that is logged has such names; a tree has a leaf for every row all the same.
    format!(
        "{{\"seq\":{},\"hash\":\"{}\"}}",
        logged.seq,
        hexadecimal(&logged.hash)
    )
    .into_bytes()
}

/// The hash of a leaf (RFC 9162 §2.1.1).
pub(crate) fn leaf_hash(logged: &LoggedEntry) -> Hash {
    Hash::of_leaf(&leaf(logged))
}

fn line(logged: &LoggedEntry, details: &RawValue) -> Vec<u8> {
    let entry = &logged.entry;
    let leaf = Leaf {
        seq: logged.seq,
        at: from_millis(entry.at).to_string(),
        actor: &entry.actor,
        action: &entry.action,
        object: &entry.object,
        outcome: &entry.outcome,
        details,
        hash: hexadecimal(&logged.hash),
    };
    // Strings, numbers and JSON that was read: nothing of it cannot be written.
    serde_json::to_vec(&leaf).unwrap_or_default()
}

/// The details as they stand where they are JSON on one line, and as a text where not.
fn details(text: &str) -> Box<RawValue> {
    let is_one_line = !text.contains(['\n', '\r']);
    let as_it_stands = is_one_line
        .then(|| RawValue::from_string(text.to_owned()).ok())
        .flatten();
    as_it_stands.unwrap_or_else(|| raw(&text))
}

/// In place of details that are too long.
fn summary(text: &str) -> Box<RawValue> {
    let sha256 = hexadecimal(digest(&SHA256, text.as_bytes()).as_ref());
    raw(&serde_json::json!({ "octets": text.len(), "sha256": sha256 }))
}

fn raw(value: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use store::audit::AuditEntry;

    use super::*;

    fn logged(details: &str) -> LoggedEntry {
        LoggedEntry {
            seq: 7,
            entry: AuditEntry {
                at: 1_893_499_200_123,
                actor: "alice \"a\"".to_owned(),
                action: "certificate.issue".to_owned(),
                object: "ü".to_owned(),
                outcome: "ok".to_owned(),
                details: details.to_owned(),
            },
            hash: vec![0xab; 32],
        }
    }

    fn text(details: &str) -> String {
        String::from_utf8(leaf(&logged(details))).unwrap()
    }

    /// Written down by hand: another octet here means another log.
    #[test]
    fn a_leaf_is_these_octets() {
        let expected = format!(
            r#"{{"seq":7,"at":"2030-01-01T12:00:00.123Z","actor":"alice \"a\"","action":"certificate.issue","object":"ü","outcome":"ok","details":{{"b":1,"a":[2.50]}},"hash":"{}"}}"#,
            "ab".repeat(32)
        );
        assert_eq!(text(r#"{"b":1,"a":[2.50]}"#), expected);
    }

    #[test]
    fn details_that_are_no_json_on_one_line_are_a_text() {
        assert!(text("no json").contains(r#""details":"no json","#));
        assert!(text("").contains(r#""details":"","#));
        assert!(text("[1,\n2]").contains(r#""details":"[1,\n2]","#));
    }

    #[test]
    fn a_leaf_is_never_too_long_for_a_bundle() {
        let long = format!("\"{}\"", "x".repeat(70_000));
        let shortened = text(&long);
        assert!(
            shortened.contains(r#""details":{"octets":70002,"sha256":""#),
            "{shortened}"
        );
        let mut odd = logged("{}");
        odd.entry.object = "x".repeat(70_000);
        let expected = format!(r#"{{"seq":7,"hash":"{}"}}"#, "ab".repeat(32));
        assert_eq!(leaf(&odd), expected.into_bytes());
    }
}
