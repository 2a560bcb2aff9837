//! A CA that is brought along: its certificate and private key as files.

use std::sync::Arc;

use pki::key_file::{self, KeyFile, KeyFileFault};
use pki::{Certificate, DistinguishedName, SignatureAlgorithm};
use secrecy::{ExposeSecret, SecretSlice};

use crate::authority::Authority;
use crate::clock;
use crate::crl_plan::CrlPlan;
use crate::error::{Error, Refusal, Result};
use crate::generation::{Draft, algorithm_for, reversed};
use crate::issuer::{IssuerEntry, IssuerOrigin};
use crate::permit::{self, Permit, action};
use crate::principal::Principal;
use crate::responder::key_row;
use crate::signer::SOFTWARE;
use crate::subordinate::bundle_of;

/// A CA as files.
#[derive(Debug)]
pub struct ImportFromDisk {
    /// Its name here.
    pub name: String,
    /// Its certificate, PEM or DER.
    pub certificate: Vec<u8>,
    /// The certificates above it, PEM; may be empty.
    pub chain: Vec<u8>,
    /// Its private key: PKCS#8, SEC 1 or PKCS#1, in PEM or DER, perhaps encrypted.
    pub key: SecretSlice<u8>,
    /// The passphrase of an encrypted key.
    pub passphrase: Option<SecretSlice<u8>>,
    /// How it signs; what goes with the key when absent.
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// How its CRLs are cut.
    pub crl: CrlPlan,
}

impl Authority {
    /// Takes the CA over: its key goes into the software backend. Refused unless the certificate is that of a CA whose
    /// key may sign certificates, is valid now, and belongs to the key.
    pub async fn import_from_disk(
        &self,
        principal: &Principal,
        request: ImportFromDisk,
    ) -> Result<Arc<IssuerEntry>> {
        let permit = permit::to_manage_issuers(principal)?;
        let passphrase = request.passphrase.as_ref().map(ExposeSecret::expose_secret);
        let key =
            key_file::parse(request.key.expose_secret(), passphrase).map_err(|fault| refusal_of(&fault))?;
        let certificate = Certificate::parse(&request.certificate)
            .map_err(|fault| Refusal::of_requester("certificate_malformed", fault.to_string()))?;
        if certificate.public_key() != &key.public_key {
            let message = "the private key does not belong to the certificate";
            return Err(Refusal::of_requester("key_mismatch", message).into());
        }
        self.check_key(&key.public_key)?;
        let mut bundle = vec![certificate];
        if !request.chain.trim_ascii().is_empty() {
            bundle.extend(bundle_of(&request.chain)?);
        }
        let chain = self.checked_chain(&key.public_key, bundle)?;
        let signature_algorithm = algorithm_for(key.public_key.algorithm(), request.signature_algorithm)?;
        let import = |authority: Self| async move {
            let _one_at_a_time = authority.inner().issuer_changes.lock().await;
            authority.check_name_is_free(&request.name)?;
            authority
                .take_over(
                    &permit,
                    request.name,
                    key,
                    chain,
                    signature_algorithm,
                    request.crl,
                )
                .await
        };
        self.to_the_end(import).await
    }

    async fn take_over(
        &self,
        permit: &Permit<action::ManageIssuers>,
        name: String,
        key: KeyFile,
        chain: Vec<Certificate>,
        signature_algorithm: SignatureAlgorithm,
        crl: CrlPlan,
    ) -> Result<Arc<IssuerEntry>> {
        crl.check()?;
        let subject = chain
            .first()
            .map_or_else(DistinguishedName::empty, |own| own.subject().clone());
        let id = clock::new_id();
        let generation = self.inner().registry.next_generation(&name);
        let label: String = format!("{name:.40}-{generation}-{:.8}", reversed(id))
            .chars()
            .take(64)
            .collect();
        let record = self.inner().signer.import(&label, key.pkcs8).await?;
        if record.spki != key.public_key.spki_der() {
            return Err(Error::internal(
                "the signer took another key over than it was given",
            ));
        }
        let row = key_row(SOFTWARE, &record.label, &key.public_key, self.inner().clock.now());
        let draft = Draft {
            name,
            subject,
            key_algorithm: key.public_key.algorithm(),
            signature_algorithm,
            token: SOFTWARE.to_owned(),
            origin: IssuerOrigin::FromDisk,
            parent: None,
            profile: None,
            crl,
            offline: None,
        };
        let issuer = self
            .record_issuer(permit, (id, generation), draft, row, None, None)
            .await?;
        let imported = self.record_import(permit, &issuer.entry(), chain).await;
        self.finish_issuer(issuer, imported).await
    }
}

fn refusal_of(fault: &KeyFileFault) -> Refusal {
    let code = match fault {
        KeyFileFault::PassphraseMissing => "passphrase_missing",
        KeyFileFault::PassphraseWrong => "passphrase_wrong",
        KeyFileFault::Key(fault) => fault.code(),
        _ => "key_file_malformed",
    };
    Refusal::of_requester(code, fault.to_string())
}
