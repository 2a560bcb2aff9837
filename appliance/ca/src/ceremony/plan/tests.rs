#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what broke by panicking"
)]

use super::*;
use crate::ceremony::{TEMPLATES, template};

/// A P-256 key that belongs to nobody.
const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----";

fn problems(text: &str) -> Vec<String> {
    match Plan::parse(text) {
        Err(CeremonyError::Plan(problems)) => problems,
        other => panic!("{other:?}"),
    }
}

fn with_key(template: &str) -> String {
    let (before, rest) = template.split_once("-----BEGIN").unwrap();
    let (_, after) = rest.split_once("KEY-----\n\"\"\"").unwrap();
    format!("{before}{KEY}\n\"\"\"{after}")
}

#[test]
fn every_template_is_a_plan_once_it_names_a_key() {
    for name in TEMPLATES {
        let text = template(name).unwrap();
        let told = problems(&text);
        assert!(
            told.len() == 1 && told.first().unwrap().starts_with("approvers[0].public_key: "),
            "{told:?}"
        );
        let plan = Plan::parse(&with_key(&text)).unwrap();
        assert!(plan.steps.iter().any(|step| step.operation() == name), "{name}");
    }
    assert_eq!(template("party"), None);
}

#[test]
fn everything_that_is_wrong_is_told_with_its_path() {
    let text = r#"
        version = 2
        base_url = "https://pki.example/"
        threshold = "two"
        colour = "red"
        [[approvers]]
        name = "Alice"
        public_key = "none"
        [[steps]]
        do = "root"
        name = "offline root"
        subject = "nonsense"
        key_algorithm = "rsa-1"
        token = ""
        validity = "long"
        [[steps]]
        do = "dance"
        [[steps]]
        do = "crl"
        issuer = "root"
        [[steps.revoke]]
        serial = "xyz"
        reason = "removeFromCRL"
        why = "so"
    "#;
    let told = problems(text);
    for path in [
        "version: this program",
        "title: is missing",
        "base_url: must be",
        "threshold: must be",
        "colour: there is no such key",
        "approvers[0].name: take",
        "approvers[0].public_key: must be",
        "steps[0].name: ",
        "steps[0].subject: ",
        "steps[0].key_algorithm: ",
        "steps[0].token: must not be empty",
        "steps[0].validity: ",
        "steps[1].do: `dance`",
        "steps[2].validity: is missing",
        "steps[2].revoke[0].serial: ",
        "steps[2].revoke[0].reason: takes a hold back",
        "steps[2].revoke[0].why: there is no such key",
    ] {
        assert!(
            told.iter().any(|problem| problem.starts_with(path)),
            "{path} in {told:#?}"
        );
    }
}

#[test]
fn approvers_are_distinct_and_enough() {
    let plan = |threshold: usize, second: &str| {
        let head =
            format!("version = 1\ntitle = \"x\"\nbase_url = \"http://a.example\"\nthreshold = {threshold}\n");
        let approver =
            |name: &str| format!("[[approvers]]\nname = \"{name}\"\npublic_key = \"\"\"{KEY}\"\"\"\n");
        let step = "[[steps]]\ndo = \"crl\"\nissuer = \"root\"\nvalidity = \"1d\"\n";
        format!(
            "{head}{}{}{step}",
            approver("alice"),
            if second.is_empty() {
                String::new()
            } else {
                approver(second)
            }
        )
    };
    Plan::parse(&plan(1, "")).unwrap();
    for (threshold, second, path) in [
        (0, "", "threshold: must be 1 at least"),
        (2, "", "threshold: must be 1 at least and 1 at most"),
        (1, "alice", "approvers[1].name: is used twice"),
        (2, "bob", "approvers[1].public_key: is that of another"),
    ] {
        let told = problems(&plan(threshold, second));
        assert!(told.iter().any(|problem| problem.starts_with(path)), "{told:?}");
    }
}

#[test]
fn a_plan_is_known_by_every_octet() {
    let text = with_key(&template("crl").unwrap());
    let plan = Plan::parse(&text).unwrap();
    let other = Plan::parse(&format!("{text}\n")).unwrap();
    assert_ne!(plan.hash, other.hash);
    assert_eq!(plan.short_hash().len(), 12);
}
