//! Certificates as files: PEM, DER, chain, PKCS#7, and PKCS#12 around a key that the caller brings along.
#![expect(unused_qualifications, reason = "the macro of utoipa writes them")]

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use ca::CertificateEntry;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use pki::Certificate;
use pki::key_file::{self, KeyFileFault};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::certificates::reference;
use crate::api::App;
use crate::auth::Caller;
use crate::extract::{JsonBody, QueryOf, Segment};
use crate::problem::Problem;

/// The form of a file.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Form {
    /// The certificate in PEM.
    #[default]
    Pem,
    /// The certificate in DER.
    Der,
    /// The certificate and those above it in PEM.
    Chain,
    /// The certificate and those above it as PKCS#7 in DER.
    Pkcs7,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DownloadQuery {
    /// The form of the file; PEM when absent.
    #[serde(default)]
    #[param(inline)]
    format: Form,
}

/// A key to be put into a PKCS#12 file. It is not kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pkcs12Body {
    /// The private key in PEM: PKCS#8, EC PRIVATE KEY or RSA PRIVATE KEY, perhaps encrypted.
    #[schema(value_type = String, format = Password)]
    key_pem: SecretString,
    /// The passphrase of an encrypted key.
    #[schema(value_type = Option<String>, format = Password)]
    key_passphrase: Option<SecretString>,
    /// The password of the PKCS#12 file.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// The name of the entry; the serial when absent.
    alias: Option<String>,
}

impl std::fmt::Debug for Pkcs12Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pkcs12Body")
            .field("alias", &self.alias)
            .finish_non_exhaustive()
    }
}

/// Download a certificate as a file.
#[utoipa::path(
    get, path = "/api/v1/certificates/{id}/download", operation_id = "downloadCertificate", tag = "certificates",
    params(("id" = String, Path, description = "Identifier or serial"), DownloadQuery),
    responses((status = 200, description = "The file", content_type = "application/octet-stream")),
)]
pub(crate) async fn download(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
    QueryOf(query): QueryOf<DownloadQuery>,
) -> Result<Response, Problem> {
    let entry = app.authority.certificate(&caller, reference(&id)?).await?;
    let serial = entry.serial;
    let all = || std::iter::once(&entry.der).chain(entry.chain.der());
    Ok(match query.format {
        Form::Pem => {
            let pem = pki::pem::encode("CERTIFICATE", &entry.der);
            attachment(
                "application/x-pem-file",
                &format!("{serial}.pem"),
                pem.into_bytes(),
            )
        }
        Form::Der => attachment("application/pkix-cert", &format!("{serial}.crt"), entry.der),
        Form::Chain => {
            let pem: String = all().map(|der| pki::pem::encode("CERTIFICATE", der)).collect();
            attachment(
                "application/x-pem-file",
                &format!("{serial}-chain.pem"),
                pem.into_bytes(),
            )
        }
        Form::Pkcs7 => {
            let bundle = pki::cms::certs_only(all().map(Vec::as_slice));
            attachment(
                "application/pkcs7-mime; smime-type=certs-only",
                &format!("{serial}.p7c"),
                bundle,
            )
        }
    })
}

/// A file with a name to save it under.
pub(crate) fn attachment(media_type: &'static str, name: &str, body: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    (
        [
            (CONTENT_TYPE, media_type.to_owned()),
            (CONTENT_DISPOSITION, disposition),
        ],
        body,
    )
        .into_response()
}

/// Put a certificate, those above it and an uploaded key into a PKCS#12 file. The key is not kept.
#[utoipa::path(
    post, path = "/api/v1/certificates/{id}/pkcs12", operation_id = "bundlePkcs12", tag = "certificates", request_body = Pkcs12Body,
    params(("id" = String, Path, description = "Identifier or serial")),
    responses((status = 200, description = "The file", content_type = "application/x-pkcs12")),
)]
pub(crate) async fn pkcs12(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
    JsonBody(body): JsonBody<Pkcs12Body>,
) -> Result<Response, Problem> {
    let entry = app.authority.certificate(&caller, reference(&id)?).await?;
    let name = format!("{}.p12", entry.serial);
    // The key is derived from the password at length: not on a thread that others wait for.
    let bundle = tokio::task::spawn_blocking(move || bundle(&entry, &body));
    let file = bundle.await.map_err(|_| Problem::panicked())??;
    Ok(attachment("application/x-pkcs12", &name, file))
}

fn bundle(entry: &CertificateEntry, body: &Pkcs12Body) -> Result<Vec<u8>, Problem> {
    let passphrase = body
        .key_passphrase
        .as_ref()
        .map(|passphrase| passphrase.expose_secret().as_bytes());
    let key = key_file::parse(body.key_pem.expose_secret().as_bytes(), passphrase);
    let key = key.map_err(|fault| key_problem(&fault))?;
    let belongs = Certificate::from_der(&entry.der)
        .is_ok_and(|certificate| certificate.public_key().spki_der() == key.public_key.spki_der());
    if !belongs {
        return Err(Problem::bad_request(
            "key_mismatch",
            "the key does not belong to this certificate",
        ));
    }
    let chain: Vec<&[u8]> = std::iter::once(&entry.der)
        .chain(entry.chain.der())
        .map(Vec::as_slice)
        .collect();
    let alias = body.alias.clone().unwrap_or_else(|| entry.serial.to_string());
    pki::pkcs12::write(&alias, &key.pkcs8, &chain, body.password.expose_secret())
        .map_err(|fault| Problem::bad_request("pkcs12_failed", fault.to_string()))
}

fn key_problem(fault: &KeyFileFault) -> Problem {
    let code = match fault {
        KeyFileFault::PassphraseMissing => "key_passphrase_missing",
        KeyFileFault::PassphraseWrong => "key_passphrase_wrong",
        _ => "key_unusable",
    };
    Problem::bad_request(code, fault.to_string())
}
