//! The use cases during which a server is killed: small, each for itself, and such that they can be done once more after the kill.

use serde_json::json;

use super::client::Client;
use super::courier::{PLANT, VAULT, WEB};

/// A use case.
pub(super) struct UseCase {
    pub(super) name: &'static str,
    /// In which state it begins.
    pub(super) begins: Begins,
    /// What clients do. Nothing when the server died.
    pub(super) play: fn(&mut Client<'_>) -> Option<()>,
    /// What it must pass, before and after, so that no place gets lost: the words are in the name of the place.
    pub(super) passes: &'static [&'static str],
}

/// The state before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// A server that has been at rest for a moment; only what comes after its start counts.
    AtRest,
    /// A server that was not started for days: what is due at the start counts.
    DaysAfter,
    /// A server that was killed between signature and certificate: what it settles at the start counts.
    Killed,
}

/// A certificate of `issuing` that is there from the beginning, by the profile of nobody else.
fn first_leaf(client: &Client<'_>) -> Option<String> {
    let leaves = client.list("profile=tls-server&issuer=issuing&status=valid&limit=10")?;
    leaves.first().cloned()
}

fn issue(client: &mut Client<'_>) -> Option<()> {
    client.issue("issuing")?;
    client.issue_two_at_once("fleet")?;
    client.be_refused()
}

fn renew(client: &mut Client<'_>) -> Option<()> {
    let leaf = client.issue("issuing")?;
    client.renew(&leaf)?;
    Some(())
}

fn revoke(client: &mut Client<'_>) -> Option<()> {
    let (gone, held) = (client.issue("issuing")?, client.issue("fleet")?);
    client.revoke(&gone, "keyCompromise")?;
    client.revoke(&held, "certificateHold")?;
    client.wait_until_listed("issuing", &gone)?;
    client.revoke(&held, "removeFromCRL")
}

fn publish(client: &mut Client<'_>) -> Option<()> {
    client.publish("issuing")?;
    client.publish("fleet")
}

/// A responder whose certificate is revoked has a successor with a new key.
fn replace_responder(client: &mut Client<'_>) -> Option<()> {
    let query = "profile=ocsp-signer&issuer=issuing&status=valid&limit=10";
    let before = client.list(query)?;
    for serial in &before {
        client.revoke(serial, "superseded")?;
    }
    let since = std::time::Instant::now();
    while client.list(query)?.is_empty() {
        assert!(since.elapsed().as_secs() < 10, "no responder");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Some(())
}

fn roll_over_issuing(client: &mut Client<'_>) -> Option<()> {
    client.post("issuers/issuing/rollover", &json!({}))?;
    client.issue("issuing")?;
    Some(())
}

fn roll_over_root(client: &mut Client<'_>) -> Option<()> {
    let rolled = client.post("issuers/root/rollover", &json!({}))?;
    assert_eq!(rolled["state"], "active");
    Some(())
}

fn make_issuing(client: &mut Client<'_>) -> Option<()> {
    if client.find_issuer("another")?.is_null() {
        let order = json!({
            "kind": "issuing", "name": "another", "parent": "root", "subject": "CN=Another", "token": "software",
        });
        client.post("issuers", &order)?;
    }
    client.issue("another")?;
    Some(())
}

/// Pending with a request until a foreign authority has signed it.
fn make_subordinate(client: &mut Client<'_>) -> Option<()> {
    let mut pending = client.find_issuer("under-foreign")?;
    if pending.is_null() {
        let order = json!({
            "kind": "subordinate", "name": "under-foreign", "subject": "CN=Under Foreign", "token": "software",
        });
        pending = client.post("issuers", &order)?;
    }
    if pending["state"] == "pending" {
        let chain = client.have_signed(pending["csr_pem"].as_str().unwrap());
        client.post(
            "issuers/under-foreign/certificate",
            &json!({ "certificates_pem": chain }),
        )?;
    }
    client.issue("under-foreign")?;
    Some(())
}

fn order_and_revoke_as_courier(client: &mut Client<'_>) -> Option<()> {
    let ordered = client.order_as(WEB)?;
    client.revoke_as_courier(ordered)
}

/// A key that the appliance makes, and gives out once.
fn order_with_key(client: &mut Client<'_>) -> Option<()> {
    client.order_as(PLANT).map(drop)
}

fn order_and_be_approved(client: &mut Client<'_>) -> Option<()> {
    client.order_as(VAULT).map(drop)
}

fn register_bridge(client: &mut Client<'_>) -> Option<()> {
    client.register_bridge()
}

fn nothing(client: &mut Client<'_>) -> Option<()> {
    first_leaf(client).map(drop)
}

/// What a rollover passes, of whatever CA.
const ROLLOVER: &[&str] = &[
    "issuers keys audit",
    "certificates issuers audit",
    "a key is made",
    "keys audit",
    "certificates responders audit",
    "intents",
    "signature issuance",
    "certificates intents orders audit",
    "crl_shards leases",
    "signature revocation",
    "CRL file its name",
    "published_crls leases audit",
];

/// All of them.
pub(super) const ALL: &[UseCase] = &[
    UseCase {
        name: "issue",
        begins: Begins::AtRest,
        play: issue,
        passes: &[
            "intents",
            "signature issuance",
            "certificates intents orders audit",
            "orders audit",
        ],
    },
    UseCase {
        name: "renew",
        begins: Begins::AtRest,
        play: renew,
        passes: &[
            "intents",
            "signature issuance",
            "certificates intents orders audit",
        ],
    },
    UseCase {
        name: "revoke",
        begins: Begins::AtRest,
        play: revoke,
        passes: &[
            "revocations certificates crl_shards audit",
            "crl_shards leases",
            "signature revocation",
            "CRL file its name",
            "published_crls leases audit",
        ],
    },
    UseCase {
        name: "publish a CRL",
        begins: Begins::AtRest,
        play: publish,
        passes: &[
            "crl_shards leases",
            "signature revocation",
            "CRL file its name",
            "published_crls leases audit",
        ],
    },
    UseCase {
        name: "replace a responder",
        begins: Begins::AtRest,
        play: replace_responder,
        passes: &[
            "revocations certificates audit",
            "signature issuance",
            "a key is made",
            "keys audit",
            "certificates responders audit",
        ],
    },
    UseCase {
        name: "duties after days",
        begins: Begins::DaysAfter,
        play: nothing,
        passes: &[
            "intents",
            "signature issuance",
            "certificates responders audit",
            "commit settings",
            "file server.key",
            "file server.pem",
            "crl_shards leases",
            "signature revocation",
            "CRL file its name",
            "published_crls leases audit",
        ],
    },
    UseCase {
        name: "recover",
        begins: Begins::Killed,
        play: nothing,
        passes: &[
            "revocations intents orders audit",
            "crl_shards leases",
            "signature revocation",
            "CRL file its name",
            "published_crls leases audit",
        ],
    },
    UseCase {
        name: "roll an issuing CA over",
        begins: Begins::AtRest,
        play: roll_over_issuing,
        passes: ROLLOVER,
    },
    UseCase {
        name: "roll a root over",
        begins: Begins::AtRest,
        play: roll_over_root,
        passes: ROLLOVER,
    },
    UseCase {
        name: "make an issuing CA",
        begins: Begins::AtRest,
        play: make_issuing,
        passes: &[
            "issuers keys audit",
            "certificates issuers audit",
            "a key is made",
            "keys audit",
            "certificates responders audit",
            "crl_shards leases",
            "signature revocation",
            "CRL file its name",
            "published_crls leases audit",
        ],
    },
    UseCase {
        name: "make a CA under a foreign one",
        begins: Begins::AtRest,
        play: make_subordinate,
        passes: &[
            "issuers keys audit",
            "issuers audit",
            "a key is made",
            "keys audit",
            "certificates responders audit",
            "crl_shards leases",
            "signature revocation",
            "CRL file its name",
            "published_crls leases audit",
        ],
    },
    UseCase {
        name: "order as a courier, and revoke",
        begins: Begins::AtRest,
        play: order_and_revoke_as_courier,
        passes: &[
            "courier_orders audit",
            "intents",
            "signature issuance",
            "certificates intents orders courier_orders audit",
            "revocations certificates crl_shards audit",
            "published_crls leases audit",
        ],
    },
    UseCase {
        name: "order as a courier, with a key",
        begins: Begins::AtRest,
        play: order_with_key,
        passes: &[
            "courier_orders audit",
            "a key is made for courier",
            "intents",
            "signature issuance",
            "certificates intents orders courier_orders courier_keys audit",
            "courier_keys audit",
            "courier_orders courier_keys audit",
        ],
    },
    UseCase {
        name: "order as a courier, and be approved",
        begins: Begins::AtRest,
        play: order_and_be_approved,
        passes: &[
            "courier_orders audit",
            "intents",
            "signature issuance",
            "certificates intents orders courier_orders audit",
        ],
    },
    UseCase {
        name: "register a bridge",
        begins: Begins::AtRest,
        play: register_bridge,
        passes: &[
            "bridge_tokens audit",
            "intents",
            "signature issuance",
            "certificates intents orders bridges bridge_certificates audit",
        ],
    },
];
