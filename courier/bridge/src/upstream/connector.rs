//! Connections for HTTP: TCP, then TLS with the certificate of the instance.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Appliance, CONNECTING};

/// Makes connections to the appliance, whatever the address of a request says.
#[derive(Clone)]
pub(crate) struct Connector {
    appliance: Appliance,
    tls: TlsConnector,
}

impl Connector {
    pub(super) fn new(appliance: Appliance, config: Arc<ClientConfig>) -> Self {
        Self {
            appliance,
            tls: TlsConnector::from(config),
        }
    }
}

impl tower::Service<Uri> for Connector {
    type Response = Line;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Line>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (appliance, tls) = (self.appliance.clone(), self.tls.clone());
        Box::pin(async move {
            let stream = appliance.connect().await?;
            let shaken = tls.connect(appliance.name.clone(), stream);
            let stream = tokio::time::timeout(CONNECTING, shaken).await??;
            Ok(Line(TokioIo::new(stream)))
        })
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Line(TokioIo<TlsStream<TcpStream>>);

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
