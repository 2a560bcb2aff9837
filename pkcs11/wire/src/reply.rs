//! Replies: what the signing service answers.

use crate::cursor::{Reader, Writer};
use crate::fault::Fault;
use crate::frame::{WireFault, read_envelope, write_frame};
use crate::key::KeyRecord;
use crate::limits::{MAX_BATCH, MAX_KEYS, MAX_LABEL, MAX_SIGNATURE, MAX_TEXT, MAX_TOKENS};

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
}

impl LaneStatus {
    const LEAST: usize = 4 + 1 + 4 + 3 * 4 + 4 * 8;

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.text(&self.name, MAX_LABEL);
        writer.flag(self.available);
        writer.text(&self.detail, MAX_TEXT);
        writer.u32(self.width);
        writer.u32(self.queued);
        writer.u32(self.in_flight);
        writer.u64(self.signed);
        writer.u64(self.failed);
        writer.u64(self.shed);
        writer.u64(self.busy_us);
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
            other => return Err(WireFault::UnknownTag(other)),
        };
        reader.finish()?;
        Ok((id, reply))
    }
}
