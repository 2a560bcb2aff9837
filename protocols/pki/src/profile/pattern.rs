//! Patterns that names must fit: a glob (`*.example.com`) or, after `regex:`, a regular expression.
//!
//! Both are compiled when the profile is read, so that a bad pattern is refused with the profile and never at issuance.
//! A pattern always covers the whole name. The regex engine runs in linear time, so a pattern cannot be used to stall.

use std::fmt;
use std::fmt::Write;
use std::str::FromStr;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// Bound on a pattern's own length, in bytes.
const LONGEST: usize = 512;
/// Bound on the compiled form, in bytes.
const COMPILED_LIMIT: usize = 1 << 20;

/// A compiled pattern, equal to another when their texts are equal.
///
/// In a glob, `*` stands for any run of characters (dots too, and none at all), `?` for one character. Letter case does
/// not count.
#[derive(Clone, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Whether the whole name fits.
    pub fn matches(&self, name: &str) -> bool {
        self.regex.is_match(name)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The text is not a pattern.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is not a pattern: {reason}")]
pub struct PatternFault {
    text: String,
    reason: String,
}

impl FromStr for Pattern {
    type Err = PatternFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = |reason: String| PatternFault {
            text: text.chars().take(80).collect(),
            reason,
        };
        if text.is_empty() || text.len() > LONGEST {
            return Err(fault(format!("it must have 1 to {LONGEST} bytes")));
        }
        let expression = text
            .strip_prefix("regex:")
            .map_or_else(|| glob(text), str::to_owned);
        let regex = RegexBuilder::new(&format!("^(?:{expression})$"))
            .case_insensitive(true)
            .size_limit(COMPILED_LIMIT)
            .build()
            .map_err(|cause| fault(cause.to_string()))?;
        Ok(Self {
            text: text.to_owned(),
            regex,
        })
    }
}

/// The regular expression of a glob.
fn glob(text: &str) -> String {
    text.chars().fold(String::new(), |mut expression, character| {
        match character {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            other => {
                let _infallible = write!(expression, "{}", regex::escape(other.encode_utf8(&mut [0; 4])));
            }
        }
        expression
    })
}

impl TryFrom<String> for Pattern {
    type Error = PatternFault;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        pattern.parse::<Pattern>().unwrap().matches(name)
    }

    #[test]
    fn a_glob_covers_the_whole_name() {
        assert!(fits("*.example.com", "www.example.com"));
        assert!(fits("*.example.com", "a.b.example.com"));
        assert!(fits("*.EXAMPLE.com", "www.example.com"));
        assert!(fits("web?.example.com", "web1.example.com"));
        assert!(!fits("*.example.com", "example.com"));
        assert!(!fits("*.example.com", "www.example.com.evil.test"));
        assert!(!fits("*.example.com", "wwwxexamplexcom"));
        assert!(!fits("web?.example.com", "web.example.com"));
    }

    #[test]
    fn an_expression_covers_the_whole_name() {
        assert!(fits("regex:host-[0-9]{2}\\.lan", "host-42.lan"));
        assert!(!fits("regex:host-[0-9]{2}\\.lan", "xhost-42.lan"));
        assert!(!fits("regex:a|b", "ab"));
    }

    #[test]
    fn bad_patterns_are_refused_and_texts_survive() {
        for text in [
            "",
            "regex:(",
            "regex:[a-",
            &"a".repeat(513),
            "regex:((a{99}){99}){99}",
        ] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
        assert_eq!("*.a".parse::<Pattern>().unwrap().to_string(), "*.a");
    }
}
