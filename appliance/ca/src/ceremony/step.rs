//! The steps of a plan.

use jiff::Timestamp;
use pki::profile::Lifetime;
use pki::{DistinguishedName, KeyAlgorithm, RevocationReason, Serial, SignatureAlgorithm};
use toml::Table;

use super::section::Section;

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Step {
    /// Make a root.
    Root(RootStep),
    /// Make an intermediate CA, or certify one by its request.
    Intermediate(IntermediateStep),
    /// Certify the root of another authority.
    CrossSign(CrossSignStep),
    /// Give a root a new key and certificate.
    RollOver(RollOverStep),
    /// Sign a CRL.
    Crl(CrlStep),
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its kind.
    pub algorithm: KeyAlgorithm,
    /// How it signs; what goes with the key when absent.
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// The token that makes and holds it, by its name in `signerd.toml`.
    pub token: String,
}

/// Where a CA's certificate and CRL are published; below the plan's base address when absent.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// Its certificate.
    pub ca_url: Option<String>,
    /// Its CRL.
    pub crl_url: Option<String>,
}

/// A root to be made.
#[derive(Clone, Debug)]
pub struct RootStep {
    /// Its name.
    pub name: String,
    /// Its subject, RFC 4514.
    pub subject: String,
    /// Its key.
    pub key: NewKey,
    /// How long it lives; the profile's default when absent.
    pub validity: Option<Lifetime>,
    /// The profile of its certificate.
    pub profile: String,
    /// Its addresses.
    pub addresses: Addresses,
}

/// An intermediate CA.
#[derive(Clone, Debug)]
pub struct IntermediateStep {
    /// Its name; of one that is certified by its request, only that of its files.
    pub name: String,
    /// The CA that certifies it.
    pub issuer: String,
    /// Its subject, RFC 4514.
    pub subject: String,
    /// The file of its request.
    pub csr: Option<String>,
    /// The key to be made when there is no request.
    pub key: Option<NewKey>,
    /// How long it lives; the profile's default when absent.
    pub validity: Option<Lifetime>,
    /// The profile of its certificate.
    pub profile: String,
    /// Its addresses.
    pub addresses: Addresses,
}

/// A root of another authority to be certified.
#[derive(Clone, Debug)]
pub struct CrossSignStep {
    /// The name of its files.
    pub name: String,
    /// The CA that certifies it.
    pub issuer: String,
    /// Its subject, RFC 4514.
    pub subject: String,
    /// The file of its self-signed certificate.
    pub certificate: String,
    /// How long the cross-certificate lives; the profile's default when absent.
    pub validity: Option<Lifetime>,
    /// The profile of the cross-certificate.
    pub profile: String,
}

/// A root to be rolled over.
#[derive(Clone, Debug)]
pub struct RollOverStep {
    /// Its name.
    pub issuer: String,
    /// The kind of the new key; as before when absent.
    pub algorithm: Option<KeyAlgorithm>,
    /// How the new generation signs; as before, or what goes with the key.
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// The token of the new key; as before when absent.
    pub token: Option<String>,
    /// How long it lives; the profile's default when absent.
    pub validity: Option<Lifetime>,
    /// The addresses of the new generation.
    pub addresses: Addresses,
}

/// A CRL to be signed.
#[derive(Clone, Debug)]
pub struct CrlStep {
    /// Whose.
    pub issuer: String,
    /// For how long it is good.
    pub validity: Lifetime,
    /// What is revoked before.
    pub revoke: Vec<Revocation>,
}

/// A certificate to be revoked.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// Its serial.
    pub serial: Serial,
    /// Why.
    pub reason: RevocationReason,
    /// Since when its key is known or suspected to be bad.
    pub invalidity_date: Option<Timestamp>,
}

impl Step {
    /// What a plan calls it.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Root(_) => "root",
            Self::Intermediate(_) => "intermediate",
            Self::CrossSign(_) => "cross-sign",
            Self::RollOver(_) => "rollover",
            Self::Crl(_) => "crl",
        }
    }

    /// The CA that signs, when it is there before the step.
    pub fn issuer(&self) -> Option<&str> {
        match self {
            Self::Root(_) => None,
            Self::Intermediate(step) => Some(&step.issuer),
            Self::CrossSign(step) => Some(&step.issuer),
            Self::RollOver(step) => Some(&step.issuer),
            Self::Crl(step) => Some(&step.issuer),
        }
    }

    /// The file that somebody brings along.
    pub fn input(&self) -> Option<&str> {
        match self {
            Self::Intermediate(step) => step.csr.as_deref(),
            Self::CrossSign(step) => Some(&step.certificate),
            _ => None,
        }
    }

    /// In few words, for people.
    pub fn title(&self) -> String {
        match self {
            Self::Root(step) => format!("make the root {}: {}", step.name, step.subject),
            Self::Intermediate(step) if step.csr.is_some() => {
                format!(
                    "{} certifies the request of {}: {}",
                    step.issuer, step.name, step.subject
                )
            }
            Self::Intermediate(step) => format!("make {} under {}: {}", step.name, step.issuer, step.subject),
            Self::CrossSign(step) => format!("{} cross-signs {}: {}", step.issuer, step.name, step.subject),
            Self::RollOver(step) => format!("roll {} over to a new key", step.issuer),
            Self::Crl(step) => {
                format!(
                    "{} signs a CRL, after {} revocations",
                    step.issuer,
                    step.revoke.len()
                )
            }
        }
    }

    /// Reads one; what is wrong with it is noted.
    pub(super) fn read(path: String, table: Table, problems: &mut Vec<String>) -> Option<Self> {
        let mut section = Section::new(path, table, problems);
        let operation = section.required("do")?;
        let step = match operation.as_str() {
            "root" => root(&mut section).map(Self::Root),
            "intermediate" => intermediate(&mut section).map(Self::Intermediate),
            "cross-sign" => cross_sign(&mut section).map(Self::CrossSign),
            "rollover" => roll_over(&mut section).map(Self::RollOver),
            "crl" => crl(&mut section).map(Self::Crl),
            other => {
                let what =
                    format!("`{other}` is no operation: root, intermediate, cross-sign, rollover, crl");
                section.wrong("do", what);
                return None;
            }
        };
        section.finish();
        step
    }
}

// Every key is read before anything is given up, so that all of what is wrong is told.

fn root(section: &mut Section<'_>) -> Option<RootStep> {
    let (name, subject) = (name(section, "name"), subject(section));
    let key = new_key(section);
    let (validity, profile) = (section.parsed("validity"), profile(section, "root"));
    let addresses = addresses(section);
    Some(RootStep {
        name: name?,
        subject: subject?,
        key: key?,
        validity,
        profile,
        addresses,
    })
}

fn intermediate(section: &mut Section<'_>) -> Option<IntermediateStep> {
    let (name, issuer, subject) = (name(section, "name"), name_of_issuer(section), subject(section));
    let csr = section.text("csr");
    let key = if csr.is_some() {
        for key in [
            "key_algorithm",
            "signature_algorithm",
            "token",
            "ca_url",
            "crl_url",
        ] {
            if section.text(key).is_some() {
                section.wrong(
                    key,
                    "is for a key that is made here; this one comes with the request",
                );
            }
        }
        None
    } else {
        Some(new_key(section)?)
    };
    let (validity, profile) = (section.parsed("validity"), profile(section, "sub-ca"));
    let addresses = if csr.is_none() {
        addresses(section)
    } else {
        Addresses::default()
    };
    let (name, issuer, subject) = (name?, issuer?, subject?);
    Some(IntermediateStep {
        name,
        issuer,
        subject,
        csr,
        key,
        validity,
        profile,
        addresses,
    })
}

fn cross_sign(section: &mut Section<'_>) -> Option<CrossSignStep> {
    let (name, issuer, subject) = (name(section, "name"), name_of_issuer(section), subject(section));
    let certificate = section.required("certificate");
    let (validity, profile) = (section.parsed("validity"), section.required("profile"));
    Some(CrossSignStep {
        name: name?,
        issuer: issuer?,
        subject: subject?,
        certificate: certificate?,
        validity,
        profile: profile?,
    })
}

fn roll_over(section: &mut Section<'_>) -> Option<RollOverStep> {
    let issuer = name_of_issuer(section);
    let (algorithm, signature_algorithm) = (
        section.parsed("key_algorithm"),
        section.parsed("signature_algorithm"),
    );
    let (token, validity) = (section.text("token"), section.parsed("validity"));
    let addresses = addresses(section);
    Some(RollOverStep {
        issuer: issuer?,
        algorithm,
        signature_algorithm,
        token,
        validity,
        addresses,
    })
}

fn crl(section: &mut Section<'_>) -> Option<CrlStep> {
    let (issuer, validity) = (name_of_issuer(section), section.required_parsed("validity"));
    let mut revoke: Vec<Revocation> = Vec::new();
    for (path, table) in section.tables("revoke") {
        let mut entry = Section::new(path, table, section.problems());
        let (serial, reason) = (entry.required_parsed("serial"), entry.parsed("reason"));
        let invalidity_date = entry.parsed("invalidity_date");
        if reason == Some(RevocationReason::RemoveFromCrl) {
            entry.wrong("reason", "takes a hold back, which is no revocation");
        }
        if serial.is_some_and(|serial| revoke.iter().any(|other| other.serial == serial)) {
            entry.wrong("serial", "is named twice");
        }
        entry.finish();
        if let Some(serial) = serial {
            let reason = reason.unwrap_or(RevocationReason::Unspecified);
            revoke.push(Revocation {
                serial,
                reason,
                invalidity_date,
            });
        }
    }
    Some(CrlStep {
        issuer: issuer?,
        validity: validity?,
        revoke,
    })
}

fn new_key(section: &mut Section<'_>) -> Option<NewKey> {
    let algorithm: Option<KeyAlgorithm> = section.required_parsed("key_algorithm");
    let signature_algorithm: Option<SignatureAlgorithm> = section.parsed("signature_algorithm");
    let token = section.required("token");
    if let (Some(key), Some(signature)) = (algorithm, signature_algorithm)
        && !signature.is_usable_with(key)
    {
        section.wrong(
            "signature_algorithm",
            format!("a key of {key} cannot sign with {signature}"),
        );
    }
    Some(NewKey {
        algorithm: algorithm?,
        signature_algorithm,
        token: token?,
    })
}

fn name(section: &mut Section<'_>, key: &'static str) -> Option<String> {
    let name = section.required(key)?;
    crate::issuer::check_name(&name)
        .inspect_err(|error| section.wrong(key, error))
        .ok()?;
    Some(name)
}

fn name_of_issuer(section: &mut Section<'_>) -> Option<String> {
    name(section, "issuer")
}

fn subject(section: &mut Section<'_>) -> Option<String> {
    let subject = section.required("subject")?;
    match DistinguishedName::parse(&subject) {
        Ok(name) if !name.is_empty() => Some(subject),
        Ok(_) => None,
        Err(fault) => {
            section.wrong("subject", fault);
            None
        }
    }
}

fn profile(section: &mut Section<'_>, default: &str) -> String {
    section.text("profile").unwrap_or_else(|| default.to_owned())
}

fn addresses(section: &mut Section<'_>) -> Addresses {
    let mut address = |key| {
        let url = section.text(key)?;
        if !super::plan::is_address(&url) {
            section.wrong(
                key,
                "must be an address that begins with http:// and ends without a slash",
            );
        }
        Some(url)
    };
    Addresses {
        ca_url: address("ca_url"),
        crl_url: address("crl_url"),
    }
}
