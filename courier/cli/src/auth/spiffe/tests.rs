//! Tests against a simulated Workload API: gRPC over a Unix socket, its few messages written by hand after the published description.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

use super::super::bed::{COURIER, IDENTITY, NONCE, Surroundings, part, token, token_with};
use super::*;
use crate::auth::Method;
use crate::client::bed::certificates::Authority;

/// What was asked: the fields of a request, by their numbers.
type Fields = Vec<(u8, String)>;

struct SimAgent {
    dir: TempDir,
    asked: Arc<Mutex<Vec<Fields>>>,
    task: JoinHandle<()>,
}

impl Drop for SimAgent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SimAgent {
    /// An agent that gives this token; without one it says that the workload has no identity.
    fn start(token: Option<String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("api.sock")).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mut connection = h2::server::handshake(stream).await.unwrap();
                let (token, log) = (token.clone(), Arc::clone(&log));
                tokio::spawn(async move {
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(answer(request, respond, token.clone(), Arc::clone(&log)));
                    }
                });
            }
        });
        Self { dir, asked, task }
    }

    fn socket(&self) -> String {
        format!("unix://{}/api.sock", self.dir.path().display())
    }
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    token: Option<String>,
    log: Arc<Mutex<Vec<Fields>>>,
) {
    let is_right = request.uri().path() == "/SpiffeWorkloadAPI/FetchJWTSVID"
        && request
            .headers()
            .get("workload.spiffe.io")
            .is_some_and(|value| value == "true");
    let mut body = request.into_body();
    let mut octets = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        octets.extend_from_slice(&chunk);
    }
    log.lock().unwrap().push(fields(&octets[5..]));
    let head = http::Response::builder()
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    let mut stream = respond.send_response(head, false).unwrap();
    let status = match token {
        Some(token) if is_right => {
            let svid = [field(1, b"spiffe://example.test/web"), field(2, token.as_bytes())].concat();
            let message = field(1, &svid);
            let mut framed = vec![0];
            framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
            framed.extend(message);
            stream.send_data(framed.into(), false).unwrap();
            "0"
        }
        // PERMISSION_DENIED: no identity issued.
        _ => "7",
    };
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    stream.send_trailers(trailers).unwrap();
}

/// A field of protobuf that has a length.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut octets = vec![number << 3 | 2];
    let mut length = value.len();
    while length >= 0x80 {
        octets.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    octets.push(u8::try_from(length).unwrap());
    octets.extend(value);
    octets
}

fn fields(mut octets: &[u8]) -> Fields {
    let mut fields = Vec::new();
    while let [key, length, rest @ ..] = octets {
        assert!(
            *length < 0x80 && key & 7 == 2,
            "a longer message than this reader is for"
        );
        let (value, rest) = rest.split_at(usize::from(*length));
        fields.push((key >> 3, String::from_utf8(value.to_vec()).unwrap()));
        octets = rest;
    }
    fields
}

async fn given(surroundings: &Surroundings, settings: Settings) -> Result<String, Fault> {
    match surroundings.present(&Method::Spiffe(settings)).await? {
        Presented::SpiffeJwt { token } => Ok(token.expose_secret().to_owned()),
        other => panic!("no token: {other:?}"),
    }
}

#[tokio::test]
async fn sim_auth_workload_api_gives_a_token_for_the_appliance() {
    let agent = SimAgent::start(Some(token(IDENTITY)));
    let set = Settings {
        workload_api_socket: Some(agent.socket()),
        ..Settings::default()
    };
    assert_eq!(
        given(&Surroundings::nowhere(), set).await.unwrap(),
        token(IDENTITY)
    );
    let set = Settings {
        audience: Some("other".to_owned()),
        spiffe_id: Some("spiffe://example.test/web".to_owned()),
        ..Settings::default()
    };
    let surroundings = Surroundings {
        thumbprint: Some("thumb".to_owned()),
        ..Surroundings::nowhere().with("SPIFFE_ENDPOINT_SOCKET", agent.socket())
    };
    given(&surroundings, set).await.unwrap();
    let text = str::to_owned;
    assert_eq!(
        *agent.asked.lock().unwrap(),
        [
            vec![(1, text(IDENTITY))],
            vec![
                (1, text("other")),
                (1, text("urn:ietf:params:oauth:jwk-thumbprint:sha-256:thumb")),
                (2, text("spiffe://example.test/web")),
            ],
        ]
    );
}

#[tokio::test]
async fn sim_auth_workload_api_without_an_identity_or_without_a_socket_is_told() {
    let agent = SimAgent::start(None);
    let set = Settings {
        workload_api_socket: Some(agent.socket()),
        ..Settings::default()
    };
    let fault = given(&Surroundings::nowhere(), set).await.unwrap_err();
    assert!(matches!(fault, Fault::Unreachable { .. }), "{fault}");
    assert_eq!(fault.exit_code(), 3);
    let absent = Settings {
        workload_api_socket: Some("unix:///nonexistent/api.sock".to_owned()),
        ..Settings::default()
    };
    assert_eq!(
        given(&Surroundings::nowhere(), absent)
            .await
            .unwrap_err()
            .exit_code(),
        3
    );
    assert_eq!(
        given(&Surroundings::nowhere(), Settings::default())
            .await
            .unwrap_err()
            .exit_code(),
        2
    );
    let wrong = Settings {
        workload_api_socket: Some(agent.socket()),
        spiffe_id: Some("web".to_owned()),
        ..Settings::default()
    };
    assert_eq!(
        given(&Surroundings::nowhere(), wrong)
            .await
            .unwrap_err()
            .exit_code(),
        2
    );
}

#[tokio::test]
async fn a_file_goes_before_the_socket_and_holds_a_token_or_a_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("svid");
    std::fs::write(&path, format!("{}\n", token(IDENTITY))).unwrap();
    let set = || Settings {
        workload_api_socket: Some("unix:///nonexistent/api.sock".to_owned()),
        ..Settings::default()
    };
    let surroundings = Surroundings::nowhere().with("SPIFFE_SVID_PATH", path.to_str().unwrap());
    assert_eq!(given(&surroundings, set()).await.unwrap(), token(IDENTITY));

    let authority = Authority::new();
    let pair = authority.certify("web", "URI:spiffe://example.test/web");
    let both = [
        std::fs::read(&pair.certificate).unwrap(),
        authority.pem(),
        std::fs::read(&pair.key).unwrap(),
    ]
    .concat();
    std::fs::write(&path, both).unwrap();
    let presented = surroundings.present(&Method::Spiffe(set())).await.unwrap();
    let Presented::SpiffeX509 { challenge_jws } = presented else {
        panic!("no certificate: {presented:?}");
    };
    let jws = challenge_jws.expose_secret();
    assert_eq!(part(jws, 0)["x5c"].as_array().unwrap().len(), 2);
    assert_eq!(
        part(jws, 1),
        json!({ "nonce": NONCE, "uuid": COURIER.to_string(), "aud": IDENTITY, "iat": 1_800_000_000, "method": "spiffe" })
    );
    assert_eq!(
        URL_SAFE_NO_PAD
            .decode(jws.rsplit_once('.').unwrap().1)
            .unwrap()
            .len(),
        64
    );
}

/// The client of Python's `spiffe`, which nobody here wrote, takes what the simulated agent says for a Workload API, and reads the same.
#[tokio::test]
async fn e2e_courier_spiffe_another_client_is_given_the_same_token() {
    const SCRIPT: &str = "import sys
from spiffe import WorkloadApiClient
with WorkloadApiClient(sys.argv[1]) as client:
    svid = client.fetch_jwt_svid({sys.argv[2]})
    print(svid.token, svid.spiffe_id)";
    let id = "spiffe://example.test/web";
    let svid = token_with(&json!({ "aud": [IDENTITY], "exp": 4_102_444_800_i64, "sub": id }));
    let agent = SimAgent::start(Some(svid.clone()));
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/python");
    assert!(python.exists(), "no {}: run `cargo xtask test`", python.display());
    let other = tokio::process::Command::new(&python)
        // gRPC makes the name of the server of the path, and the library under the agent takes no name with a slash.
        .args(["-c", SCRIPT, "unix:api.sock", IDENTITY])
        .current_dir(agent.dir.path())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8_lossy(&other.stdout);
    assert_eq!(
        printed.trim(),
        format!("{svid} {id}"),
        "{}",
        String::from_utf8_lossy(&other.stderr)
    );
    let set = Settings {
        workload_api_socket: Some(agent.socket()),
        ..Settings::default()
    };
    assert_eq!(given(&Surroundings::nowhere(), set).await.unwrap(), svid);
    // Both asked for the same.
    let asked = agent.asked.lock().unwrap();
    assert_eq!(asked[0], asked[1]);
}
