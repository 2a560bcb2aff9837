//! What a command says of one certificate, for people and for programs.

use jiff::Timestamp;
use serde::Serialize;

use crate::decide::Outcome;
use crate::failure::Failure;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// Nothing.
    #[default]
    Nothing,
    /// A certificate was issued and installed.
    Issued,
    /// The next certificate was issued and installed.
    Renewed,
    /// An order is on its way.
    Ordered,
    /// A certificate would be issued; this is a dry run.
    WouldIssue,
    /// The next certificate would be issued; this is a dry run.
    WouldRenew,
    /// A pending order would be gone on with; this is a dry run.
    WouldResume,
    /// A key was made.
    KeyMade,
    /// A key would be made; this is a dry run.
    WouldMakeKey,
    /// A certificate was revoked.
    Revoked,
    /// Files were handed to servers.
    Deployed,
}

/// What a command says of one certificate. The names of the members are stable.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The certificate's name in the file.
    pub name: String,
    /// How things stand.
    pub outcome: Option<Outcome>,
    /// What was done.
    pub action: Done,
    /// The subject.
    pub subject: Option<String>,
    /// The names.
    pub sans: Vec<String>,
    /// Who issued it.
    pub issuer: Option<String>,
    /// The serial number in hexadecimal digits.
    pub serial: Option<String>,
    /// SHA-256 of the certificate in hexadecimal digits.
    pub fingerprint_sha256: Option<String>,
    /// The first second.
    pub not_before: Option<Timestamp>,
    /// The last second.
    pub not_after: Option<Timestamp>,
    /// Whole days until then; negative afterwards.
    pub days_left: Option<i64>,
    /// When it is renewed.
    pub renew_at: Option<Timestamp>,
    /// The window that the appliance suggests.
    pub server_window: Option<Window>,
    /// The order.
    pub order: Option<String>,
    /// Whether a server of the file has not taken what is on disk.
    #[serde(rename = "undeployed")]
    pub is_undeployed: bool,
    /// How what is on disk stands, whether an order is on its way or not.
    #[serde(skip)]
    pub on_disk: Option<Outcome>,
    /// What is not as it should be and kept nothing from being done.
    pub warnings: Vec<String>,
    /// Why it failed.
    pub error: Option<Wrong>,
}

/// Two instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// The first.
    pub start: Timestamp,
    /// The last.
    pub end: Timestamp,
}

/// Why something failed.
#[derive(Clone, Debug, Serialize)]
pub struct Wrong {
    /// The stable code.
    pub code: String,
    /// What the program ends with.
    pub exit_code: u8,
    /// For people.
    pub message: String,
    /// What the appliance's log knows the call by.
    pub request_id: Option<String>,
}

impl From<&Failure> for Wrong {
    fn from(failure: &Failure) -> Self {
        Self {
            code: failure.code(),
            exit_code: failure.exit_code(),
            message: failure.told(),
            request_id: failure.request_id(),
        }
    }
}

impl Report {
    /// A report with nothing in it yet.
    pub fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// With what is known of the certificate itself.
    pub fn describe(&mut self, leaf: &pki::Certificate, now: Timestamp) {
        let names = leaf.subject_alt_names().unwrap_or_default();
        self.subject = Some(leaf.subject().to_string());
        self.sans = names.iter().map(ToString::to_string).collect();
        self.issuer = Some(leaf.issuer().to_string());
        self.serial = Some(leaf.serial().to_string());
        self.fingerprint_sha256 = Some(hexadecimal(&leaf.fingerprint_sha256()));
        self.not_before = Some(leaf.not_before());
        self.not_after = Some(leaf.not_after());
        self.days_left = Some(leaf.not_after().duration_since(now).as_hours().div_euclid(24));
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let mut line = format!("{}: ", self.name);
        if let Some(wrong) = &self.error {
            line.push_str("failed: ");
            line.push_str(&wrong.message);
            return line;
        }
        line.push_str(match self.action {
            Done::Nothing => outcome_text(self.outcome),
            Done::Issued => "issued",
            Done::Renewed => "renewed",
            Done::Ordered => "ordered; the order is pending",
            Done::WouldIssue => "would be issued",
            Done::WouldRenew => "would be renewed",
            Done::WouldResume => "the pending order would be gone on with",
            Done::KeyMade => "a key was made",
            Done::WouldMakeKey => "a key would be made",
            Done::Revoked => "revoked",
            Done::Deployed => "deployed",
        });
        if let (Some(until), Some(days)) = (self.not_after, self.days_left) {
            let validity = format!(", valid until {until} ({days} days)");
            line.push_str(&validity);
        }
        if let Some(at) = self.renew_at {
            let renewal = format!(", renewed at {at}");
            line.push_str(&renewal);
        }
        line
    }
}

/// How things stand, in words.
fn outcome_text(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        None => "done",
        Some(Outcome::Missing) => "there is no certificate",
        Some(Outcome::Current) => "current",
        Some(Outcome::RenewalDue) => "renewal is due",
        Some(Outcome::Expired) => "expired",
        Some(Outcome::NotYetValid) => "not valid yet",
        Some(Outcome::Revoked) => "revoked",
        Some(Outcome::Superseded) => "superseded by another certificate",
        Some(Outcome::KeyMismatch) => "the private key is not the certificate's",
        Some(Outcome::ConfigDrift) => "the configuration asks for something else",
        Some(Outcome::UntrustedChain) => "the chain ends in no trusted authority",
        Some(Outcome::Unreadable) => "what is there cannot be read",
        Some(Outcome::OrderPending) => "an order is pending",
    }
}

/// A text of somebody else as one line that speaks to no terminal.
pub fn one_line(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().map(plain).collect()
}

/// Octets as hexadecimal digits.
pub fn hexadecimal(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() * 2);
    for octet in octets {
        text.extend(
            [octet >> 4, octet & 15].map(|half| char::from_digit(u32::from(half), 16).unwrap_or('0')),
        );
    }
    text
}
