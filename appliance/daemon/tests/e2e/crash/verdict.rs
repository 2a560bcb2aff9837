//! What must hold after a kill, looked at from outside: by the API, as a relying party, and in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use ocsp::{CertId, CertStatus, Expectation, HashAlgorithm, Response};
use pki::{Certificate, Crl, DigestAlgorithm, Serial};
use serde_json::Value;

use super::client::{Client, Heard, Stand};
use super::ground::Ground;

/// What a dead server left.
pub(super) struct Left {
    /// The hashes and serials of what may have been signed.
    intents: Vec<(String, Serial)>,
    /// The highest number of the files of each shard of each issuer, whole or not: something may have been signed under it.
    numbers: BTreeMap<String, u64>,
}

impl Left {
    pub(super) fn by(ground: &Ground) -> Self {
        let intents = ground.store().read_here(::store::intents::all).unwrap();
        let of = |intent: ::store::intents::IntentRow| {
            (
                hexadecimal(&intent.tbs_hash),
                Serial::from_unsigned(&intent.serial).unwrap(),
            )
        };
        Self {
            intents: intents.into_iter().map(of).collect(),
            numbers: numbers(ground),
        }
    }

    /// Nothing.
    pub(super) fn empty() -> Self {
        Self {
            intents: Vec::new(),
            numbers: BTreeMap::new(),
        }
    }

    /// With what another one had left before.
    pub(super) fn after(mut self, before: &Self) -> Self {
        self.intents.extend(before.intents.iter().cloned());
        self
    }
}

/// The highest number of the files of CRLs, by issuer and shard.
fn numbers(ground: &Ground) -> BTreeMap<String, u64> {
    let mut numbers = BTreeMap::new();
    for name in ground.crl_files() {
        // <issuer>-<shard>-<number>.crl, perhaps with more behind it; what is compressed has no such name.
        let Some((shard, rest)) = name.rsplit_once('-') else {
            continue;
        };
        let number: u64 = rest.split('.').next().unwrap().parse().unwrap();
        let highest = numbers.entry(shard.to_owned()).or_insert(number);
        *highest = number.max(*highest);
    }
    numbers
}

/// What a start must leave as it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    audit: i64,
    intents: usize,
    revocations: usize,
    responders: usize,
    keys: usize,
    crls: Vec<u64>,
    files: BTreeSet<String>,
}

impl Snapshot {
    pub(super) fn of(ground: &Ground) -> Self {
        let store = ground.store();
        let mut revocations = 0;
        store
            .read_here(|reader| {
                ::store::revocations::for_each(reader, |_| {
                    revocations += 1;
                    Ok(())
                })
            })
            .unwrap();
        let rows = store.read_here(::store::crls::newest).unwrap();
        Self {
            audit: store.read_here(::store::audit::last).unwrap(),
            intents: store.read_here(::store::intents::all).unwrap().len(),
            revocations,
            responders: store.read_here(::store::responders::all).unwrap().len(),
            keys: store.read_here(::store::keys::all).unwrap().len(),
            crls: rows.iter().map(|row| row.number).collect(),
            files: ground.crl_files(),
        }
    }
}

/// Looks at everything, on a server that has been started again.
pub(super) fn check(ground: &Ground, heard: &mut Heard, left: &Left) {
    let store = ground.store();
    for finding in store.read_here(::store::check).unwrap() {
        let is_setting = |problem: &String| problem.contains("fsync");
        let problem = finding.problem.filter(|problem| !is_setting(problem));
        assert_eq!(problem, None, "{}", finding.what);
    }
    assert_eq!(store.read_here(::store::intents::all).unwrap().len(), 0);
    drop(store);
    let known = heard.certificates.clone();
    let mut client = Client::new(ground, heard);
    let issuers = client.get("issuers").unwrap();
    let issuers: Vec<Value> = issuers["items"].as_array().unwrap().clone();
    let orphans: BTreeSet<Serial> = orphans(ground).into_iter().collect();
    for (hash, serial) in &left.intents {
        assert!(
            orphans.contains(serial),
            "{serial} was intended ({hash}) and is no orphan"
        );
    }
    for issuer in &issuers {
        if !["active", "retired"].contains(&issuer["state"].as_str().unwrap()) {
            continue;
        }
        let id = issuer["id"].as_str().unwrap();
        client.publish(id).unwrap();
        let crls = client.crls(issuer).unwrap();
        let certificate = issuer["certificate_pem"].as_str().unwrap();
        let certificate = Certificate::parse(certificate.as_bytes()).unwrap();
        let of_issuer = known.iter().filter(|(_, (of, _))| of == id);
        for (serial, (_, stand)) in of_issuer {
            check_certificate(&client, (id, &certificate), &crls, serial, *stand);
        }
        for orphan in &orphans {
            let status = ask(&client, (id, &certificate), *orphan);
            assert_ne!(status, CertStatus::Good, "{orphan} was signed and never recorded");
        }
    }
    for (shard, number) in numbers(ground) {
        let before = left.numbers.get(&shard).copied().unwrap_or(0);
        let is_newer = number > before;
        assert!(is_newer, "CRL {number} of {shard} after {before}");
    }
    let verdict = client.get("audit/verify").unwrap();
    assert_eq!(verdict["sound"], true, "{verdict}");
}

fn check_certificate(
    client: &Client<'_>,
    issuer: (&str, &Certificate),
    crls: &[Crl],
    serial: &str,
    stand: Stand,
) {
    let recorded = client.get(&format!("certificates/{serial}")).unwrap();
    let is_revoked = recorded["status"] == "revoked";
    let expected = match stand {
        Stand::Good => false,
        Stand::Revoked => true,
        Stand::Either => is_revoked,
    };
    assert_eq!(is_revoked, expected, "{serial} as recorded: {recorded}");
    let serial: Serial = serial.parse().unwrap();
    let said = ask(client, issuer, serial);
    assert_eq!(
        matches!(said, CertStatus::Revoked { .. }),
        expected,
        "{serial}: {said:?}"
    );
    assert!(said != CertStatus::Unknown, "{serial} is unknown");
    let is_listed = crls.iter().any(|crl| crl.find(serial).is_some());
    assert_eq!(is_listed, expected, "{serial} on the CRLs");
}

/// What a courier wanted it has once, whatever died meanwhile.
pub(super) fn check_couriers(ground: &Ground, heard: &Heard) {
    let store = ground.store();
    for wish in &heard.hosts.wishes {
        let filter = ::store::certificates::Filter {
            requester: Some(format!("courier:{}", wish.courier)),
            name_exact: Some(format!("dns:{}", wish.name)),
            limit: 10,
            ..::store::certificates::Filter::default()
        };
        let rows = store.read_here(|reader| ::store::certificates::list(reader, &filter));
        assert_eq!(rows.unwrap().len(), 1, "certificates of {}", wish.name);
    }
}

/// What OCSP says, as a relying party that believes nothing.
pub(super) fn ask(
    client: &Client<'_>,
    (id, certificate): (&str, &Certificate),
    serial: Serial,
) -> CertStatus {
    let (status, der) = client.fetch(&format!("ocsp/{id}/{serial}")).unwrap();
    assert_eq!(status, 200);
    status_in(&der, certificate, serial)
}

/// What a signed answer says.
pub(super) fn status_in(der: &[u8], issuer: &Certificate, serial: Serial) -> CertStatus {
    let Ok(Response::Signed(signed)) = Response::parse(der) else {
        panic!("no signed answer about {serial}")
    };
    let cert_id = CertId::for_issuer(
        HashAlgorithm::Sha1,
        issuer.subject().der(),
        issuer.public_key(),
        serial,
    );
    let expected = Expectation {
        issuer,
        cert_ids: &[cert_id],
        nonce: None,
        at: Timestamp::now(),
        skew: Duration::ZERO,
    };
    signed.verify(&expected).unwrap()[0].status
}

/// The serials that were revoked without a certificate.
pub(super) fn orphans(ground: &Ground) -> Vec<Serial> {
    let mut orphans = Vec::new();
    let note = |row: ::store::revocations::RevocationRow| {
        if row.is_orphan {
            orphans.push(Serial::from_unsigned(&row.serial).unwrap());
        }
        Ok(())
    };
    ground
        .store()
        .read_here(|reader| ::store::revocations::for_each(reader, note))
        .unwrap();
    orphans
}

/// Hashes of what was to be signed.
struct Known {
    certificates: BTreeSet<String>,
    /// Of what may have been signed and was never recorded, as the audit log tells them.
    orphans: BTreeSet<String>,
    requests: BTreeSet<String>,
}

impl Known {
    fn to(ground: &Ground) -> Self {
        let store = ground.store();
        let filter = ::store::certificates::Filter {
            limit: 1_000_000,
            ..::store::certificates::Filter::default()
        };
        let rows = store.read_here(|reader| ::store::certificates::list(reader, &filter));
        let issuers = store.read_here(::store::issuers::all).unwrap();
        let logged = store.read_here(|reader| ::store::audit::after(reader, 0, u32::MAX));
        let hash_of = |details: &str| {
            let details: Value = serde_json::from_str(details).unwrap();
            details["tbs_sha256"].as_str().unwrap().to_owned()
        };
        let logged = logged.unwrap();
        let orphans = logged
            .iter()
            .filter(|one| one.entry.action == "certificate.orphan");
        let requests = issuers.iter().filter_map(|issuer| issuer.csr.as_deref());
        Self {
            certificates: rows.unwrap().iter().map(|row| to_be_signed(&row.der)).collect(),
            orphans: orphans.map(|one| hash_of(&one.entry.details)).collect(),
            requests: requests.map(to_be_signed).collect(),
        }
    }

    fn has(&self, hash: &str) -> bool {
        [&self.certificates, &self.orphans, &self.requests]
            .iter()
            .any(|hashes| hashes.contains(hash))
    }
}

/// The signing process keeps a book of its own. Each digest in it that was signed to make a certificate belongs to one that is
/// recorded, to one that is an orphan now, or to the request of a CA; and each intent that a dead server left came to one of the first
/// two. How many digests that were.
pub(super) fn account_for_signatures(ground: &Ground, left: &Left) -> usize {
    let known = Known::to(ground);
    for (hash, serial) in &left.intents {
        let is_settled = known.certificates.contains(hash) || known.orphans.contains(hash);
        assert!(
            is_settled,
            "{serial} was intended ({hash}), and nothing became of it"
        );
    }
    let issuers = ground.store().read_here(::store::issuers::all).unwrap();
    let book = std::fs::read_to_string(ground.signed_book()).unwrap_or_default();
    let mut accounted = 0;
    // A line that the signing process died over is of signatures that it gave to nobody.
    for line in book
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        if line["priority"] != "issuance" {
            continue;
        }
        let digests = line["digests"].as_array().cloned().unwrap_or_default();
        let tallies = line["signatures"].as_array().unwrap();
        let made: u64 = tallies.iter().map(|tally| tally["made"].as_u64().unwrap()).sum();
        assert_eq!(
            made,
            digests.len() as u64,
            "a signature without its digest: {line}"
        );
        for digest in &digests {
            // The request of a CA whose making broke off names no serial and obliges nobody.
            let is_at_work = || {
                issuers.iter().any(|issuer| {
                    let by = hexadecimal(&issuer.key_fingerprint);
                    let signed = |tally: &Value| tally["key"].as_str().unwrap().contains(&by);
                    issuer.certificate.is_some() && tallies.iter().any(signed)
                })
            };
            assert!(
                known.has(digest.as_str().unwrap()) || !is_at_work(),
                "{digest} was signed, and nothing accounts for it: {line}"
            );
        }
        accounted += digests.len();
    }
    accounted
}

/// How many signatures were made for certificates by the book of the signing process, and how many certificates and orphans there
/// are. A line that the signing process died over is of a signature that it gave to nobody.
pub(super) fn tally(ground: &Ground) -> (u64, u64) {
    let book = std::fs::read_to_string(ground.signed_book()).unwrap_or_default();
    let lines = book
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_line = |line: Value| {
        let tallies = line["signatures"].as_array().cloned().unwrap_or_default();
        let made = tallies.iter().map(|tally| tally["made"].as_u64().unwrap());
        made.sum::<u64>()
    };
    let made = lines
        .filter(|line| line["priority"] == "issuance")
        .map(of_line)
        .sum();
    let filter = ::store::certificates::Filter {
        limit: 1_000_000,
        ..::store::certificates::Filter::default()
    };
    let rows = ground
        .store()
        .read_here(|reader| ::store::certificates::list(reader, &filter));
    let known = rows.unwrap().len() + orphans(ground).len();
    (made, u64::try_from(known).unwrap())
}

/// SHA-256 of the first element inside the outermost one: of what was signed.
fn to_be_signed(der: &[u8]) -> String {
    let (header, _) = element(der);
    let inner = &der[header..];
    let (header, length) = element(inner);
    hexadecimal(&DigestAlgorithm::Sha256.digest(&inner[..header + length]))
}

/// The lengths of a header and of what stands behind it.
fn element(der: &[u8]) -> (usize, usize) {
    match der[1] {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let octets = usize::from(long & 0x7f);
            let length = der[2..2 + octets].iter();
            (
                2 + octets,
                length.fold(0, |length, octet| (length << 8) | usize::from(*octet)),
            )
        }
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    octets
        .iter()
        .fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
}
