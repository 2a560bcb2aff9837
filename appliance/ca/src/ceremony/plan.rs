//! A plan: what a ceremony does, who approves it, and how many of them it takes.
//!
//! A plan is a text that people read before they sign. It is known by the SHA-256 of its octets: whoever changes one of them has
//! another plan, with another transcript and approvals of its own.

use jiff::Timestamp;
use pki::profile::Profile;
use pki::{PublicKey, pem};
use toml::{Table, Value};

use super::fault::CeremonyError;
use super::section::Section;
use super::sha256;
use super::step::Step;

/// Longest plan read, in octets.
const MOST: usize = 1024 * 1024;

/// A plan that can be carried out, as far as it alone can tell.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its text.
    pub text: String,
    /// SHA-256 of the text, in hexadecimal.
    pub hash: String,
    /// What it is about.
    pub title: String,
    /// What the public addresses in certificates begin with.
    pub base_url: String,
    /// The time of every step; that of the machine when absent.
    pub time: Option<Timestamp>,
    /// How many approvers a step takes.
    pub threshold: usize,
    /// Who may approve.
    pub approvers: Vec<Approver>,
    /// Profiles that it brings along.
    pub profiles: Vec<Profile>,
    /// What is to be done, in this order.
    pub steps: Vec<Step>,
}

/// Somebody who may approve.
#[derive(Clone, Debug)]
pub struct Approver {
    /// The name.
    pub name: String,
    /// The key that approvals are signed with.
    pub public_key: PublicKey,
}

impl Plan {
    /// Reads a plan; gives everything that is wrong with it, each with the path of its key.
    pub fn parse(text: &str) -> Result<Self, CeremonyError> {
        if text.len() > MOST {
            return Err(CeremonyError::Plan(vec![format!(
                "it is longer than {MOST} octets"
            )]));
        }
        let table: Table = toml::from_str(text)
            .map_err(|error| CeremonyError::Plan(vec![error.to_string().trim_end().to_owned()]))?;
        let mut problems = Vec::new();
        let plan = Self::read(text, table, &mut problems);
        match plan {
            Some(plan) if problems.is_empty() => Ok(plan),
            _ => Err(CeremonyError::Plan(problems)),
        }
    }

    fn read(text: &str, table: Table, problems: &mut Vec<String>) -> Option<Self> {
        let mut section = Section::new(String::new(), table, problems);
        if section.number("version").is_some_and(|version| version != 1) {
            section.wrong("version", "this program reads version 1");
        }
        let (title, base_url) = (section.required("title"), section.required("base_url"));
        if base_url.as_deref().is_some_and(|url| !is_address(url)) {
            section.wrong(
                "base_url",
                "must be an address that begins with http:// and ends without a slash",
            );
        }
        let (time, threshold) = (section.parsed("time"), section.number("threshold"));
        let approvers = section.tables("approvers");
        let profiles = section.tables("profiles");
        let steps = section.tables("steps");
        if steps.is_empty() {
            section.wrong("steps", "there is none: begin each with [[steps]]");
        }
        let most = approvers.len();
        if threshold.is_some_and(|threshold| threshold == 0 || threshold > most) {
            let what = format!("must be 1 at least and {most} at most, the number of approvers");
            section.wrong("threshold", what);
        }
        section.finish();
        let count = steps.len();
        let approvers = read_approvers(approvers, problems);
        let profiles = read_profiles(profiles, problems);
        let steps: Vec<Step> = steps
            .into_iter()
            .filter_map(|(path, table)| Step::read(path, table, problems))
            .collect();
        if steps.len() == count {
            check_names(&steps, problems);
        }
        Some(Self {
            text: text.to_owned(),
            hash: sha256(text.as_bytes()),
            title: title?,
            base_url: base_url?,
            time,
            threshold: threshold?,
            approvers,
            profiles,
            steps,
        })
    }

    /// A step by its number, from 1.
    pub fn step(&self, number: usize) -> Option<&Step> {
        self.steps.get(number.checked_sub(1)?)
    }

    /// The first digits of its hash, by which people know it.
    pub fn short_hash(&self) -> &str {
        self.hash.get(..12).unwrap_or_default()
    }
}

/// Addresses stand in certificates: plain HTTP (RFC 5280 §8), nothing after them but what is added here.
pub(super) fn is_address(url: &str) -> bool {
    url.strip_prefix("http://").is_some_and(|rest| {
        !rest.is_empty() && !rest.ends_with('/') && rest.bytes().all(|octet| octet.is_ascii_graphic())
    })
}

fn read_approvers(tables: Vec<(String, Table)>, problems: &mut Vec<String>) -> Vec<Approver> {
    let mut approvers: Vec<Approver> = Vec::new();
    for (path, table) in tables {
        let mut section = Section::new(path, table, problems);
        let name = section.required("name");
        let fits = |name: &String| crate::issuer::check_name(name).is_ok();
        if name.as_ref().is_some_and(|name| !fits(name)) {
            section.wrong(
                "name",
                "take 1 to 64 of a-z, 0-9 and hyphen: files are named by it",
            );
        }
        let key = section.required("public_key").and_then(|text| {
            let key = public_key(&text);
            key.inspect_err(|what| section.wrong("public_key", what)).ok()
        });
        if let (Some(name), Some(public_key)) = (name, key) {
            if approvers.iter().any(|other| other.name == name) {
                section.wrong("name", "is used twice");
            }
            // One key is one approval, whoever holds it.
            if approvers.iter().any(|other| other.public_key == public_key) {
                section.wrong("public_key", "is that of another approver");
            }
            approvers.push(Approver { name, public_key });
        }
        section.finish();
    }
    approvers
}

fn public_key(text: &str) -> Result<PublicKey, String> {
    let block = pem::decode(text.as_bytes())
        .ok()
        .and_then(|blocks| blocks.into_iter().find(|block| block.label == "PUBLIC KEY"))
        .ok_or("must be a PEM block PUBLIC KEY, as `chancery ceremony keygen` prints it")?;
    PublicKey::from_spki_der(&block.der).map_err(|fault| fault.to_string())
}

fn read_profiles(tables: Vec<(String, Table)>, problems: &mut Vec<String>) -> Vec<Profile> {
    let mut profiles: Vec<Profile> = Vec::new();
    for (path, table) in tables {
        match Value::Table(table).try_into::<Profile>() {
            Err(error) => problems.push(format!("{path}: {}", error.message())),
            Ok(profile) => {
                problems.extend(profile.check().iter().map(|problem| format!("{path}.{problem}")));
                if !profile.is_authority() {
                    problems.push(format!(
                        "{path}: has no authority, and a ceremony certifies authorities"
                    ));
                }
                if profiles.iter().any(|other| other.name == profile.name) {
                    problems.push(format!("{path}.name: is used twice"));
                }
                profiles.push(profile);
            }
        }
    }
    profiles
}

/// Two steps that make a CA of the same name cannot both succeed.
fn check_names(steps: &[Step], problems: &mut Vec<String>) {
    let mut names = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        let name = match step {
            Step::Root(step) => &step.name,
            Step::Intermediate(step) => &step.name,
            Step::CrossSign(step) => &step.name,
            Step::RollOver(_) | Step::Crl(_) => continue,
        };
        if names.contains(&name) {
            problems.push(format!("steps[{place}].name: {name} is used twice"));
        }
        names.push(name);
    }
}

#[cfg(test)]
mod tests;
