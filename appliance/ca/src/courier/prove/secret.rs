//! Client secrets: the one of the identifier, by its hash.

use store::courier_credentials::CredentialRow;

use super::Proved;
use crate::authority::Authority;
use crate::courier::session::Denial;

impl Authority {
    pub(super) async fn prove_secret(
        &self,
        rows: Vec<CredentialRow>,
        client_id: &str,
        secret: &str,
    ) -> Result<Proved, Denial> {
        let row = rows
            .into_iter()
            .find(|row| row.client_id.as_deref() == Some(client_id));
        let (credential, hash) = row.map(|row| (row.id, row.secret_hash)).unzip();
        let is_right = self.is_secret(secret, hash.flatten()).await?;
        match credential {
            Some(credential) if is_right => Ok(Proved {
                credential,
                subject: client_id.chars().take(64).collect(),
                names_key: false,
            }),
            Some(_) => Err(Denial::Unknown("the secret is wrong")),
            None => Err(Denial::Unknown("the courier has no such client_id")),
        }
    }
}
