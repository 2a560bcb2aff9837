//! For any order a profile allows, what is built lints clean and reads back the same through two parsers.

use std::sync::Arc;
use std::time::Duration;

use pki::lint::{self, Context};
use pki::profile::{self, Order, Profile, Template};
use pki::{Certificate, DistinguishedName, Serial, SubjectAltName};
use proptest::prelude::*;
use x509_parser::prelude::{FromDer, GeneralName, TbsCertificate, X509Certificate};

use crate::fixture::{issuing, key, now, ready, sign};

fn label() -> impl Strategy<Value = String> {
    "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?"
}

fn host() -> impl Strategy<Value = String> {
    (prop::collection::vec(label(), 1..4), "[a-z]{2,10}")
        .prop_map(|(labels, top)| format!("{}.{top}", labels.join(".")))
}

fn name() -> impl Strategy<Value = SubjectAltName> {
    prop_oneof![
        host().prop_map(|host| format!("dns:{host}")),
        host().prop_map(|host| format!("dns:*.{host}")),
        any::<std::net::IpAddr>().prop_map(|address| format!("ip:{address}")),
        ("[a-z0-9.+_-]{0,10}[a-z0-9]", host()).prop_map(|(local, host)| format!("email:{local}@{host}")),
        (host(), "[a-zA-Z0-9/._~-]{0,30}").prop_map(|(host, path)| format!("uri:https://{host}/{path}")),
        ("[a-z0-9_-]{1,12}", host()).prop_map(|(local, host)| format!("upn:{local}@{host}")),
    ]
    .prop_filter_map("not a name", |text| text.parse().ok())
}

/// A profile with every type of name, from one of the ready ones that allow them.
fn open_profile() -> impl Strategy<Value = Profile> {
    prop::sample::select(vec![
        "tls-client",
        "device",
        "code-signing",
        "timestamping",
        "ocsp-signer",
    ])
    .prop_map(|name| {
        let mut profile = ready(name);
        profile.names.wildcards = true;
        let any = || vec!["*".parse().unwrap()];
        (
            profile.names.dns,
            profile.names.email,
            profile.names.uri,
            profile.names.upn,
        ) = (any(), any(), any(), any());
        profile.names.ip = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
        profile
    })
}

fn subject() -> impl Strategy<Value = DistinguishedName> {
    (
        "[A-Za-zäöüé0-9][A-Za-zäöüé0-9 .-]{0,40}[a-z]",
        prop::option::of("[A-Za-z][A-Za-z &-]{0,40}[a-z]"),
        prop::option::of("[A-Z]{2}"),
    )
        .prop_map(|(cn, o, c)| {
            let o = o.map(|o| format!(",O={o}")).unwrap_or_default();
            let c = c.map(|c| format!(",C={c}")).unwrap_or_default();
            DistinguishedName::parse(&format!("CN={cn}{o}{c}")).unwrap()
        })
}

fn any_order() -> impl Strategy<Value = Order> {
    let keys = prop::sample::select(vec!["leaf-p256", "leaf-rsa2048", "leaf-ed25519"]);
    let validity =
        prop::option::of(prop_oneof![1..7_200_u64, 1..400_000_000_u64].prop_map(Duration::from_secs));
    (subject(), prop::collection::vec(name(), 0..8), keys, validity).prop_map(
        |(subject, mut names, name, validity)| {
            names.sort();
            names.dedup();
            Order {
                subject,
                names,
                public_key: key(name),
                validity,
                ms_sid: None,
            }
        },
    )
}

/// The name as the other parser says it.
fn foreign_text(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(text) => format!("dns:{text}"),
        GeneralName::RFC822Name(text) => format!("email:{text}"),
        GeneralName::URI(text) => format!("uri:{text}"),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => format!(
                "ip:{}",
                std::net::IpAddr::from(<[u8; 4]>::try_from(*octets).unwrap())
            ),
            _ => format!(
                "ip:{}",
                std::net::IpAddr::from(<[u8; 16]>::try_from(*octets).unwrap())
            ),
        },
        GeneralName::OtherName(_, value) => format!("upn:{}", String::from_utf8_lossy(&value[4..])),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_allowed_order_lints_clean_and_reads_back(
        profile in open_profile(),
        order in any_order(),
        random in any::<[u8; 16]>(),
    ) {
        let issuer = issuing();
        let serial = Serial::from_random(random);
        let tbs = profile::build(&profile, &order, &issuer.view, &serial, now()).unwrap();
        let linted = lint::certificate(tbs, &Context { issuer: &issuer.view, now: now() }).unwrap();

        let (rest, parsed) = TbsCertificate::from_der(linted.der()).unwrap();
        prop_assert!(rest.is_empty());
        prop_assert_eq!(parsed.raw_serial(), serial.as_bytes());
        prop_assert_eq!(parsed.subject_pki.raw, order.public_key.spki_der());
        prop_assert_eq!(parsed.issuer.as_raw(), issuer.view.subject.der());
        let written: Vec<String> = parsed
            .subject_alternative_name()
            .unwrap()
            .map(|san| san.value.general_names.iter().map(foreign_text).collect())
            .unwrap_or_default();
        let wanted: Vec<String> = order.names.iter().map(ToString::to_string).collect();
        prop_assert_eq!(written, wanted);

        let signature = sign("issuing-p256", linted.der());
        let der = linted.assemble(&signature);
        let certificate = Certificate::from_der(&der).unwrap();
        let (_, foreign) = X509Certificate::from_der(&der).unwrap();
        prop_assert_eq!(certificate.subject_alt_names().unwrap(), order.names);
        prop_assert_eq!(certificate.not_before().as_second(), foreign.validity().not_before.timestamp());
        prop_assert_eq!(certificate.not_after().as_second(), foreign.validity().not_after.timestamp());
        prop_assert!(certificate.not_after() <= issuer.view.not_after);
        let lifetime = certificate.not_after().as_second() - now().as_second();
        prop_assert!(u64::try_from(lifetime).unwrap() <= profile.max_ttl.as_seconds());
        certificate.verify_signed_by(&issuer.view.public_key).unwrap();
    }

    #[test]
    fn any_order_is_built_or_refused(
        name in prop::sample::select(vec!["tls-server", "tls-client", "device", "smime", "code-signing", "sub-ca", "ocsp-signer"]),
        order in any_order(),
    ) {
        let profile = ready(name);
        let mut view = issuing().view;
        view.path_length = None;
        if let Ok(tbs) = profile::build(&profile, &order, &view, &crate::fixture::serial(), now()) {
            let verdict = lint::certificate(tbs, &Context { issuer: &view, now: now() });
            prop_assert!(verdict.is_ok(), "{}", verdict.unwrap_err());
        }
    }

    #[test]
    fn a_template_makes_of_every_order_what_build_makes(
        profile in prop_oneof![
            open_profile(),
            prop::sample::select(vec!["tls-server", "tls-client", "device", "smime", "code-signing", "sub-ca", "ocsp-signer"])
                .prop_map(ready),
        ],
        orders in prop::collection::vec(any_order(), 1..6),
    ) {
        let view = Arc::new(issuing().view);
        let template = Template::new(Arc::new(profile.clone()), Arc::clone(&view));
        for order in &orders {
            let serial = crate::fixture::serial();
            prop_assert_eq!(
                template.build(order, &serial, now()).map(|tbs| tbs.der().to_vec()),
                profile::build(&profile, order, &view, &serial, now()).map(|tbs| tbs.der().to_vec())
            );
        }
    }
}
