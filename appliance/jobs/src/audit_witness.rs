//! Asks a witness for its signature under each checkpoint of the audit log (`add-checkpoint` of c2sp.org/tlog-witness).
//!
//! Each witness has a task of its own, so that one that hangs holds up no other, and nothing that signs. A checkpoint that is
//! superseded before its witness was reached is not asked about any more: the newest speaks for all before it.

use std::time::Duration;

use ca::{AuditWitnessRequest, Authority};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, Url};
use tlog::NoteKey;
use tokio_util::sync::CancellationToken;

use crate::web_client::{self, chain};

/// How often it is looked for a new checkpoint.
const INTERVAL: Duration = Duration::from_secs(1);
/// The longest pause after failures; it begins with two intervals and doubles.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How long a witness may take to answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// Questions at a time: the first may be answered with the size to ask from.
const QUESTIONS: u32 = 3;
/// Octets of an answer that are read; more is not the answer of a witness.
const LONGEST_ANSWER: usize = 64 * 1024;

/// A witness that can be asked.
#[derive(Debug)]
pub struct AuditWitness {
    key: NoteKey,
    url: Url,
    client: Client,
}

impl AuditWitness {
    /// A witness by its verifier key, the prefix of its addresses, and who may certify it (for a loopback address without TLS
    /// nobody); the text of an error is for the operator.
    pub fn new(key: NoteKey, url: &str, roots: Option<&[u8]>) -> Result<Self, String> {
        let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        Ok(Self {
            key,
            url: Url::parse(&url).map_err(|error| format!("url: {error}"))?,
            client: web_client::client(roots)?,
        })
    }

    /// Asks until it is told to end.
    pub(crate) async fn run(&self, authority: &Authority, cancel: &CancellationToken) {
        let mut failures = 0_u32;
        while !cancel.is_cancelled() {
            let outcome = tokio::select! {
                outcome = self.ask(authority) => outcome,
                // What was under way is asked again.
                () = cancel.cancelled() => return,
            };
            failures = match outcome {
                Ok(()) => 0,
                Err(why) => {
                    if failures == 0 {
                        tracing::warn!(
                            witness = %self.key.name(),
                            why,
                            "the witness does not cosign the audit log; it is asked again"
                        );
                    }
                    failures.saturating_add(1)
                }
            };
            let pause = INTERVAL.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn ask(&self, authority: &Authority) -> Result<(), String> {
        let said = |error: ca::Error| error.to_string();
        let mut conflicts = 0;
        for _ in 0..QUESTIONS {
            let asked = authority.audit_witness_request(&self.key).await;
            let Some(request) = asked.map_err(said)? else {
                return Ok(());
            };
            let answered = tokio::time::timeout(DEADLINE, self.post(&request)).await;
            match answered.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
                Ok((status, body)) => {
                    let outcome = authority.audit_witness_answered(request, status, &body).await;
                    outcome.map_err(said)??;
                    conflicts += u32::from(status == 409);
                }
                Err(why) => {
                    authority.audit_witness_failed(request, &why).await;
                    return Err(why);
                }
            }
        }
        if conflicts == QUESTIONS {
            return Err("it says each time that it has cosigned another number of entries".to_owned());
        }
        Ok(())
    }

    async fn post(&self, request: &AuditWitnessRequest) -> Result<(u16, Vec<u8>), String> {
        let posted = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(request.body.clone());
        let answer = posted.send().await.map_err(|error| chain(&error))?;
        let status = answer.status().as_u16();
        Ok((status, read(answer).await?))
    }
}

async fn read(mut answer: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| chain(&error))? {
        body.extend_from_slice(&piece);
        if body.len() > LONGEST_ANSWER {
            return Err(format!("its answer is longer than {LONGEST_ANSWER} octets"));
        }
    }
    Ok(body)
}
