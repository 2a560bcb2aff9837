//! Credentials of couriers: how each of them may authenticate. One courier may have several, so that they can be changed without
//! a moment in which none works.

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;
use store::courier_credentials::CredentialRow;
use uuid::Uuid;

use super::binding::{Binding, CertificateBinding};
use super::method::Method;
use super::secret;
use crate::audit;
use crate::authority::Authority;
use crate::clock::{self, from_millis};
use crate::error::{Error, Refusal, Result};
use crate::permit;
use crate::principal::Principal;

/// Secrets that may be good at the same time: the one in use, and its successor.
const SECRETS: usize = 2;
/// Most credentials of a courier.
const MOST: usize = 16;
/// How long a bootstrap secret is good when nobody says.
const BOOTSTRAP: SignedDuration = SignedDuration::from_hours(24);

/// A credential as it is listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Credential {
    /// Its identifier.
    pub id: Uuid,
    /// Whose it is.
    pub courier: Uuid,
    /// What it is bound to.
    pub binding: Binding,
    /// The public half of a client secret: `cour_…`.
    pub client_id: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was used last.
    pub last_used_at: Option<Timestamp>,
}

/// A client secret that was just made. It is shown this once.
#[derive(Debug)]
pub struct NewClientSecret {
    /// What is listed from now on.
    pub credential: Credential,
    /// The secret.
    pub secret: SecretString,
}

/// A client secret to be made.
#[derive(Clone, Copy, Debug, Default)]
pub struct SecretRequest {
    /// When it ends; never when absent.
    pub expires_at: Option<Timestamp>,
    /// Whether it takes the place of those before it at once: they and the sessions opened with them end.
    pub replaces: bool,
    /// Whether it only lets in until the courier has a certificate in use, which lets it in from then on. It ends after a day when
    /// nothing else is said.
    pub is_bootstrap: bool,
}

impl Authority {
    /// Gives a courier a way in. Refused with all of its problems when it would let in more than one means.
    pub async fn add_credential(
        &self,
        principal: &Principal,
        courier: Uuid,
        binding: Binding,
        expires_at: Option<Timestamp>,
    ) -> Result<Credential> {
        let permit = permit::to_manage_couriers(principal)?;
        if binding.method() == Method::ClientSecret {
            let message = "a client secret is made by the appliance: ask for one";
            return Err(Refusal::of_requester("binding_invalid", message).into());
        }
        let mut problems = binding.problems();
        if let Binding::Certificate(certificate) = &binding
            && let Some(name) = &certificate.issuer
            && self.issuer(name).is_err()
        {
            problems.push(format!("there is no issuer `{name}`"));
        }
        if !problems.is_empty() {
            let details = json!(problems);
            let refusal = Refusal::of_requester("binding_invalid", problems.join("; "));
            return Err(refusal.with_details(details).into());
        }
        self.keep_credential(permit.actor(), courier, binding, None, expires_at, false)
            .await
    }

    /// Makes a client secret for a courier. At most two are good at the same time.
    pub async fn new_client_secret(
        &self,
        principal: &Principal,
        courier: Uuid,
        request: SecretRequest,
    ) -> Result<NewClientSecret> {
        let permit = permit::to_manage_couriers(principal)?;
        let (client_id, secret) = (secret::new_client_id()?, secret::new_secret()?);
        let hash = self.hash_secret(&secret).await?;
        let kept = Some((client_id, hash));
        let mut expires_at = request.expires_at;
        let mut binding = Binding::ClientSecret;
        if request.is_bootstrap {
            self.ensure_renewals(permit.actor(), courier).await?;
            let end = self.inner().clock.now().saturating_add(BOOTSTRAP);
            expires_at = expires_at.or(end.ok());
            binding = Binding::BootstrapSecret;
        }
        let credential = self
            .keep_credential(
                permit.actor(),
                courier,
                binding,
                kept,
                expires_at,
                request.replaces,
            )
            .await?;
        Ok(NewClientSecret { credential, secret })
    }

    /// Lets a courier in with what it gets, unless it is already.
    async fn ensure_renewals(&self, actor: &str, courier: Uuid) -> Result<()> {
        let rows = self.credential_rows(courier).await?;
        for row in rows {
            if let Binding::Certificate(CertificateBinding { renewals: true, .. }) =
                Credential::from_row(row)?.binding
            {
                return Ok(());
            }
        }
        let binding = Binding::Certificate(CertificateBinding {
            renewals: true,
            ..CertificateBinding::default()
        });
        self.keep_credential(actor, courier, binding, None, None, false)
            .await
            .map(drop)
    }

    /// The credentials of a courier, oldest first.
    pub async fn credentials(&self, principal: &Principal, courier: Uuid) -> Result<Vec<Credential>> {
        permit::check_reads_couriers(principal)?;
        self.courier_by_id(courier).await?;
        let rows = self.credential_rows(courier).await?;
        rows.into_iter().map(Credential::from_row).collect()
    }

    /// Takes a way in away; sessions that were opened with it end.
    pub async fn remove_credential(&self, principal: &Principal, courier: Uuid, id: Uuid) -> Result<()> {
        let permit = permit::to_manage_couriers(principal)?;
        let rows = self.credential_rows(courier).await?;
        let row = rows.into_iter().find(|row| row.id == id);
        let row = row.ok_or_else(|| Error::not_found("credential", id))?;
        let at = self.inner().clock.now();
        let logged = json!({ "credential": id, "method": row.method });
        let entry = audit::entry(
            at,
            permit.actor(),
            "courier_credential.remove",
            courier,
            audit::OK,
            &logged,
        );
        let change = self.change(entry, move |tx| {
            store::courier_sessions::remove_of_credential(tx, courier, id)?;
            store::courier_credentials::remove(tx, id).map(drop)
        });
        change.await?;
        Ok(())
    }

    pub(crate) async fn credential_rows(&self, courier: Uuid) -> Result<Vec<CredentialRow>> {
        let read = self
            .inner()
            .store
            .read(move |reader| store::courier_credentials::of_courier(reader, courier));
        Ok(read.await?)
    }

    async fn keep_credential(
        &self,
        actor: &str,
        courier: Uuid,
        binding: Binding,
        secret: Option<(String, String)>,
        expires_at: Option<Timestamp>,
        replaces: bool,
    ) -> Result<Credential> {
        let courier = self.courier_by_id(courier).await?;
        let at = self.inner().clock.now();
        if expires_at.is_some_and(|end| end <= at) {
            return Err(
                Refusal::of_requester("expiry_invalid", "the credential would end before it begins").into(),
            );
        }
        let (client_id, secret_hash) = secret.unzip();
        let row = CredentialRow {
            id: clock::new_id(),
            courier_id: courier.id,
            method: binding.method().name().to_owned(),
            binding: serde_json::to_string(&binding).map_err(Error::internal)?,
            client_id,
            secret_hash,
            created_at: at.as_millisecond(),
            expires_at: expires_at.map(Timestamp::as_millisecond),
            last_used_at: None,
        };
        let logged = json!({
            "credential": row.id, "binding": binding, "client_id": row.client_id, "expires_at": expires_at,
            "replaces": replaces,
        });
        let entry = audit::entry(
            at,
            actor,
            "courier_credential.add",
            courier.id,
            audit::OK,
            &logged,
        );
        let (inserted, now) = (row.clone(), at.as_millisecond());
        let change = self.change(entry, move |tx| insert(tx, &inserted, replaces, now));
        change.await.map_err(|error| match error {
            Error::Conflict {
                code: "conflict",
                message,
            } if message.contains(TOO_MANY) => Error::conflict("credentials_full", message),
            other => other,
        })?;
        Credential::from_row(row)
    }
}

const TOO_MANY: &str = "credentials of this kind";

/// Inserts a credential where there is room; those before it go when it replaces them.
fn insert(tx: &store::Tx<'_>, row: &CredentialRow, replaces: bool, now: i64) -> store::Result<()> {
    let is_secret = row.secret_hash.is_some();
    let before = store::courier_credentials::of_courier(tx, row.courier_id)?;
    let alike = before
        .iter()
        .filter(|other| other.secret_hash.is_some() == is_secret);
    let is_over = |old: &CredentialRow| is_secret && old.expires_at.is_some_and(|end| end <= now);
    let mut staying = 0;
    for old in alike {
        if replaces || is_over(old) {
            store::courier_sessions::remove_of_credential(tx, row.courier_id, old.id)?;
            store::courier_credentials::remove(tx, old.id)?;
        } else {
            staying += 1;
        }
    }
    let most = if is_secret { SECRETS } else { MOST };
    if staying >= most {
        return Err(store::Error::Conflict {
            constraint: format!("the courier has {most} {TOO_MANY} already: remove one first"),
        });
    }
    store::courier_credentials::insert(tx, row)
}

/// Ends the secrets of a courier that were to let it in until it has a certificate in use. Sessions that were opened with one go on to
/// their end.
pub(super) fn end_bootstrap(tx: &store::Tx<'_>, courier: Uuid) -> store::Result<()> {
    for row in store::courier_credentials::of_courier(tx, courier)? {
        let binding = serde_json::from_str::<Binding>(&row.binding);
        if matches!(binding, Ok(Binding::BootstrapSecret)) {
            store::courier_credentials::remove(tx, row.id)?;
        }
    }
    Ok(())
}

impl Credential {
    pub(crate) fn from_row(row: CredentialRow) -> Result<Self> {
        let binding = serde_json::from_str(&row.binding).map_err(|error| {
            Error::Internal(format!(
                "the stored credential {} cannot be read: {error}",
                row.id
            ))
        })?;
        Ok(Self {
            id: row.id,
            courier: row.courier_id,
            binding,
            client_id: row.client_id,
            created_at: from_millis(row.created_at),
            expires_at: row.expires_at.map(from_millis),
            last_used_at: row.last_used_at.map(from_millis),
        })
    }

    /// Its method.
    pub fn method(&self) -> Method {
        self.binding.method()
    }
}
