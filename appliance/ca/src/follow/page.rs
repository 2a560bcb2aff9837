//! A page of what was told, and what became of the revocations in it: read in one transaction, so that many of them cost few.
//!
//! It is read before the turn of each serial. What was changed here meanwhile has an audit entry after the last one that the page
//! knows of, and stays as it is.

use std::collections::HashMap;

use pki::Serial;
use store::Reader;
use store::changes::{Change, ChangeRow, Mark, Onward, Told};
use store::revocations::RevocationRow;
use uuid::Uuid;

use super::{AWAY, WENT_BACK};
use crate::authority::Authority;
use crate::error::{Error, Result};

/// Rows that are read at once.
const PAGE: u32 = 500;

/// What was told, and how things stood when it was read.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) rows: Vec<ChangeRow>,
    /// Where the next page begins.
    pub(super) mark: Mark,
    pub(super) is_last: bool,
    /// The last audit entry that it knows of.
    pub(super) audit: i64,
    became: HashMap<(Uuid, Serial), store::Result<Became>>,
}

/// A revocation that was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct About {
    pub(super) issuer: Uuid,
    pub(super) serial: Serial,
    /// The number of the change in its shard.
    pub(super) number: i64,
    pub(super) audit: i64,
}

/// How a serial stands.
#[derive(Clone, Debug)]
pub(super) struct Became {
    pub(super) revocation: Option<RevocationRow>,
    /// What is kept of it for deltas; not looked for when it is revoked, or nobody asks.
    pub(super) kept: Option<store::crls::ChangeRow>,
}

impl About {
    /// Nothing when it is about something else.
    pub(super) fn of(told: &Told) -> Option<Self> {
        let Change::Revocation {
            issuer,
            serial,
            number,
        } = &told.change
        else {
            return None;
        };
        Some(Self {
            issuer: *issuer,
            serial: serial.parse().ok()?,
            number: *number,
            audit: told.audit,
        })
    }
}

impl Page {
    /// What became of a revocation; nothing when it was not looked for, because it was made here.
    pub(super) fn became(&self, about: &About) -> Option<&store::Result<Became>> {
        self.became.get(&(about.issuer, about.serial))
    }
}

impl Authority {
    /// What was told after a mark.
    pub(super) async fn read_page(&self, mark: Mark) -> Result<Page> {
        let known = self.inner().metrics.audit_entries();
        let authority = self.clone();
        let read = self.inner().store.read_following(move |reader| {
            let audit = store::audit::last(reader)?;
            let (rows, mark) = match store::changes::onward(reader, &mark, PAGE)? {
                // It has fewer entries than this server has seen.
                _ if audit < known => return Ok(Err(WENT_BACK)),
                Onward::Rewritten => return Ok(Err(WENT_BACK)),
                Onward::Gap => return Ok(Err(AWAY)),
                Onward::Rows(rows, mark) => (rows, mark),
            };
            let news: Vec<About> = authority.news_in(&rows).collect();
            Ok(Ok(Page {
                became: authority.look_up(reader, news)?,
                is_last: u32::try_from(rows.len()).is_ok_and(|rows| rows < PAGE),
                rows,
                mark,
                audit,
            }))
        });
        read.await?.map_err(|code| {
            let message = if code == AWAY {
                "this server was away for longer than changes are kept: start it anew"
            } else {
                "the database has lost what it had committed, as after a failover to a standby that lagged: start this server anew, \
                so that it reads what is there, and let the database have a synchronous standby"
            };
            Error::conflict(code, message)
        })
    }

    /// The same for revocations that were told of before.
    pub(super) async fn read_again(&self, about: Vec<About>) -> Result<Page> {
        let authority = self.clone();
        let read = self.inner().store.read_following(move |reader| {
            Ok(Page {
                became: authority.look_up(reader, about)?,
                is_last: true,
                rows: Vec::new(),
                mark: Mark::default(),
                audit: store::audit::last(reader)?,
            })
        });
        Ok(read.await?)
    }

    /// Those revocations of a page that were not made here since the start.
    fn news_in<'a>(&'a self, rows: &'a [ChangeRow]) -> impl Iterator<Item = About> + 'a {
        let own = self.inner().store.node();
        let told = rows
            .iter()
            .flat_map(move |row| row.told.iter().map(move |told| (row.node == own, told)));
        told.filter_map(|(is_own, told)| Some((is_own, About::of(told)?)))
            .filter(|(is_own, about)| !(*is_own && self.has(about)))
            .map(|(_, about)| about)
    }

    fn has(&self, about: &About) -> bool {
        let has = self.inner().registry.with(about.issuer, |issuer| {
            issuer.shards.of(&about.serial).has(about.number)
        });
        has == Some(true)
    }

    fn look_up(
        &self,
        reader: &Reader<'_>,
        news: Vec<About>,
    ) -> store::Result<HashMap<(Uuid, Serial), store::Result<Became>>> {
        let mut found = HashMap::with_capacity(news.len());
        for About { issuer, serial, .. } in news {
            if found.contains_key(&(issuer, serial)) {
                continue;
            }
            let keeps = self
                .inner()
                .registry
                .with(issuer, |issuer| issuer.entry().crl.deltas);
            let became = look_up(reader, issuer, &serial, keeps == Some(true));
            // What cannot be read of one is a trouble of its own.
            if let Err(error) = &became
                && !matches!(error, store::Error::Corrupt(_))
            {
                return Err(error.clone());
            }
            found.insert((issuer, serial), became);
        }
        Ok(found)
    }
}

fn look_up(reader: &Reader<'_>, issuer: Uuid, serial: &Serial, keeps: bool) -> store::Result<Became> {
    let revocation = store::revocations::find(reader, issuer, serial.as_bytes())?;
    let kept = if revocation.is_none() && keeps {
        store::crls::change_of(reader, issuer, serial.as_bytes())?
    } else {
        None
    };
    Ok(Became { revocation, kept })
}
