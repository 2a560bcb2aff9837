//! Tokens that cannot be looked at, among others that can: each is a line of its own that says why and what helps, and the
//! exit status says that not all was seen.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use token::Error;

use crate::cli::failure::EXIT_PARTLY;
use crate::supervise::EXIT_PIN_REJECTED;

/// How many were looked at, and how many could not be.
#[derive(Debug, Default)]
pub(super) struct Seen {
    there: usize,
    away: usize,
    is_pin_rejected: bool,
}

impl Seen {
    /// Counts what was looked at. What could not be gives its line; where nothing else was asked for it stays an error.
    pub(super) fn take<T>(
        &mut self,
        looked: std::result::Result<T, Error>,
        asked: usize,
        line: impl FnOnce(String) -> Value,
    ) -> Result<std::result::Result<T, Value>> {
        match looked {
            Ok(found) => {
                self.there += 1;
                Ok(Ok(found))
            }
            Err(error) if asked == 1 => Err(error.into()),
            Err(error) => {
                self.away += 1;
                self.is_pin_rejected |= matches!(error, Error::PinRejected { .. });
                Ok(Err(line(problem(&error))))
            }
        }
    }

    /// Counts a slot of a module, whose token may not tell what it is.
    pub(super) fn note_slot(&mut self, has_problem: bool) {
        self.away += usize::from(has_problem);
    }

    /// Whether a line says why something could not be looked at.
    pub(super) fn has_problems(&self) -> bool {
        self.away > 0
    }

    /// What the command ends with, when what could be looked at is sound.
    pub(super) fn exit_code(&self) -> ExitCode {
        match (self.away, self.there) {
            (0, _) => ExitCode::SUCCESS,
            _ if self.is_pin_rejected => ExitCode::from(EXIT_PIN_REJECTED),
            (_, 0) => ExitCode::FAILURE,
            _ => ExitCode::from(EXIT_PARTLY),
        }
    }
}

/// The line of a token.
pub(super) fn token(name: &str, problem: &str) -> Value {
    json!({ "token": name, "problem": problem })
}

/// What is wrong, and what helps.
fn problem(error: &Error) -> String {
    let told = error.to_fault().message;
    match remedy(error) {
        Some(remedy) => format!("{told}; {remedy}"),
        None => told,
    }
}

/// What helps, where the words of the error do not say it.
const fn remedy(error: &Error) -> Option<&'static str> {
    match error {
        Error::TokenAbsent { .. } => Some(
            "see that the HSM has power and network and that signerd.toml names the token as it is, or take it out of signerd.toml when \
             it is gone for good",
        ),
        Error::ModuleLoad { .. } => {
            Some("install the vendor's library, or name the right file in signerd.toml")
        }
        Error::Module { .. } => Some(
            "look at the HSM and at what its vendor's tools say; it is used again by itself when it answers",
        ),
        Error::SecretUnreadable { .. } => Some("put the PIN where signerd.toml says, readable for this user"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent() -> Error {
        Error::TokenAbsent {
            token: "left".to_owned(),
            detail: "the module shows no token".to_owned(),
        }
    }

    fn rejected() -> Error {
        Error::PinRejected {
            token: "left".to_owned(),
            detail: "the PIN is wrong".to_owned(),
        }
    }

    fn ends(looked: Vec<std::result::Result<(), Error>>) -> Result<ExitCode> {
        let (mut seen, asked) = (Seen::default(), looked.len());
        for one in looked {
            let _line = seen.take(one, asked, |problem| token("left", &problem))?;
        }
        Ok(seen.exit_code())
    }

    #[test]
    fn the_exit_status_says_how_much_was_seen() {
        assert_eq!(ends(vec![Ok(()), Ok(())]).ok(), Some(ExitCode::SUCCESS));
        assert_eq!(ends(vec![Ok(()), Err(absent())]).ok(), Some(ExitCode::from(5)));
        assert_eq!(
            ends(vec![Err(absent()), Err(absent())]).ok(),
            Some(ExitCode::FAILURE)
        );
        assert_eq!(ends(vec![Ok(()), Err(rejected())]).ok(), Some(ExitCode::from(77)));
        assert!(ends(vec![Err(absent())]).is_err());
    }

    #[test]
    fn a_line_names_the_remedy() {
        let told = problem(&absent());
        assert!(
            told.contains("the token left is not there") && told.contains("signerd.toml"),
            "{told}"
        );
        assert_eq!(problem(&rejected()), rejected().to_string());
    }
}
