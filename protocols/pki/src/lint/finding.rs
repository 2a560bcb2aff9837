//! What a lint rule is and what it says.
//!
//! A rule is a row of data (name, severity, citation, check), so that a table of rules can be listed, counted and
//! documented, and a refusal can name the rule and the clause it stands on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Notice,
    /// A SHOULD of the standard is not met; relying parties may differ in what they do.
    Warning,
    /// A MUST of the standard is broken: the object is not signed.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One check over a view `V` of the bytes about to be signed.
pub struct Rule<V> {
    /// Stable snake_case name; it stands in refusals and in the documentation.
    pub name: &'static str,
    /// The weight of a finding of this rule.
    pub severity: Severity,
    /// The clause the rule stands on, as `RFC 5280 §4.1.2.2`.
    pub citation: &'static str,
    /// Looks at the view; `Err` carries one sentence saying what is wrong with it.
    pub check: fn(&V) -> Result<(), String>,
}

impl<V> Rule<V> {
    /// The rule's part that looks at one element, under the same name.
    pub(super) const fn of_each<E>(self, check: fn(&E) -> Result<(), String>) -> Rule<E> {
        Rule {
            name: self.name,
            severity: self.severity,
            citation: self.citation,
            check,
        }
    }

    /// Runs the check and turns its answer into a finding.
    pub(super) fn finding(&self, view: &V) -> Option<Finding> {
        let message = (self.check)(view).err()?;
        Some(Finding {
            rule: self.name.to_owned(),
            severity: self.severity,
            citation: self.citation.to_owned(),
            message,
        })
    }
}

impl<V> fmt::Debug for Rule<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("name", &self.name)
            .field("severity", &self.severity)
            .field("citation", &self.citation)
            .finish_non_exhaustive()
    }
}

/// What a rule found.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// Name of the rule.
    pub rule: String,
    /// Its weight.
    pub severity: Severity,
    /// The clause the rule stands on.
    pub citation: String,
    /// What is wrong, in one sentence.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} ({}, {})",
            self.severity, self.message, self.rule, self.citation
        )
    }
}

/// Everything the rules found in an object that is refused: at least one finding is an error.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Report {
    /// The findings, in the order of the rules.
    pub findings: Vec<Finding>,
}

impl Report {
    /// A report of the one error that the bytes cannot be read at all.
    pub(super) fn unreadable(rule: &str, citation: &str, message: String) -> Self {
        Self {
            findings: vec![Finding {
                rule: rule.to_owned(),
                severity: Severity::Error,
                citation: citation.to_owned(),
                message,
            }],
        }
    }

    /// The findings that refuse.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.errors().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}
