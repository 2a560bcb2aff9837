//! A rehearsal: the whole plan with keys that end with the process, in a store that is thrown away.
//!
//! CAs that the plan finds on the machine are stood in for by roots of the same subject and algorithms with keys of their own.
//! Nothing that is signed is kept or given to anybody; what is learned is whether the plan can be carried out.

use std::path::Path;

use pki::{DistinguishedName, KeyAlgorithm, Serial, SignatureAlgorithm};
use store::Store;

use super::act::Task;
use super::fault::CeremonyError;
use super::known::Known;
use super::plan::Plan;
use super::remake::Done;
use super::run::{Progress, check_revocations};
use super::statement::Statement;
use super::step::Step;
use crate::authority::Authority;
use crate::create::CreateRoot;
use crate::crl_plan::CrlPlan;
use crate::error::Error;
use crate::offline::Offline;
use crate::principal::Principal;
use crate::signer::SOFTWARE;

/// A CA of the machine that a plan needs.
#[derive(Clone, Debug)]
pub struct StandIn {
    name: String,
    subject: DistinguishedName,
    key_algorithm: KeyAlgorithm,
    signature_algorithm: SignatureAlgorithm,
    /// Serials of the plan that it issued, and whether each is revoked already.
    serials: Vec<(Serial, bool)>,
}

impl StandIn {
    /// Those of a store, which is read and left as it is.
    pub async fn all(store: &Store, plan: &Plan) -> crate::Result<Vec<Self>> {
        let wanted: Vec<Serial> = revocations(plan).collect();
        let read = store.read(move |reader| {
            let keys = store::keys::all(reader)?;
            let mut found = Vec::new();
            for row in store::issuers::all(reader)?
                .into_iter()
                .filter(|row| row.state == "active")
            {
                let key = keys.iter().find(|key| key.fingerprint == row.key_fingerprint);
                let mut serials = Vec::new();
                for serial in &wanted {
                    if store::certificates::of_issuer(reader, row.id, serial.as_bytes())?.is_some() {
                        let revoked = store::revocations::find(reader, row.id, serial.as_bytes())?;
                        serials.push((*serial, revoked.is_some()));
                    }
                }
                found.push((row, key.map(|key| key.algorithm.clone()), serials));
            }
            Ok(found)
        });
        let stand_in = |(row, key, serials): (store::issuers::IssuerRow, Option<String>, _)| {
            Some(Self {
                subject: DistinguishedName::parse(&row.subject).ok()?,
                name: row.name,
                key_algorithm: key?.parse().ok()?,
                signature_algorithm: row.signature_algorithm.parse().ok()?,
                serials,
            })
        };
        Ok(read.await?.into_iter().filter_map(stand_in).collect())
    }
}

fn revocations(plan: &Plan) -> impl Iterator<Item = Serial> {
    plan.steps.iter().flat_map(|step| match step {
        Step::Crl(step) => step.revoke.iter().map(|one| one.serial).collect(),
        _ => Vec::new(),
    })
}

/// Carries the whole plan out with an authority that is thrown away, whose only keys are in the software backend.
pub async fn rehearse(
    plan: &Plan,
    beside: &Path,
    authority: &Authority,
    stand_ins: &[StandIn],
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<(), CeremonyError> {
    let plan = as_rehearsed(plan, stand_ins)?;
    make_stand_ins(authority, &plan, stand_ins).await?;
    for (place, step) in plan.steps.iter().enumerate() {
        let number = place + 1;
        let wrong = |what: String| CeremonyError::Step { step: number, what };
        let refused = |source: Error| CeremonyError::Refused { step: number, source };
        progress(&Progress::Begins(number, &step.title()));
        let known = Known::gather(authority, &plan, number, beside).await?;
        check_revocations(authority, &plan, number, &known).await?;
        let statement = Statement::of(&plan, number, &plan.hash, &known).map_err(wrong)?;
        let task = Task {
            plan: &plan,
            step,
            statement: &statement,
            known: &known,
        };
        let outputs = task.carry_out(authority).await.map_err(refused)?;
        let done = Done {
            statement: &statement,
            known: &known,
            time: authority.clock().now(),
        };
        done.check(&outputs).map_err(wrong)?;
        progress(&Progress::Done(number, &outputs, &[]));
    }
    Ok(())
}

/// The plan with its keys in the software backend, and without the revocations that only the real CA can carry out, which are looked
/// up where they are.
fn as_rehearsed(plan: &Plan, stand_ins: &[StandIn]) -> Result<Plan, CeremonyError> {
    let mut plan = plan.clone();
    for (place, step) in plan.steps.iter_mut().enumerate() {
        let token = match step {
            Step::Root(step) => Some(&mut step.key.token),
            Step::Intermediate(step) => step.key.as_mut().map(|key| &mut key.token),
            Step::RollOver(step) => Some(step.token.get_or_insert_default()),
            Step::CrossSign(_) => None,
            Step::Crl(step) => {
                let stand_in = stand_ins.iter().find(|stand_in| stand_in.name == step.issuer);
                for one in &step.revoke {
                    let known = stand_in.and_then(|stand_in| {
                        stand_in.serials.iter().find(|(serial, _)| *serial == one.serial)
                    });
                    let wrong = match known {
                        Some((_, false)) => continue,
                        Some((_, true)) => "is revoked already: take it out of the plan",
                        None => "is of no certificate that this CA issued",
                    };
                    let what = format!("the serial {} {wrong}", one.serial);
                    return Err(CeremonyError::Step {
                        step: place + 1,
                        what,
                    });
                }
                step.revoke.clear();
                None
            }
        };
        if let Some(token) = token {
            SOFTWARE.clone_into(token);
        }
    }
    Ok(plan)
}

async fn make_stand_ins(
    authority: &Authority,
    plan: &Plan,
    stand_ins: &[StandIn],
) -> Result<(), CeremonyError> {
    let by = Principal::local("rehearsal");
    for stand_in in stand_ins {
        let is_named = |step: &Step| match step {
            // A name that is taken is found in the rehearsal, too.
            Step::Root(step) => step.name == stand_in.name,
            Step::Intermediate(step) => step.name == stand_in.name || step.issuer == stand_in.name,
            other => other.issuer() == Some(&stand_in.name),
        };
        let Some(place) = plan.steps.iter().position(is_named) else {
            continue;
        };
        let request = CreateRoot {
            name: stand_in.name.clone(),
            subject: stand_in.subject.to_string(),
            key_algorithm: stand_in.key_algorithm,
            signature_algorithm: Some(stand_in.signature_algorithm),
            token: SOFTWARE.to_owned(),
            validity: None,
            profile: None,
            crl: CrlPlan::default(),
        };
        let made = authority
            .create_offline_root(&by, request, Offline::default())
            .await;
        made.map_err(|source| CeremonyError::Refused {
            step: place + 1,
            source,
        })?;
    }
    Ok(())
}
