//! Name and secret: the three values are sent as they are.
//!
//! With `auth.renew_with_certificate` they are for the first run: what that installs signs in from then on, and they are what is left
//! where it is refused.

use std::sync::Arc;

use secrecy::SecretString;

use super::certificate::{Installed, show};
use super::presented::Presented;
use super::{Context, Fault};

/// What the names of couriers begin with.
pub const PREFIX: &str = "cour_";

/// The settings of `client_secret`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `cour_…`.
    pub client_id: String,
    /// The secret.
    pub client_secret: SecretString,
    /// What earlier runs installed, where that is shown first.
    pub installed: Option<Arc<Installed>>,
}

impl Settings {
    /// What is not advisable about them.
    pub fn warnings(&self) -> Vec<String> {
        if self.client_id.starts_with(PREFIX) {
            return Vec::new();
        }
        vec![format!("auth.client_id does not begin with {PREFIX}")]
    }

    /// What is presented.
    pub(crate) async fn present(&self, context: &Context<'_>) -> Result<Presented, Fault> {
        let installed = self.installed.as_ref();
        if let Some((signer, chain)) = installed.and_then(|installed| installed.newest(context.now)) {
            return show(&signer, &chain, context).await;
        }
        Ok(Presented::ClientSecret {
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
        })
    }

    /// Gives the installed certificate up after a refusal; whether there is now something else to show.
    pub(crate) fn falls_back(&self) -> bool {
        self.installed
            .as_ref()
            .is_some_and(|installed| installed.give_up())
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test says what broke by panicking"
    )]

    use secrecy::ExposeSecret as _;

    use super::super::Method;
    use super::super::bed::Surroundings;
    use super::*;

    #[tokio::test]
    async fn name_and_secret_are_presented_and_the_secret_is_told_to_no_log() {
        let settings = Settings {
            client_id: "cour_0123".to_owned(),
            client_secret: "the-secret-itself".into(),
            installed: None,
        };
        assert!(settings.warnings().is_empty());
        let presented = Surroundings::nowhere()
            .present(&Method::ClientSecret(settings.clone()))
            .await
            .unwrap();
        assert!(!format!("{settings:?}{presented:?}").contains("the-secret-itself"));
        let Presented::ClientSecret {
            client_id,
            client_secret,
        } = presented
        else {
            panic!("another method: {presented:?}");
        };
        assert_eq!(client_id, "cour_0123");
        assert_eq!(client_secret.expose_secret(), "the-secret-itself");
    }

    #[test]
    fn another_prefix_is_told() {
        let settings = Settings {
            client_id: "svc_0123".to_owned(),
            client_secret: "x".into(),
            installed: None,
        };
        assert_eq!(settings.warnings(), ["auth.client_id does not begin with cour_"]);
    }
}
