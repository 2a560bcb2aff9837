//! Approvals: signatures over the hash of a step, and whether there are enough of them.
//!
//! What is signed is a line of text that names what it is for, so that no other protocol can be made to yield an approval; any tool
//! that verifies signatures can check it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pki::SignatureAlgorithm;
use serde::{Deserialize, Serialize};

use super::approver::ApproverKey;
use super::fault::CeremonyError;
use super::plan::Plan;
use super::statement::Statement;

/// One approval, as its file and the transcript hold it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// SHA-256 of the plan.
    pub plan: String,
    /// Which step.
    pub step: usize,
    /// The hash of the step.
    pub step_hash: String,
    /// Who approves, by the name in the plan.
    pub approver: String,
    /// How it is signed.
    pub algorithm: SignatureAlgorithm,
    /// The signature, in base64.
    pub signature: String,
}

/// The approvals of a step as they stand.
#[derive(Clone, Debug, Default)]
pub struct Ballot {
    /// Those that hold, one of each approver.
    pub valid: Vec<Approval>,
    /// What was handed in and does not hold, and why.
    pub refused: Vec<String>,
}

impl Approval {
    /// What is signed.
    pub fn message(step_hash: &str) -> Vec<u8> {
        format!("chancery-ceremony-approval-1:{step_hash}\n").into_bytes()
    }

    /// Signs a statement with the key of one of the plan's approvers.
    pub fn sign(plan: &Plan, statement: &Statement, key: &ApproverKey) -> Result<Self, CeremonyError> {
        let public_key = key.public_key()?;
        let approver = plan
            .approvers
            .iter()
            .find(|approver| approver.public_key == public_key);
        let approver = approver.ok_or_else(|| {
            let names: Vec<&str> = plan
                .approvers
                .iter()
                .map(|approver| approver.name.as_str())
                .collect();
            CeremonyError::Approval(format!(
                "the key {} is of none of the plan's approvers ({})",
                public_key.fingerprint(),
                names.join(", ")
            ))
        })?;
        let algorithm = SignatureAlgorithm::default_for(public_key.algorithm());
        let step_hash = statement.hash();
        let signature = key.sign(algorithm, &Self::message(&step_hash))?;
        let approval = Self {
            plan: plan.hash.clone(),
            step: statement.step,
            step_hash,
            approver: approver.name.clone(),
            algorithm,
            signature: STANDARD.encode(signature),
        };
        approval.check(plan, statement).map_err(CeremonyError::Approval)?;
        Ok(approval)
    }

    /// Whether it is an approval of this statement by one of the plan's approvers.
    pub fn check(&self, plan: &Plan, statement: &Statement) -> Result<(), String> {
        let name = &self.approver;
        if self.plan != plan.hash {
            return Err(format!("{name}: it is for another plan"));
        }
        if self.step != statement.step {
            return Err(format!(
                "{name}: it is for step {}, not for step {}",
                self.step, statement.step
            ));
        }
        let hash = statement.hash();
        if self.step_hash != hash {
            return Err(format!(
                "{name}: it is for another state of this ceremony: approve the step as it stands now"
            ));
        }
        let approver = plan.approvers.iter().find(|approver| approver.name == *name);
        let approver = approver.ok_or_else(|| format!("{name}: the plan has no such approver"))?;
        let signature = STANDARD.decode(&self.signature);
        let signature = signature.map_err(|_| format!("{name}: its signature is not base64"))?;
        approver
            .public_key
            .verify(self.algorithm, &Self::message(&hash), &signature)
            .map_err(|_| format!("{name}: the signature is not that of the approver's key in the plan"))
    }
}

impl Ballot {
    /// Counts what was handed in, each approver once.
    pub fn count(plan: &Plan, statement: &Statement, handed_in: Vec<Approval>) -> Self {
        let mut ballot = Self::default();
        for approval in handed_in {
            match approval.check(plan, statement) {
                Err(why) => ballot.refused.push(why),
                Ok(())
                    if ballot
                        .valid
                        .iter()
                        .any(|other| other.approver == approval.approver) =>
                {
                    ballot
                        .refused
                        .push(format!("{}: it counts once", approval.approver));
                }
                Ok(()) => ballot.valid.push(approval),
            }
        }
        ballot
            .valid
            .sort_by(|one, other| one.approver.cmp(&other.approver));
        ballot
    }

    /// Whether they are enough.
    pub fn is_enough(&self, plan: &Plan) -> bool {
        self.valid.len() >= plan.threshold
    }

    /// Who has not approved.
    pub fn missing<'a>(&self, plan: &'a Plan) -> Vec<&'a str> {
        let has = |name: &str| self.valid.iter().any(|approval| approval.approver == name);
        let names = plan.approvers.iter().map(|approver| approver.name.as_str());
        names.filter(|name| !has(name)).collect()
    }
}
