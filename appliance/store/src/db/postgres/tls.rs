//! TLS to the database server, by rustls: the server's certificate is verified by name, and the password bound to the
//! connection (RFC 5929 §4, `tls-server-end-point`), so that nobody in between can use it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pki::Certificate;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use crate::error::{Error, Result};

/// Whom we trust and who we are.
#[derive(Clone, Debug)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// `roots` are certificates in PEM, `identity` our chain and key.
    pub(super) fn new(roots: &[u8], identity: Option<&SecretString>) -> Result<Self> {
        let mut trusted = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(roots) {
            let root = root.map_err(|error| unusable("store.tls_roots", &error))?;
            trusted
                .add(root)
                .map_err(|error| unusable("store.tls_roots", &error))?;
        }
        if trusted.is_empty() {
            return Err(unusable("store.tls_roots", &"there is no certificate in it"));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Internal(error.to_string()))?
            .with_root_certificates(trusted);
        let Some(identity) = identity else {
            return Ok(Self(Arc::new(config.with_no_client_auth())));
        };
        let identity = identity.expose_secret().as_bytes();
        let chain = CertificateDer::pem_slice_iter(identity).collect::<std::result::Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| unusable("store.tls_identity", &error))?;
        let key = PrivateKeyDer::from_pem_slice(identity);
        let key = key.map_err(|error| unusable("store.tls_identity", &error))?;
        let config = config.with_client_auth_cert(chain, key);
        let config = config.map_err(|error| unusable("store.tls_identity", &error))?;
        Ok(Self(Arc::new(config)))
    }
}

fn unusable(key: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Rejected(format!("{key} cannot be used: {error}"))
}

/// Makes TLS connections, when there is a way to.
#[derive(Clone, Debug)]
pub(super) struct Connector(pub(super) Option<Tls>);

impl<S> MakeTlsConnect<S> for Connector
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Encrypted<S>;
    type TlsConnect = To;
    type Error = io::Error;

    /// Asked also for servers that are then not encrypted to.
    fn make_tls_connect(&mut self, domain: &str) -> io::Result<To> {
        Ok(To {
            tls: self.0.clone(),
            domain: domain.to_owned(),
        })
    }
}

/// A server to be connected to.
pub(super) struct To {
    tls: Option<Tls>,
    domain: String,
}

impl<S> TlsConnect<S> for To
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let Some(Tls(config)) = self.tls else {
                return Err(io::Error::other("there is no way to encrypt"));
            };
            let name = ServerName::try_from(self.domain).map_err(io::Error::other)?;
            let connecting = TlsConnector::from(config).connect(name, stream);
            Ok(Encrypted(Box::new(connecting.await?)))
        })
    }
}

/// An encrypted connection.
pub(super) struct Encrypted<S>(Box<tokio_rustls::client::TlsStream<S>>);

impl<S> TlsStream for Encrypted<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn channel_binding(&self) -> ChannelBinding {
        let certificates = self.0.get_ref().1.peer_certificates();
        let end_point = certificates.and_then(<[_]>::first).and_then(|der| hash(der));
        end_point.map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

/// RFC 5929 §4.1. Nothing for a signature that has no hash of its own.
fn hash(der: &[u8]) -> Option<Vec<u8>> {
    let certificate = Certificate::from_der(der).ok()?;
    Some(certificate.signature_algorithm().digest()?.digest(der))
}

impl<S> AsyncRead for Encrypted<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S> AsyncWrite for Encrypted<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
