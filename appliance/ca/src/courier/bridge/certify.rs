//! The certificate of an instance: at its registration, and each time before it ends.

use std::net::IpAddr;

use jiff::Timestamp;
use pki::profile::Order;
use pki::{DistinguishedName, SubjectAltName};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use store::bridges::{BridgeRow, BridgeTokenRow};
use uuid::Uuid;

use super::{ACTIVE, Bridge, bridge_of, token_invalid};
use crate::audit;
use crate::authority::Authority;
use crate::certify::{Certification, Prepared};
use crate::clock;
use crate::companion::Companion;
use crate::courier::nonce::sha256;
use crate::error::{Error, Result};
use crate::issue::Issued;
use crate::permit;
use crate::principal::{Principal, Role, Scope};

/// The profile of the certificates.
const PROFILE: &str = "tls-client";
/// Longest version of a program.
const MAX_VERSION: usize = 64;

/// What an instance brings to be registered.
#[derive(Debug)]
pub struct BridgeRegistration {
    /// The token.
    pub token: SecretString,
    /// The request for its certificate, PEM or DER. Names in it do not count.
    pub csr: Vec<u8>,
    /// The version of its program.
    pub version: Option<String>,
    /// Where it comes from.
    pub address: Option<IpAddr>,
}

/// The certificate of an instance.
#[derive(Clone, Debug)]
pub struct BridgeCertificate {
    /// The instance.
    pub instance: Uuid,
    /// Its certificate and those above it, PEM.
    pub pem: String,
    /// When it ends.
    pub not_after: Timestamp,
}

impl Authority {
    /// Registers an instance. A token is used up by the first request that could be granted, whatever becomes of that.
    pub async fn register_bridge(&self, registration: BridgeRegistration) -> Result<BridgeCertificate> {
        self.count_registration(registration.address).await?;
        let id = clock::new_id();
        let hash = sha256(registration.token.expose_secret().as_bytes());
        let now = self.inner().clock.now().as_millisecond();
        let read = self
            .inner()
            .store
            .read(move |reader| store::bridges::find_token(reader, &hash));
        let token = read.await?.filter(|token| token.expires_at > now);
        let Some(token) = token else {
            self.note_registration_refused(registration.address).await;
            return Err(token_invalid());
        };
        let row = BridgeRow {
            id,
            bridge: token.bridge.clone(),
            issuer: token.issuer.clone(),
            status: ACTIVE.to_owned(),
            version: short(registration.version),
            created_at: now,
            updated_at: now,
            seen_at: Some(now),
            is_pending: token.needs_approval,
        };
        let prepared = self.prepare_for_bridge(&row, &registration.csr)?;
        self.use_registration_token(token, hash, row, registration.address)
            .await?;
        match self.carry_out(prepared).await {
            Ok(issued) => Ok(certificate_of(id, &issued)),
            Err(error) => {
                self.give_up(id).await;
                Err(error)
            }
        }
    }

    /// Gives an instance its next certificate. The one that it has stays good to its end.
    pub async fn renew_bridge(
        &self,
        bridge: &Bridge,
        csr: &[u8],
        version: Option<String>,
    ) -> Result<BridgeCertificate> {
        let id = bridge.id;
        let read = self
            .inner()
            .store
            .read(move |reader| store::bridges::find(reader, id));
        let row = read.await?.ok_or_else(|| Error::not_found("bridge", id))?;
        let prepared = self.prepare_for_bridge(&row, csr)?;
        let issued = self.carry_out(prepared).await?;
        let at = self.inner().clock.now();
        let version = short(version);
        let logged = json!({ "bridge": bridge.bridge, "certificate": issued.id, "version": version });
        let entry = audit::entry(at, &bridge.actor(), "bridge.renew", id, audit::OK, &logged);
        let change = self.change(entry, move |tx| {
            store::bridges::set_version(tx, id, version.as_deref(), at.as_millisecond())
        });
        change.await?;
        Ok(certificate_of(id, &issued))
    }

    /// Everything before the intent. What the certificate names is the instance, whatever the request says.
    fn prepare_for_bridge(&self, row: &BridgeRow, csr: &[u8]) -> Result<Prepared> {
        let principal = Principal {
            id: row.id.to_string(),
            name: format!("bridge:{}", row.bridge),
            role: Role::Requester,
            issuers: Scope::All,
            profiles: Scope::Only(std::iter::once(PROFILE.to_owned()).collect()),
        };
        let profile = self.profile_of_request(PROFILE)?;
        let issuer = self.issuer_for(&principal, row.issuer.as_deref())?;
        let permit = permit::to_issue(&principal, &issuer.entry(), &profile)?;
        let csr = self.verified_csr(csr)?;
        let name = format!("uri:urn:uuid:{}", row.id);
        let name: SubjectAltName = name.parse().map_err(Error::internal)?;
        let order = Order {
            subject: DistinguishedName::empty(),
            names: vec![name],
            public_key: csr.public_key().clone(),
            validity: None,
            ms_sid: None,
        };
        order.admit(&profile)?;
        let certification = Certification {
            view: self.view_of_active(&issuer)?,
            issuer,
            profile,
            order,
            order_id: clock::new_id(),
            requester: principal.name.clone(),
            replaces: None,
            action: "certificate.issue",
            companion: Companion::Bridge(row.id),
        };
        self.prepare(&permit, certification)
    }

    async fn use_registration_token(
        &self,
        token: BridgeTokenRow,
        hash: [u8; 32],
        row: BridgeRow,
        address: Option<IpAddr>,
    ) -> Result<()> {
        let at = self.inner().clock.now();
        let logged = json!({ "bridge": token.bridge, "version": row.version, "address": address, "pending": row.is_pending });
        let actor = format!("bridge:{} ({})", row.bridge, row.id);
        let entry = audit::entry(at, &actor, "bridge.register", row.id, audit::OK, &logged);
        let change = self.change(entry, move |tx| {
            store::bridges::use_token(tx, &hash, at.as_millisecond())?;
            store::bridges::insert(tx, &row)
        });
        match change.await {
            // Somebody else was faster by a moment.
            Err(Error::Conflict { code: "conflict", .. }) => {
                self.note_registration_refused(address).await;
                Err(token_invalid())
            }
            other => other.map(drop),
        }
    }

    /// An instance that got no certificate is none.
    async fn give_up(&self, id: Uuid) {
        let at = self.inner().clock.now();
        let duty = permit::of_duty::<permit::action::ManageCouriers>("bridge");
        let entry = audit::entry(at, duty.actor(), "bridge.retire", id, audit::OK, &json!({}));
        let change = self.change(entry, move |tx| {
            store::bridges::retire(tx, id, at.as_millisecond())
        });
        if let Err(failure) = change.await {
            tracing::warn!(%failure, bridge = %id, "an instance without a certificate could not be ended");
        }
    }

    async fn note_registration_refused(&self, address: Option<IpAddr>) {
        let at = self.inner().clock.now();
        let logged = json!({ "address": address });
        let entry = audit::entry(
            at,
            "bridge",
            "bridge.register",
            "unknown",
            "invalid_credentials",
            &logged,
        );
        if let Err(failure) = self.change(entry, |_| Ok(())).await {
            tracing::warn!(%failure, "the refusal of a bridge could not be recorded");
        }
    }
}

impl Bridge {
    /// How it appears in the audit log.
    pub(super) fn actor(&self) -> String {
        format!("bridge:{} ({})", self.bridge, self.id)
    }

    pub(super) fn from_row(row: BridgeRow) -> Self {
        bridge_of(row, &[])
    }
}

fn certificate_of(instance: Uuid, issued: &Issued) -> BridgeCertificate {
    BridgeCertificate {
        instance,
        pem: format!("{}{}", issued.certificate.pem(), issued.chain.pem()),
        not_after: issued.not_after,
    }
}

pub(super) fn short(version: Option<String>) -> Option<String> {
    let version = version?;
    let version = version.chars().filter(|letter| !letter.is_control());
    Some(version.take(MAX_VERSION).collect())
}
