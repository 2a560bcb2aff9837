//! Replies: what the signing service answers.

use crate::cursor::{Reader, Writer};
use crate::fault::Fault;
use crate::frame::{WireFault, read_envelope, write_frame};
use crate::key::KeyRecord;
use crate::limits::{MAX_BATCH, MAX_KEYS, MAX_LABEL, MAX_SIGNATURE, MAX_TEXT, MAX_TOKENS, cut};
use crate::subject_key::SealedKey;

/// The circuit breaker of a token. It counts for keys that another token has, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Circuit {
    /// It is signed with.
    #[default]
    Closed,
    /// It failed and is left alone.
    Open,
    /// One signature is being tried with it.
    Trial,
}

impl Circuit {
    /// Every state; the place in this list is its number on the wire.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::Trial];

    /// Whether the token is signed with like any other.
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Closed)
    }

    fn encode(self, writer: &mut Writer<'_>) {
        writer.u8(match self {
            Self::Closed => 0,
            Self::Open => 1,
            Self::Trial => 2,
        });
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, WireFault> {
        Self::ALL
            .get(usize::from(reader.u8()?))
            .copied()
            .ok_or(WireFault::BadValue("circuit"))
    }
}

/// How one token (or the software backend) is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaneStatus {
    /// Its configured name.
    pub name: String,
    /// Whether it can sign now.
    pub available: bool,
    /// Why it cannot, or empty.
    pub detail: String,
    /// How many signatures it makes at the same time.
    pub width: u32,
    /// Signatures waiting.
    pub queued: u32,
    /// Signatures being made.
    pub in_flight: u32,
    /// Signatures made since the service started.
    pub signed: u64,
    /// Signatures that failed since the service started.
    pub failed: u64,
    /// Signatures refused because the queue was full, since the service started.
    pub shed: u64,
    /// Microseconds spent inside the backend since the service started, over all its threads: with `signed` and
    /// `width` this gives the capacity and the headroom.
    pub busy_us: u64,
    /// Its circuit breaker.
    pub circuit: Circuit,
    /// How often the circuit was opened since the service started.
    pub circuit_openings: u64,
    /// Signatures that were asked of another token as well or instead, because this one did not answer, since the service
    /// started.
    pub handed_over: u64,
    /// Test signatures that were right, since the service started.
    pub tests_passed: u64,
    /// Test signatures that were wrong or failed, since the service started.
    pub tests_failed: u64,
    /// Keys of which the token says something else than when they were first seen.
    pub keys_changed: u32,
    /// What is wrong with it although it may sign, or empty: keys that have changed, a test signature that was wrong.
    pub warning: String,
}

impl LaneStatus {
    const LEAST: usize = 4 + 1 + 4 + 3 * 4 + 4 * 8 + 1 + 4 * 8 + 4 + 4;

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.text(&self.name, MAX_LABEL);
        writer.flag(self.available);
        writer.text(cut(&self.detail, MAX_TEXT), MAX_TEXT);
        writer.u32(self.width);
        writer.u32(self.queued);
        writer.u32(self.in_flight);
        writer.u64(self.signed);
        writer.u64(self.failed);
        writer.u64(self.shed);
        writer.u64(self.busy_us);
        self.circuit.encode(writer);
        writer.u64(self.circuit_openings);
        writer.u64(self.handed_over);
        writer.u64(self.tests_passed);
        writer.u64(self.tests_failed);
        writer.u32(self.keys_changed);
        writer.text(cut(&self.warning, MAX_TEXT), MAX_TEXT);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, WireFault> {
        Ok(Self {
            name: reader.text(MAX_LABEL)?,
            available: reader.flag()?,
            detail: reader.text(MAX_TEXT)?,
            width: reader.u32()?,
            queued: reader.u32()?,
            in_flight: reader.u32()?,
            signed: reader.u64()?,
            failed: reader.u64()?,
            shed: reader.u64()?,
            busy_us: reader.u64()?,
            circuit: Circuit::decode(reader)?,
            circuit_openings: reader.u64()?,
            handed_over: reader.u64()?,
            tests_passed: reader.u64()?,
            tests_failed: reader.u64()?,
            keys_changed: reader.u32()?,
            warning: reader.text(MAX_TEXT)?,
        })
    }
}

/// How the signing service is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Milliseconds since it started.
    pub uptime_ms: u64,
    /// Its version, as the package names it.
    pub version: String,
    /// Its tokens, in the order of its configuration.
    pub lanes: Vec<LaneStatus>,
}

/// What the service answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// One outcome for each signature asked for, in the same order.
    Signatures(Vec<Result<Vec<u8>, Fault>>),
    /// The key that was made or taken over.
    Key(KeyRecord),
    /// All keys.
    Keys(Vec<KeyRecord>),
    /// How the service is.
    Status(ServiceStatus),
    /// The request as a whole failed.
    Fault(Fault),
    /// The key that was made for somebody else.
    SealedKey(SealedKey),
}

impl Reply {
    /// Appends the whole frame of this reply to `out`; on [`WireFault::TooLong`] `out` is unchanged.
    pub fn encode(&self, id: u64, out: &mut Vec<u8>) -> Result<(), WireFault> {
        match self {
            Self::Signatures(outcomes) => write_frame(out, id, 1, |writer| {
                writer.count(outcomes.len(), MAX_BATCH);
                for outcome in outcomes {
                    match outcome {
                        Ok(signature) => {
                            writer.u8(0);
                            writer.bytes(signature, MAX_SIGNATURE);
                        }
                        Err(fault) => {
                            writer.u8(1);
                            fault.encode(writer);
                        }
                    }
                }
            }),
            Self::Key(record) => write_frame(out, id, 2, |writer| record.encode(writer)),
            Self::Keys(records) => write_frame(out, id, 3, |writer| {
                writer.count(records.len(), MAX_KEYS);
                for record in records {
                    record.encode(writer);
                }
            }),
            Self::Status(status) => write_frame(out, id, 4, |writer| {
                writer.u64(status.uptime_ms);
                writer.text(&status.version, MAX_LABEL);
                writer.count(status.lanes.len(), MAX_TOKENS);
                for lane in &status.lanes {
                    lane.encode(writer);
                }
            }),
            Self::Fault(fault) => write_frame(out, id, 5, |writer| fault.encode(writer)),
            Self::SealedKey(key) => write_frame(out, id, 6, |writer| key.encode(writer)),
        }
    }

    /// Reads a body (a frame without its header): the id of the request it answers, and the reply.
    pub fn decode(body: &[u8]) -> Result<(u64, Self), WireFault> {
        let (id, tag, mut reader) = read_envelope(body)?;
        let reply = match tag {
            1 => Self::Signatures(reader.list(MAX_BATCH, 1 + 4, |item| match item.u8()? {
                0 => Ok(Ok(item.bytes(MAX_SIGNATURE)?.to_vec())),
                1 => Fault::decode(item).map(Err),
                _ => Err(WireFault::BadValue("outcome")),
            })?),
            2 => Self::Key(KeyRecord::decode(&mut reader)?),
            3 => Self::Keys(reader.list(MAX_KEYS, KeyRecord::LEAST, KeyRecord::decode)?),
            4 => Self::Status(ServiceStatus {
                uptime_ms: reader.u64()?,
                version: reader.text(MAX_LABEL)?,
                lanes: reader.list(MAX_TOKENS, LaneStatus::LEAST, LaneStatus::decode)?,
            }),
            5 => Self::Fault(Fault::decode(&mut reader)?),
            6 => Self::SealedKey(SealedKey::decode(&mut reader)?),
            other => return Err(WireFault::UnknownTag(other)),
        };
        reader.finish()?;
        Ok((id, reply))
    }
}
