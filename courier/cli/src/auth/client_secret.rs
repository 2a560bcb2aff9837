//! Name and secret: the three values are sent as they are.

use secrecy::SecretString;

use super::presented::Presented;

/// What the names of couriers begin with.
pub const PREFIX: &str = "cour_";

/// The settings of `client_secret`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `cour_…`.
    pub client_id: String,
    /// The secret.
    pub client_secret: SecretString,
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
    pub(crate) fn present(&self) -> Presented {
        Presented::ClientSecret {
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
        }
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

    use super::*;

    #[test]
    fn name_and_secret_are_presented_and_the_secret_is_told_to_no_log() {
        let settings = Settings {
            client_id: "cour_0123".to_owned(),
            client_secret: "the-secret-itself".into(),
        };
        assert!(settings.warnings().is_empty());
        let presented = settings.present();
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
        };
        assert_eq!(settings.warnings(), ["auth.client_id does not begin with cour_"]);
    }
}
