//! From an order that is remembered to a certificate that is installed, deployed and told of.

use std::time::Duration;

use courier_wire::{Ack, AckFile, AckHook, Order, OrderAnswer, OrderRequest};
use pki::Certificate;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Run, ask};
use crate::client::{self, endpoints};
use crate::decide::Standing;
use crate::failure::Failure;
use crate::hook::HookOutcome;
use crate::platform_key::Recipient;
use crate::report::{Done, hexadecimal, one_line};
use crate::state::{PendingOrder, Unacknowledged};

/// Waits between two looks at an order, in seconds, when the appliance does not say how long.
const LOOKS: [u64; 7] = [2, 3, 5, 8, 13, 21, 30];

impl Run<'_> {
    /// Goes on with the pending order until there is nothing left to do for it.
    pub(super) async fn finish(&mut self) -> Result<(), Failure> {
        let Some(pending) = self.state.pending.clone() else {
            return Ok(());
        };
        if pending.installed.is_none() {
            let order = self.issued(&pending).await?;
            self.fetch_and_install(order).await?;
        }
        let hook = self.hand_over().await?;
        self.acknowledge(hook).await?;
        let is_renewal = pending.request.get("kind").and_then(|kind| kind.as_str()) == Some("renew");
        self.report.action = if is_renewal { Done::Renewed } else { Done::Issued };
        self.report.order = self
            .state
            .pending
            .as_ref()
            .and_then(|pending| pending.order)
            .map(|order| order.to_string());
        self.state.ordered = Some(pending.configured);
        self.forget_order()?;
        let decision = self.decide();
        self.remember_run(Some(decision.outcome), None)
    }

    /// The order once its certificate is there: placed when it is not yet, and waited for.
    async fn issued(&mut self, pending: &PendingOrder) -> Result<Uuid, Failure> {
        let started = Instant::now();
        let wait = self.task.options.wait.unwrap_or(self.task.settings.wait);
        let mut order = None;
        let uuid = if let Some(uuid) = pending.order {
            uuid
        } else {
            let placed = self.place(pending).await?;
            let uuid = identifier(&placed.uuid)?;
            order = Some(placed);
            uuid
        };
        self.report.order = Some(uuid.to_string());
        let mut asked_wait = None;
        for look in 0.. {
            if let Some(order) = order.take() {
                for warning in &order.warnings {
                    let text = format!("{} ({}): {}", warning.policy, warning.rule, warning.message);
                    if !self.report.warnings.contains(&one_line(&text)) {
                        self.warn(&text);
                    }
                }
                match order.status.as_str() {
                    "issued" | "delivered" | "installed" => return Ok(uuid),
                    "rejected" | "failed" | "cancelled" | "expired" => return Err(self.over(order)?),
                    status if started.elapsed() >= wait => {
                        self.report.action = Done::Ordered;
                        let status = status.to_owned();
                        return Err(Failure::Pending { uuid, status });
                    }
                    _ => {}
                }
                let left = wait.saturating_sub(started.elapsed());
                tokio::time::sleep(pause(look, asked_wait).min(left)).await;
            }
            let left = wait.saturating_sub(started.elapsed()).min(endpoints::MAX_WAIT);
            self.watch.step("ask for the order");
            let courier = self.task.site.courier().await?;
            let told: endpoints::Told<OrderAnswer> = match courier.order_status(uuid, left).await {
                Err(client::Fault::Refused(refusal)) if matches!(refusal.status, 404 | 410) => {
                    self.forget_order()?;
                    return Err(client::Fault::Refused(refusal).into());
                }
                told => told?,
            };
            asked_wait = told.retry_after;
            order = Some(told.value.order);
        }
        Err(Failure::Usage("the order is waited for no longer".to_owned()))
    }

    /// Places the order that is remembered. Placed twice, it is one order.
    async fn place(&mut self, pending: &PendingOrder) -> Result<Order, Failure> {
        self.watch.step("place the order");
        let courier = self.task.site.courier().await?;
        let recipient = self.memory.recipient()?;
        let Ok(mut request) = serde_json::from_value::<OrderRequest>(pending.request.clone()) else {
            self.forget_order()?;
            return Err(Failure::Usage(
                "the pending order was written by another version and is given up; run the courier again"
                    .to_owned(),
            ));
        };
        if let (Some(_), Some(stored)) = (&request.recipient, recipient) {
            let recipient = Recipient::from_stored(&stored)?;
            request.recipient_proof = Some(courier.vouch_for(&recipient).await?);
        }
        let placed = courier.order(&request, &pending.idempotency_key).await;
        let told: endpoints::Told<OrderAnswer> = match placed {
            // It was refused for good, and the same request would be again.
            Err(client::Fault::Refused(refusal))
                if (400..500).contains(&refusal.status) && !matches!(refusal.status, 401 | 429) =>
            {
                self.forget_order()?;
                return Err(client::Fault::Refused(refusal).into());
            }
            told => told?,
        };
        self.watch.step("remember the order");
        let uuid = identifier(&told.value.order.uuid)?;
        if let Some(pending) = &mut self.state.pending {
            pending.order = Some(uuid);
        }
        self.save()?;
        Ok(told.value.order)
    }

    /// An order that came to nothing is forgotten, so that the next run makes another.
    fn over(&mut self, order: Order) -> Result<Failure, Failure> {
        self.forget_order()?;
        let (code, message) = match order.error {
            Some(error) => (Some(error.code), error.message),
            None => (None, "the appliance does not say why".to_owned()),
        };
        Ok(Failure::Order {
            uuid: order.uuid,
            status: order.status,
            code,
            message,
        })
    }

    /// Tells the appliance what became of the certificate; what could not be told now is told by the next run that has to ask anything.
    async fn acknowledge(&mut self, hook: Option<HookOutcome>) -> Result<(), Failure> {
        let Some(pending) = self.state.pending.clone() else {
            return Ok(());
        };
        let (Some(order), Some(installed)) = (pending.order, pending.installed) else {
            return Ok(());
        };
        let settings = self.task.settings;
        let report = Ack {
            installed_at: self.now(),
            fingerprint_sha256: installed,
            files: files_of(settings),
            hook: hook.map(|outcome| AckHook {
                event: outcome.event,
                exit_code: outcome.exit_code,
                timed_out: outcome.timed_out,
            }),
            previous_fingerprint_sha256: pending.previous,
        };
        let late = || Unacknowledged {
            order,
            report: serde_json::to_value(&report).unwrap_or_default(),
        };
        if self.state.is_undeployed {
            self.state.unacknowledged = Some(late());
            return Ok(());
        }
        self.watch.step("acknowledge");
        let told = match self.task.site.courier().await {
            Ok(courier) => courier.acknowledge(order, &report).await.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = told {
            self.warn(&format!(
                "the certificate is installed, and the appliance could not be told: {}",
                failure.told()
            ));
            self.state.unacknowledged = Some(late());
        }
        Ok(())
    }

    /// What is remembered of a certificate that has just been installed.
    pub(super) fn remember_installed(&mut self, leaf: &Certificate) -> Result<(), Failure> {
        let fingerprint = hexadecimal(&leaf.fingerprint_sha256());
        if let Some(pending) = &mut self.state.pending {
            pending.installed = Some(fingerprint.clone());
        }
        self.state.installed_sha256 = Some(fingerprint);
        self.state.checked_at = Some(self.now());
        self.state.standing = Standing::Good;
        self.state.window = None;
        self.state.share = Some(ask::random());
        self.save()
    }
}

/// Each file by its role; the path as a digest, because where things are is this host's business.
fn files_of(settings: &crate::config::CertificateSettings) -> Vec<AckFile> {
    let names = &settings.output.names;
    let pkcs12 = names.pkcs12.as_ref().map(|pkcs12| pkcs12.name.clone());
    let all = [
        ("certificate", names.certificate.clone()),
        ("private_key", names.private_key.clone()),
        ("chain", names.chain.clone()),
        ("fullchain", names.fullchain.clone()),
        ("ca", names.ca.clone()),
        ("combined", names.combined.clone()),
        ("pkcs12", pkcs12),
    ];
    let hash = |name: String| {
        let path = settings.output.dir.join(name);
        let octets = path.as_os_str().as_encoded_bytes();
        hexadecimal(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets).as_ref())
    };
    all.into_iter()
        .filter_map(|(role, name)| {
            Some(AckFile {
                role: role.to_owned(),
                path_hash: hash(name?),
            })
        })
        .collect()
}

/// How long until the next look: what the appliance says, else a growing time, a fifth more or less.
fn pause(look: usize, asked: Option<Duration>) -> Duration {
    if let Some(asked) = asked {
        return asked;
    }
    let seconds = LOOKS.get(look).or(LOOKS.last()).copied().unwrap_or(30);
    let share = f64::from(ask::random()) / f64::from(u32::MAX);
    Duration::from_secs(seconds).mul_f64(0.8 + 0.4 * share)
}

fn identifier(text: &str) -> Result<Uuid, Failure> {
    text.parse().map_err(|_| {
        Failure::from(client::Fault::Malformed {
            endpoint: "the appliance".to_owned(),
            reason: "the order has no UUID".to_owned(),
        })
    })
}
