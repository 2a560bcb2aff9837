//! Where variables are read from.
//!
//! The process has one environment and tests run side by side in it: what is read goes through this seam, so that a test says what the
//! variables are without touching the process.

use std::collections::BTreeMap;

/// A reader of variables.
pub trait Environment: Send + Sync {
    /// The value of a variable; an empty one counts as unset.
    fn var(&self, name: &str) -> Option<String>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }
}

impl Environment for BTreeMap<String, String> {
    fn var(&self, name: &str) -> Option<String> {
        self.get(name).filter(|value| !value.is_empty()).cloned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        reason = "a test says what broke by panicking"
    )]

    use super::*;

    #[test]
    fn an_empty_variable_is_no_variable() {
        let given = BTreeMap::from([
            ("SET".to_owned(), "value".to_owned()),
            ("EMPTY".to_owned(), String::new()),
        ]);
        assert_eq!(given.var("SET").as_deref(), Some("value"));
        assert_eq!(given.var("EMPTY"), None);
        assert_eq!(given.var("ABSENT"), None);
    }

    #[test]
    fn the_process_has_a_path() {
        assert!(ProcessEnvironment.var("PATH").is_some());
        assert_eq!(ProcessEnvironment.var("COURIER_NO_SUCH_VARIABLE"), None);
    }
}
