//! The profiles every appliance starts with.

use std::sync::LazyLock;

use crate::profile::subject_policy::AttributeType;
use crate::profile::{
    AuthorityPolicy, ExtendedKeyUsage, IpRange, Lifetime, NamePolicy, Pattern, Pointers, Profile,
    SubjectPolicy,
};

static READY: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    vec![
        tls_server(),
        tls_client(),
        device(),
        smime(),
        code_signing(),
        timestamping(),
        sub_ca(),
        root(),
        ocsp_signer(),
    ]
});

pub(super) fn all() -> &'static [Profile] {
    &READY
}

fn tls_server() -> Profile {
    Profile {
        description: "TLS servers, known by DNS names and addresses".to_owned(),
        extended_key_usages: vec![ExtendedKeyUsage::ServerAuth],
        names: NamePolicy {
            required: true,
            wildcards: true,
            dns: any(),
            ip: any_address(),
            ..NamePolicy::default()
        },
        subject: SubjectPolicy {
            taken: AttributeType::named(&["CN"]),
            common_name_in_names: true,
            ..SubjectPolicy::default()
        },
        ..Profile::new("tls-server", Lifetime::days(90), Lifetime::days(398))
    }
}

fn tls_client() -> Profile {
    Profile {
        description: "TLS clients: people, services and machines that log in".to_owned(),
        extended_key_usages: vec![ExtendedKeyUsage::ClientAuth],
        names: NamePolicy {
            dns: any(),
            email: any(),
            uri: any(),
            upn: any(),
            ..NamePolicy::default()
        },
        microsoft_sid: true,
        ..Profile::new("tls-client", Lifetime::days(90), Lifetime::days(398))
    }
}

fn device() -> Profile {
    Profile {
        description: "Devices that log in to networks and services, by name, address or serial number"
            .to_owned(),
        extended_key_usages: vec![ExtendedKeyUsage::ClientAuth],
        names: NamePolicy {
            dns: any(),
            ip: any_address(),
            uri: any(),
            upn: any(),
            ..NamePolicy::default()
        },
        subject: SubjectPolicy {
            allowed: subject_with(&["unstructuredName"]),
            taken: subject_with(&[]),
            ..SubjectPolicy::default()
        },
        microsoft_sid: true,
        ..Profile::new("device", Lifetime::years(1), Lifetime::years(3))
    }
}

fn smime() -> Profile {
    Profile {
        description: "Mail signatures of people, known by their mailboxes".to_owned(),
        extended_key_usages: vec![ExtendedKeyUsage::EmailProtection],
        names: NamePolicy {
            required: true,
            email: any(),
            ..NamePolicy::default()
        },
        subject: SubjectPolicy {
            allowed: subject_with(&["GN", "SN", "title", "emailAddress"]),
            taken: subject_with(&["GN", "SN", "title"]),
            ..SubjectPolicy::default()
        },
        ..Profile::new("smime", Lifetime::years(1), Lifetime::years(2))
    }
}

fn code_signing() -> Profile {
    Profile {
        description: "Signatures over programs".to_owned(),
        extended_key_usages: vec![ExtendedKeyUsage::CodeSigning],
        subject: SubjectPolicy {
            required: AttributeType::named(&["CN"]),
            ..SubjectPolicy::default()
        },
        ..Profile::new("code-signing", Lifetime::years(1), Lifetime::years(3))
    }
}

fn timestamping() -> Profile {
    Profile {
        description: "Time stamping authorities, RFC 3161".to_owned(),
        extended_key_usages: vec![ExtendedKeyUsage::TimeStamping],
        subject: SubjectPolicy {
            required: AttributeType::named(&["CN"]),
            ..SubjectPolicy::default()
        },
        ..Profile::new("timestamping", Lifetime::years(5), Lifetime::years(11))
    }
}

fn sub_ca() -> Profile {
    Profile {
        description: "Issuing authorities: certify end entities, no further authorities".to_owned(),
        authority: Some(AuthorityPolicy {
            path_length: Some(0),
            ..AuthorityPolicy::default()
        }),
        ..Profile::new("sub-ca", Lifetime::years(10), Lifetime::years(15))
    }
}

fn root() -> Profile {
    Profile {
        description: "Root authorities: certify issuing authorities, sign themselves".to_owned(),
        pointers: Pointers {
            ca_issuers: false,
            ocsp: false,
            crl: false,
        },
        authority: Some(AuthorityPolicy::default()),
        ..Profile::new("root", Lifetime::years(20), Lifetime::years(30))
    }
}

fn ocsp_signer() -> Profile {
    Profile {
        description: "Delegated OCSP responders, RFC 6960 §4.2.2.2".to_owned(),
        extended_key_usages: vec![ExtendedKeyUsage::OcspSigning],
        ocsp_no_check: true,
        pointers: Pointers {
            ca_issuers: true,
            ocsp: false,
            crl: false,
        },
        ..Profile::new("ocsp-signer", Lifetime::days(30), Lifetime::days(90))
    }
}

/// The attributes of the default policy that enter a certificate, and these.
fn subject_with(more: &[&str]) -> Vec<AttributeType> {
    [SubjectPolicy::default().taken, AttributeType::named(more)].concat()
}

fn any() -> Vec<Pattern> {
    "*".parse().into_iter().collect()
}

fn any_address() -> Vec<IpRange> {
    ["0.0.0.0/0", "::/0"]
        .iter()
        .filter_map(|range| range.parse().ok())
        .collect()
}
