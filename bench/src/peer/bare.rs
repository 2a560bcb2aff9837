//! The floor: a hyper server that returns prepared bytes with prepared headers and does nothing else. Of a POST it reads the
//! body first. It runs as a process of its own, a hidden mode of this program, so that its CPU is measured like the others'.

use std::convert::Infallible;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, DATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::http::Answer;
use crate::peer::{Peer, free_port};

const FILE: &str = "answer";

/// Starts one that gives this answer.
pub(crate) async fn start(answer: &Answer<'_>) -> Result<Peer> {
    let folder = TempDir::new()?;
    std::fs::write(
        folder.path().join(FILE),
        [answer.head, b"\r\n\r\n", answer.body].concat(),
    )?;
    let port = free_port()?;
    let command = command(folder.path(), port)?;
    Peer::start("bare hyper", folder, command, port).await
}

fn command(folder: &Path, port: u16) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--bare").arg(folder.join(FILE)).arg(port.to_string());
    Ok(command)
}

/// In that process: serves until it is killed.
pub(crate) fn serve(file: &Path, port: u16) -> Result<()> {
    let (headers, body) = parse(&std::fs::read(file)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (headers, body) = (headers.clone(), body.clone());
            tokio::spawn(async move {
                let service = service_fn(|request| answer(request, &headers, &body));
                // A client that goes away ends its connection, and nothing else.
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}

async fn answer(
    request: Request<Incoming>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::POST {
        // What is wrong with a body shows when the connection is read on.
        let _ = request.into_body().collect().await;
    }
    let mut response = Response::new(Full::new(body.clone()));
    response.headers_mut().clone_from(headers);
    Ok(response)
}

/// The headers of an answer, without those that hyper writes itself, and its body.
fn parse(octets: &[u8]) -> Result<(HeaderMap, Bytes)> {
    let end = octets
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .context("an answer")?;
    let head = std::str::from_utf8(octets.get(..end).unwrap_or_default())?;
    let mut headers = HeaderMap::new();
    for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
        let name = HeaderName::from_bytes(name.as_bytes())?;
        if name != CONTENT_LENGTH && name != DATE {
            headers.append(name, HeaderValue::from_str(value.trim())?);
        }
    }
    Ok((
        headers,
        Bytes::copy_from_slice(octets.get(end + 4..).unwrap_or_default()),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;
    use crate::peer::words;

    #[test]
    fn headers_and_body_are_those_of_the_answer() {
        let octets = b"HTTP/1.1 200 OK\r\nETag: \"x\"\r\nContent-Length: 2\r\ndate: now\r\n\r\nok";
        let (headers, body) = parse(octets).unwrap();
        assert_eq!(headers.len(), 1);
        assert_eq!(headers.get("etag").unwrap(), "\"x\"");
        assert_eq!(body, "ok");
        assert!(parse(b"nothing").is_err());
    }

    #[test]
    fn it_is_this_program_again() {
        let command = command(Path::new("/f"), 9).unwrap();
        assert!(words(&command).ends_with(" --bare /f/answer 9"));
    }
}
