//! Instances of bridges that are registered with a token each: after a kill the token is as good as before, or the instance is there.

use pki::Certificate;
use serde_json::json;

use super::client::{Client, Stand};
use super::courier::csr;

/// A token and what an instance brings with it.
#[derive(Clone, Debug)]
pub(super) struct Registration {
    token: String,
    csr: String,
    state: Token,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    New,
    /// Shown, and never answered.
    Shown,
    Used,
}

impl Client<'_> {
    /// Instances that were begun come to be, once; then another one.
    pub(super) fn register_bridge(&mut self) -> Option<()> {
        for at in 0..self.heard.hosts.registrations.len() {
            self.register(at)?;
        }
        let made = self.post("bridge-tokens", &json!({ "bridge": "dmz", "issuer": "issuing" }))?;
        let at = self.heard.hosts.registrations.len();
        self.heard.hosts.registrations.push(Registration {
            token: made["token"].as_str().unwrap().to_owned(),
            csr: csr(&[]),
            state: Token::New,
        });
        self.register(at)?;
        let bridges = self.get("bridges")?;
        let bridges = bridges["items"].as_array().unwrap();
        for bridge in bridges {
            assert!(
                !bridge["certificate_ends_at"].is_null(),
                "an instance without a certificate: {bridge}"
            );
        }
        assert_eq!(
            bridges.len(),
            at + 1,
            "a token each, and an instance each: {bridges:?}"
        );
        Some(())
    }

    fn register(&mut self, at: usize) -> Option<()> {
        let Registration { token, csr, state } = self.heard.hosts.registrations[at].clone();
        if state == Token::New {
            self.heard.hosts.registrations[at].state = Token::Shown;
        }
        let body = json!({ "token": token, "csr_pem": csr });
        let (status, told) = self
            .api
            .try_ask("POST", "courier/bridges/register", &[], Some(&body))?;
        match (state, status) {
            // After an answer that did not come, the instance is there, or it comes to be now.
            (Token::Used | Token::Shown, 401) => {}
            (Token::New | Token::Shown, 201) => {
                let leaf = told["certificate_pem"].as_str().unwrap();
                let leaf = Certificate::parse_all(leaf.as_bytes()).unwrap().remove(0);
                let issuer = self.get("issuers/issuing")?["id"].as_str().unwrap().to_owned();
                let serial = leaf.serial().to_string();
                self.heard.certificates.insert(serial, (issuer, Stand::Good));
            }
            _ => panic!("a token that was {state:?}: {status} {told}"),
        }
        self.heard.hosts.registrations[at].state = Token::Used;
        Some(())
    }
}
