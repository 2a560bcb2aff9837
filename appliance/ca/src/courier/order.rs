//! Orders of couriers: placed once however often they are sent, checked as a whole, signed through the one door, fetched and
//! acknowledged.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::courier_orders::{Filter, Move, OrderRow, Status};
use uuid::Uuid;

use super::checks::Checked;
use super::nonce::sha256;
use super::ordered::{
    CourierOrder, CourierOrderRequest, FetchedCertificate, OrderFault, OrderFilter, OrderKey, OrderKind,
    OrderedCertificate,
};
use super::placing;
use super::session::CourierSession;
use crate::audit;
use crate::authority::Authority;
use crate::clock::{self, from_millis};
use crate::error::{Error, Result};
use crate::issue::{Attempt, Issued};

/// An order that nobody comes for ends after so long.
const LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The same names and the same key within this time are the same order.
const DUPLICATES: SignedDuration = SignedDuration::from_mins(10);
/// Longest key by which a courier calls its request, and longest label, in octets.
const MOST_TEXT: usize = 128;
/// Most orders on a page.
const MOST: u32 = 100;

impl Authority {
    /// Places an order. The same key with the same request gives the same order again, however often it is sent; one that failed for
    /// a reason that passes is tried once more, as an order of its own.
    pub async fn place_courier_order(
        &self,
        session: &CourierSession,
        request: CourierOrderRequest,
        idempotency_key: Option<String>,
    ) -> Result<CourierOrder> {
        let key = idempotency_key.unwrap_or_else(|| clock::new_id().to_string());
        check_text("the idempotency key", &key)?;
        if let Some(label) = &request.label {
            check_text("the name of the certificate", label)?;
        }
        let body = serde_json::to_string(&request).map_err(Error::internal)?;
        let digest = sha256(body.as_bytes());
        let failed = match self.order_before(session, &key).await? {
            Some(row) if row.request_digest == digest && placing::may_be_tried_again(&row) => Some(row.id),
            Some(row) => return self.same_request(row, &digest).await,
            None => None,
        };
        let mut attempt = Attempt {
            order_id: clock::new_id(),
            action: "courier_order.place",
            profile: request
                .profile
                .clone()
                .unwrap_or_default()
                .chars()
                .take(64)
                .collect(),
            ..Attempt::default()
        };
        let principal = session.principal();
        let checked = match self.check_new_order(session, &request, &mut attempt).await {
            Ok(checked) => checked,
            Err(error) => return Err(self.record_refusal(&principal, attempt, error).await),
        };
        if let Some(duplicate) = self.duplicate_of(session, &request, &checked).await? {
            return self.order_of(duplicate).await;
        }
        let status = if session.courier.record.needs_approval {
            Status::PendingApproval
        } else {
            Status::Signing
        };
        let row = self.new_row(
            session,
            &request,
            body,
            &checked,
            key,
            digest,
            attempt.order_id,
            status,
        )?;
        let session = session.clone();
        self.to_the_end(
            |authority| async move { authority.keep_and_sign(&session, row, failed, checked).await },
        )
        .await
    }

    /// What is held against an order, and for one whose key is made here whether the courier itself names the recipient. The proof of
    /// that counts once, therefore it is looked at last.
    async fn check_new_order(
        &self,
        session: &CourierSession,
        request: &CourierOrderRequest,
        attempt: &mut Attempt,
    ) -> Result<Checked> {
        let checked = self.check_courier_order(session, request, attempt).await?;
        if let OrderKey::Platform { platform } = &request.key {
            self.check_recipient(session, platform).await?;
        }
        Ok(checked)
    }

    /// One order of the courier, whoever else has one of this identifier.
    pub async fn own_courier_order(&self, session: &CourierSession, id: Uuid) -> Result<CourierOrder> {
        let row = self.own_row(session, id).await?;
        self.order_of(row).await
    }

    /// The orders of the courier.
    pub async fn own_courier_orders(
        &self,
        session: &CourierSession,
        filter: OrderFilter,
    ) -> Result<Vec<CourierOrder>> {
        let filter = OrderFilter {
            courier: Some(session.courier.id),
            ..filter
        };
        self.orders_by(filter).await
    }

    /// The certificate of an order. Fetching it moves the order on.
    pub async fn fetch_courier_certificate(
        &self,
        session: &CourierSession,
        id: Uuid,
    ) -> Result<FetchedCertificate> {
        let row = self.own_row(session, id).await?;
        let certificate_id = match (row.certificate_id, row.status) {
            (_, Status::Expired) => {
                let message = "nobody came for the order in time: place another one";
                return Err(Error::Gone {
                    code: "order_expired",
                    message: message.to_owned(),
                });
            }
            (Some(id), _) => id,
            (None, status) => {
                let message = format!("the order is {}: it has no certificate", status.as_str());
                return Err(Error::conflict("order_has_no_certificate", message));
            }
        };
        if row.status == Status::Issued {
            let at = self.inner().clock.now();
            let entry = audit::entry(
                at,
                &session.actor(),
                "courier_order.deliver",
                id,
                audit::OK,
                &json!({}),
            );
            self.change(entry, move |tx| {
                store::courier_orders::deliver(tx, id, at.as_millisecond()).map(drop)
            })
            .await?;
        }
        let read = self
            .inner()
            .store
            .read(move |reader| store::certificates::find(reader, certificate_id));
        let certificate = read
            .await?
            .ok_or_else(|| Error::internal("an order whose certificate is not there"))?;
        let issuer = self.inner().registry.find(certificate.issuer_id);
        let issuer = issuer
            .ok_or_else(|| Error::internal("a certificate of no issuer"))?
            .entry();
        let mut chain = vec![certificate.der];
        chain.extend(issuer.chain_for_leaf().der().iter().cloned());
        let order = self.own_courier_order(session, id).await?;
        Ok(FetchedCertificate { order, chain })
    }

    /// Notes that a certificate is in use, and what the courier says about it.
    pub async fn acknowledge_courier_order(
        &self,
        session: &CourierSession,
        id: Uuid,
        fingerprint: [u8; 32],
        ack: serde_json::Value,
    ) -> Result<CourierOrder> {
        let row = self.own_row(session, id).await?;
        if row.fingerprint.as_deref() != Some(fingerprint.as_slice()) {
            let message = "the fingerprint is not that of the certificate of this order";
            return Err(Error::conflict("fingerprint_mismatch", message));
        }
        match row.status {
            Status::Installed => return self.order_of(row).await,
            Status::Expired => {
                return Err(Error::Gone {
                    code: "order_expired",
                    message: "nobody came for the order in time: place another one".to_owned(),
                });
            }
            _ => {}
        }
        let at = self.inner().clock.now();
        let entry = audit::entry(at, &session.actor(), "courier_order.install", id, audit::OK, &ack);
        let text = ack.to_string();
        let (courier, signs_in) = (session.courier.id, self.signs_in(&row).await?);
        self.change(entry, move |tx| {
            if signs_in {
                super::credential::end_bootstrap(tx, courier)?;
            }
            store::courier_orders::acknowledge(tx, id, &text, at.as_millisecond())?;
            // What is in use needs no key any more.
            store::courier_keys::discard(tx, id)
        })
        .await?;
        self.own_courier_order(session, id).await
    }

    /// Whether a courier signs in with the certificate of an order where it may do so at all.
    async fn signs_in(&self, row: &OrderRow) -> Result<bool> {
        let Some(id) = row.certificate_id else {
            return Ok(false);
        };
        let read = self
            .inner()
            .store
            .read(move |reader| store::certificates::find(reader, id));
        let certificate = read
            .await?
            .and_then(|row| pki::Certificate::from_der(&row.der).ok());
        Ok(certificate.is_some_and(|certificate| super::prove::is_for_clients(&certificate)))
    }

    /// Withdraws an order that waits still.
    pub async fn cancel_courier_order(&self, session: &CourierSession, id: Uuid) -> Result<CourierOrder> {
        let row = self.own_row(session, id).await?;
        if !matches!(
            row.status,
            Status::Pending | Status::Checking | Status::PendingApproval
        ) {
            let message = format!(
                "the order is {} and can no longer be cancelled",
                row.status.as_str()
            );
            return Err(Error::conflict("order_not_cancellable", message));
        }
        let step = self.step(&row, Status::Cancelled, None);
        self.advance_order(&session.actor(), "courier_order.cancel", step)
            .await?;
        self.own_courier_order(session, id).await
    }

    /// The order that the courier placed under this key before.
    async fn order_before(&self, session: &CourierSession, key: &str) -> Result<Option<OrderRow>> {
        let (courier, key) = (session.courier.id, key.to_owned());
        let read = self
            .inner()
            .store
            .read(move |reader| store::courier_orders::with_idempotency_key(reader, courier, &key));
        Ok(read.await?)
    }

    pub(super) async fn same_request(&self, row: OrderRow, digest: &[u8]) -> Result<CourierOrder> {
        if row.request_digest != digest {
            let message = "this idempotency key was used for another request: take a new one";
            return Err(Error::conflict("idempotency_conflict", message));
        }
        self.order_of(row).await
    }

    /// The order that this one repeats under another name. A renewal is never one: its courier has the certificate and wants the next.
    async fn duplicate_of(
        &self,
        session: &CourierSession,
        request: &CourierOrderRequest,
        checked: &Checked,
    ) -> Result<Option<OrderRow>> {
        if request.kind == OrderKind::Renew {
            return Ok(None);
        }
        let since = self
            .inner()
            .clock
            .now()
            .saturating_sub(DUPLICATES)
            .unwrap_or(Timestamp::UNIX_EPOCH);
        // A key that is made here is another one each time: whoever lost it gets a new one by a new order.
        let Some(key) = checked.key_fingerprint() else {
            return Ok(None);
        };
        let (courier, names, profile) = (session.courier.id, checked.names_digest(), checked.profile_name());
        let read = self.inner().store.read(move |reader| {
            let since = since.as_millisecond();
            store::courier_orders::duplicate(reader, courier, &names, Some(&key), &profile, since)
        });
        let validity = request.validity_days;
        Ok(read.await?.filter(|row| {
            let before = serde_json::from_str::<CourierOrderRequest>(&row.request);
            before.is_ok_and(|before| before.validity_days == validity)
        }))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "an order has many sides, and they come together here alone"
    )]
    fn new_row(
        &self,
        session: &CourierSession,
        request: &CourierOrderRequest,
        body: String,
        checked: &Checked,
        idempotency_key: String,
        digest: [u8; 32],
        id: Uuid,
        status: Status,
    ) -> Result<OrderRow> {
        let at = self.inner().clock.now();
        Ok(OrderRow {
            id,
            courier_id: session.courier.id,
            courier_name: session.courier.name.clone(),
            idempotency_key,
            request_digest: digest.to_vec(),
            kind: request.kind.name().to_owned(),
            status,
            key_mode: request.key.mode().to_owned(),
            names: serde_json::to_string(&checked.names()).map_err(Error::internal)?,
            names_digest: checked.names_digest().to_vec(),
            key_fingerprint: checked.key_fingerprint().map(|print| print.to_vec()),
            label: request.label.clone(),
            profile: checked.profile_name(),
            request: body,
            warnings: serde_json::to_string(&checked.warnings).map_err(Error::internal)?,
            fault: None,
            certificate_id: None,
            fingerprint: None,
            replaces: checked
                .replaces
                .as_ref()
                .map(|replaced| replaced.fingerprint.to_vec()),
            created_at: at.as_millisecond(),
            updated_at: at.as_millisecond(),
            expires_at: at.saturating_add(LIFETIME).unwrap_or(at).as_millisecond(),
            issued_at: None,
            delivered_at: None,
            installed_at: None,
            ack: None,
        })
    }

    /// Signs what was checked. When that fails, the order has failed, and says why.
    pub(super) async fn sign_order(&self, actor: &str, row: &OrderRow, checked: Checked) -> Result<Issued> {
        let outcome = match self.with_key(checked.ready).await {
            Ok(prepared) => self.carry_out(prepared).await,
            Err(error) => Err(error),
        };
        let error = match outcome {
            Ok(issued) => return Ok(issued),
            Err(error) => error,
        };
        let fault = OrderFault {
            code: error.code().to_owned(),
            message: public_text(&error),
            retryable: error.is_retryable(),
        };
        let step = self.step(row, Status::Failed, Some(&fault));
        if let Err(failure) = self.advance_order(actor, "courier_order.fail", step).await {
            tracing::error!(%failure, order = %row.id, "a failed order could not be closed yet; it will be");
        }
        Err(error)
    }

    pub(super) fn step(&self, row: &OrderRow, to: Status, fault: Option<&OrderFault>) -> Move {
        Move {
            id: row.id,
            from: row.status,
            to,
            at: self.inner().clock.now().as_millisecond(),
            warnings: None,
            fault: fault.and_then(|fault| serde_json::to_string(fault).ok()),
        }
    }

    pub(super) async fn advance_order(&self, actor: &str, action: &str, step: Move) -> Result<()> {
        let logged = json!({ "from": step.from.as_str(), "to": step.to.as_str(), "fault": step.fault });
        let entry = audit::entry(from_millis(step.at), actor, action, step.id, audit::OK, &logged);
        let change = self.change(entry, move |tx| store::courier_orders::advance(tx, &step));
        change.await.map(drop)
    }

    pub(super) async fn own_row(&self, session: &CourierSession, id: Uuid) -> Result<OrderRow> {
        let row = self.row_of(id).await?;
        if row.courier_id == session.courier.id {
            Ok(row)
        } else {
            Err(Error::not_found("order", id))
        }
    }

    pub(super) async fn row_of(&self, id: Uuid) -> Result<OrderRow> {
        let read = self
            .inner()
            .store
            .read(move |reader| store::courier_orders::find(reader, id));
        read.await?.ok_or_else(|| Error::not_found("order", id))
    }

    pub(super) async fn orders_by(&self, filter: OrderFilter) -> Result<Vec<CourierOrder>> {
        let filter = Filter {
            courier_id: filter.courier,
            status: filter.status,
            name: filter.name,
            since: filter.since.map(Timestamp::as_millisecond),
            after: filter.after,
            limit: filter.limit.unwrap_or(25).clamp(1, MOST),
        };
        let read = self
            .inner()
            .store
            .read(move |reader| store::courier_orders::list(reader, &filter));
        let mut orders = Vec::new();
        for row in read.await? {
            orders.push(self.order_of(row).await?);
        }
        Ok(orders)
    }

    pub(super) async fn order_of(&self, row: OrderRow) -> Result<CourierOrder> {
        let certificate = match row.certificate_id {
            None => None,
            Some(id) => {
                let read = self
                    .inner()
                    .store
                    .read(move |reader| store::certificates::find(reader, id));
                read.await?
                    .as_ref()
                    .map(OrderedCertificate::from_row)
                    .transpose()?
            }
        };
        let unreadable =
            |what: &str| Error::Internal(format!("the stored order {} has unreadable {what}", row.id));
        let fault = row.fault.as_deref().map(serde_json::from_str).transpose();
        Ok(CourierOrder {
            id: row.id,
            courier: row.courier_id,
            kind: row.kind,
            key_mode: row.key_mode,
            status: row.status,
            names: serde_json::from_str(&row.names).map_err(|_| unreadable("names"))?,
            label: row.label,
            warnings: serde_json::from_str(&row.warnings).map_err(|_| unreadable("warnings"))?,
            fault: fault.map_err(|_| unreadable("faults"))?,
            created_at: from_millis(row.created_at),
            updated_at: from_millis(row.updated_at),
            expires_at: from_millis(row.expires_at),
            certificate,
            courier_name: row.courier_name,
            profile: row.profile,
        })
    }
}

/// What may be told of an error: of a fault of ours only that it is one.
fn public_text(error: &Error) -> String {
    match error {
        Error::Internal(_) => "the appliance has met an error of its own; its log says more".to_owned(),
        other => other.to_string(),
    }
}

fn check_text(what: &str, text: &str) -> Result<()> {
    if text.is_empty() || text.len() > MOST_TEXT || text.chars().any(char::is_control) {
        let message = format!("{what} has 1 to {MOST_TEXT} octets, none of them a control character");
        return Err(crate::error::Refusal::of_requester("text_invalid", message).into());
    }
    Ok(())
}

/// Days as a duration.
pub(super) fn days(days: u32) -> Duration {
    Duration::from_hours(u64::from(days) * 24)
}

/// A fingerprint as it is written in requests; nothing when it is none.
pub(super) fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let plain: String = text
        .chars()
        .filter(|c| *c != ':')
        .collect::<String>()
        .to_ascii_lowercase();
    audit::octets(&plain)?.try_into().ok()
}
