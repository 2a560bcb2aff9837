//! An order as couriers write it, in the words of the authority: with a request of their own, or without one when the appliance is to
//! make the key.

use ca::courier::{CourierOrderRequest, OrderKey, OrderKind, PlatformOrder};
use courier_wire::{OrderRequest, Sans};
use pki::policy::SubjectValues;
use pki::profile::AttributeType;

use super::sign_in::wrong;
use crate::problem::Problem;

/// What is asked for.
pub(super) fn request(body: OrderRequest) -> Result<CourierOrderRequest, Problem> {
    let kind = match body.kind.as_str() {
        "issue" => OrderKind::Issue,
        "renew" => OrderKind::Renew,
        _ => return Err(wrong("kind", "is neither issue nor renew")),
    };
    Ok(CourierOrderRequest {
        kind,
        key: match body.key_mode.as_str() {
            "local" => local(&body)?,
            "platform" => platform(&body)?,
            _ => return Err(wrong("key_mode", "is neither local nor platform")),
        },
        profile: body.profile,
        validity_days: body.validity_days,
        replaces: body.replaces.map(|replaced| replaced.fingerprint_sha256),
        label: body.labels.get("name").cloned(),
    })
}

fn local(body: &OrderRequest) -> Result<OrderKey, Problem> {
    let csr = body.csr_pem.clone();
    let csr = csr.ok_or_else(|| wrong("csr_pem", "is missing"))?;
    for (name, is_there) in [
        ("recipient", body.recipient.is_some()),
        ("recipient_proof", body.recipient_proof.is_some()),
    ] {
        if is_there {
            return Err(wrong(name, "is for keys that the appliance makes"));
        }
    }
    agree(&csr, body.subject.as_ref(), body.sans.as_ref())?;
    Ok(OrderKey::Local { csr })
}

fn platform(body: &OrderRequest) -> Result<OrderKey, Problem> {
    if body.csr_pem.is_some() {
        return Err(wrong("csr_pem", "is of a key that the appliance does not make"));
    }
    let missing = |name| move || wrong(name, "is missing");
    let subject = body.subject.clone().unwrap_or_default();
    Ok(OrderKey::Platform {
        platform: Box::new(PlatformOrder {
            common_name: subject.common_name,
            subject: SubjectValues {
                organization: subject.organization,
                organizational_unit: subject.organizational_unit,
                country: subject.country,
                state: subject.state,
                locality: subject.locality,
            },
            names: names(body.sans.as_ref().ok_or_else(missing("sans"))?),
            algorithm: body
                .key_spec
                .as_ref()
                .ok_or_else(missing("key_spec"))?
                .algorithm
                .clone(),
            digest: body.digest.clone(),
            recipient: body.recipient.clone().ok_or_else(missing("recipient"))?,
            recipient_proof: body.recipient_proof.clone(),
        }),
    })
}

/// Names as the authority writes them.
fn names(sans: &Sans) -> Vec<String> {
    let kinds = [
        ("dns", &sans.dns),
        ("ip", &sans.ip),
        ("email", &sans.email),
        ("uri", &sans.uri),
    ];
    let names = kinds
        .iter()
        .flat_map(|(kind, names)| names.iter().map(move |name| format!("{kind}:{name}")));
    names.collect()
}

/// What is said beside the request has to say the same.
fn agree(csr: &str, subject: Option<&courier_wire::Subject>, sans: Option<&Sans>) -> Result<(), Problem> {
    let Ok(csr) = pki::Csr::parse(csr.as_bytes()) else {
        // What is wrong with it is told when it is verified.
        return Ok(());
    };
    if let Some(subject) = subject {
        let said = [
            ("subject.common_name", "CN", &subject.common_name),
            ("subject.organization", "O", &subject.organization),
            ("subject.organizational_unit", "OU", &subject.organizational_unit),
            ("subject.country", "C", &subject.country),
            ("subject.state", "ST", &subject.state),
            ("subject.locality", "L", &subject.locality),
        ];
        let differs = said.into_iter().find(|(_, attribute, said)| {
            let attribute = attribute.parse::<AttributeType>();
            let asked = attribute.map(|attribute| csr.subject().values_of(attribute.oid()));
            let asked = asked.unwrap_or_default();
            said.as_ref()
                .is_some_and(|said| asked != std::slice::from_ref(said))
        });
        if let Some((field, ..)) = differs {
            return Err(wrong(field, "is not that of the request"));
        }
    }
    if let Some(sans) = sans {
        let wanted = names(sans);
        let mut wanted: Vec<String> = wanted.iter().map(|name| name.to_ascii_lowercase()).collect();
        let asked = csr.subject_alt_names().unwrap_or_default();
        let mut asked: Vec<String> = asked
            .iter()
            .map(|name| name.to_string().to_ascii_lowercase())
            .collect();
        wanted.sort_unstable();
        asked.sort_unstable();
        if wanted != asked {
            return Err(wrong("sans", "are not those of the request"));
        }
    }
    Ok(())
}
