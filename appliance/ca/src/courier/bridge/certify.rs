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
use crate::companion::{Companion, NewBridge};
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
    /// Registers an instance. It comes to be with its certificate and uses its token up in the same transaction: whatever fails or dies
    /// before leaves the token as good as it was.
    pub async fn register_bridge(&self, registration: BridgeRegistration) -> Result<BridgeCertificate> {
        let address = registration.address;
        self.count_registration(address).await?;
        let hash = sha256(registration.token.expose_secret().as_bytes());
        if self.good_token(hash).await?.is_none() {
            self.note_registration_refused(address).await;
            return Err(token_invalid());
        }
        // Of those who show the same one at the same time, one alone has anything signed here.
        let _turn = self.inner().couriers.registering.lock().await;
        let Some(token) = self.good_token(hash).await? else {
            self.note_registration_refused(address).await;
            return Err(token_invalid());
        };
        let now = self.inner().clock.now();
        let row = BridgeRow {
            id: clock::new_id(),
            bridge: token.bridge,
            issuer: token.issuer,
            status: ACTIVE.to_owned(),
            version: short(registration.version),
            created_at: now.as_millisecond(),
            updated_at: now.as_millisecond(),
            seen_at: Some(now.as_millisecond()),
            is_pending: token.needs_approval,
        };
        let logged = json!({ "bridge": row.bridge, "version": row.version, "address": address, "pending": row.is_pending });
        let actor = format!("bridge:{} ({})", row.bridge, row.id);
        let new = NewBridge {
            entry: audit::entry(now, &actor, "bridge.register", row.id, audit::OK, &logged),
            row: row.clone(),
            token_hash: hash,
        };
        let companion = Companion::NewBridge(Box::new(new));
        let prepared = self.prepare_for_bridge(&row, &registration.csr, companion)?;
        match self.carry_out(prepared).await {
            Ok(issued) => Ok(certificate_of(row.id, &issued)),
            // Somebody else was faster by a moment, at another server.
            Err(Error::Conflict { .. }) if self.good_token(hash).await?.is_none() => {
                self.note_registration_refused(address).await;
                Err(token_invalid())
            }
            Err(error) => Err(error),
        }
    }

    /// The token with this hash, when it is there and its time is not over.
    async fn good_token(&self, hash: [u8; 32]) -> Result<Option<BridgeTokenRow>> {
        let now = self.inner().clock.now().as_millisecond();
        let read = self
            .inner()
            .store
            .read(move |reader| store::bridges::find_token(reader, &hash));
        Ok(read.await?.filter(|token| token.expires_at > now))
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
        let prepared = self.prepare_for_bridge(&row, csr, Companion::Bridge(id))?;
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
    fn prepare_for_bridge(&self, row: &BridgeRow, csr: &[u8], companion: Companion) -> Result<Prepared> {
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
            companion,
        };
        self.prepare(&permit, certification)
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
