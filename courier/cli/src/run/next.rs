//! What a command makes of a decision: the same facts mean another step for `run`, `generate` and `renew`.

use crate::decide::{Action, Decision, Outcome};
use crate::failure::Failure;

/// What the command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// `run`: whatever is needed.
    Ensure,
    /// `generate`: a new certificate.
    Generate {
        /// Even when there is one that is current.
        force: bool,
    },
    /// `renew`: the next certificate.
    Renew {
        /// Even when it is not due.
        force: bool,
        /// With the key of the one before.
        reuse_key: bool,
    },
}

impl Intent {
    /// Whether it is to be done now, whatever is there.
    pub fn is_forced(self) -> bool {
        matches!(
            self,
            Self::Generate { force: true } | Self::Renew { force: true, .. }
        )
    }
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// Ask the appliance how the certificate stands.
    Ask,
    /// Go on with the pending order.
    Resume,
    /// Order a certificate.
    Issue,
    /// Order the next certificate.
    Renew,
}

/// The next step of a command.
pub fn next(intent: Intent, decision: &Decision) -> Result<Next, Failure> {
    let ensured = match decision.action {
        Action::Issue => Next::Issue,
        Action::Renew => Next::Renew,
        Action::Nothing => Next::Nothing,
        Action::Resume => Next::Resume,
        Action::CheckStatus => Next::Ask,
    };
    match intent {
        _ if ensured == Next::Resume => Ok(Next::Resume),
        Intent::Ensure | Intent::Renew { force: false, .. } if ensured != Next::Issue => Ok(ensured),
        Intent::Ensure | Intent::Generate { force: true } => Ok(Next::Issue),
        Intent::Generate { force: false } => match decision.outcome {
            Outcome::Current | Outcome::NotYetValid => Err(Failure::Usage(
                "there is a current certificate for what the file asks for: `run` renews it when it is due, `renew --force` now, and \
                 `generate --force` issues another one"
                    .to_owned(),
            )),
            Outcome::ConfigDrift => Ok(Next::Issue),
            _ => Ok(ensured),
        },
        Intent::Renew { .. } if ensured == Next::Issue => Err(Failure::Usage(
            "there is no certificate to renew: `run` or `generate` issues one".to_owned(),
        )),
        Intent::Renew { .. } => Ok(Next::Renew),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;

    fn decision(outcome: Outcome, action: Action) -> Decision {
        Decision {
            outcome,
            on_disk: outcome,
            action,
            renew_at: None,
        }
    }

    #[test]
    fn commands_differ_where_they_should() {
        let run = Intent::Ensure;
        let generate = Intent::Generate { force: false };
        let renew = Intent::Renew {
            force: false,
            reuse_key: false,
        };
        let renew_now = Intent::Renew {
            force: true,
            reuse_key: false,
        };
        let rows = [
            (Outcome::Missing, Action::Issue, run, Some(Next::Issue)),
            (Outcome::Missing, Action::Issue, generate, Some(Next::Issue)),
            (Outcome::Missing, Action::Issue, renew, None),
            (Outcome::Missing, Action::Issue, renew_now, None),
            (Outcome::Current, Action::Nothing, run, Some(Next::Nothing)),
            (Outcome::Current, Action::CheckStatus, run, Some(Next::Ask)),
            (Outcome::Current, Action::Nothing, generate, None),
            (Outcome::Current, Action::CheckStatus, generate, None),
            (
                Outcome::Current,
                Action::Nothing,
                Intent::Generate { force: true },
                Some(Next::Issue),
            ),
            (Outcome::Current, Action::Nothing, renew, Some(Next::Nothing)),
            (Outcome::Current, Action::Nothing, renew_now, Some(Next::Renew)),
            (Outcome::RenewalDue, Action::Renew, generate, Some(Next::Renew)),
            (Outcome::ConfigDrift, Action::Nothing, generate, Some(Next::Issue)),
            (
                Outcome::OrderPending,
                Action::Resume,
                generate,
                Some(Next::Resume),
            ),
            (
                Outcome::OrderPending,
                Action::Resume,
                renew_now,
                Some(Next::Resume),
            ),
            (Outcome::Unreadable, Action::Issue, run, Some(Next::Issue)),
        ];
        for (outcome, action, intent, wanted) in rows {
            let found = next(intent, &decision(outcome, action)).ok();
            assert_eq!(found, wanted, "{outcome:?} {action:?} {intent:?}");
        }
    }
}
