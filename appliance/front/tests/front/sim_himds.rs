//! A simulated metadata service of an Azure Arc machine (HIMDS), after Microsoft's description of its protocol: a first question is
//! answered by the path of a file that only the machine's own users can read, and a second one that shows its content by a token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

type Mint = dyn Fn(&str) -> String + Send + Sync;

/// The service.
pub(crate) struct SimHimds {
    pub(crate) port: u16,
    pub(crate) tokens: TempDir,
    task: JoinHandle<()>,
}

struct Agent {
    folder: std::path::PathBuf,
    /// The challenge that was given out, good for one answer.
    open: Mutex<Option<String>>,
    mint: Box<Mint>,
}

impl Drop for SimHimds {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SimHimds {
    /// A service whose tokens for a resource are made by this.
    pub(crate) async fn start(mint: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let tokens = tempfile::tempdir().unwrap();
        let agent = Arc::new(Agent {
            folder: tokens.path().to_owned(),
            open: Mutex::new(None),
            mint: Box::new(mint),
        });
        let router = Router::new()
            .route("/metadata/identity/oauth2/token", get(token))
            .with_state(agent);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, tokens, task }
    }
}

async fn token(
    State(agent): State<Arc<Agent>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_asked_well =
        text("metadata") == Some("true") && query.get("api-version").is_some_and(|v| v == "2019-11-01");
    let Some(resource) = query.get("resource").filter(|_| is_asked_well) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Some(shown) = text("authorization") else {
        let name = uuid::Uuid::new_v4().to_string();
        let path = agent.folder.join(format!("{name}.key"));
        let challenge = format!("challenge-{name}");
        std::fs::write(&path, &challenge).unwrap();
        *agent.open.lock().unwrap() = Some(challenge);
        let realm = format!("Basic realm={}", path.display());
        return (StatusCode::UNAUTHORIZED, [("WWW-Authenticate", realm)]).into_response();
    };
    let open = agent.open.lock().unwrap().take();
    if open.is_none_or(|challenge| shown != format!("Basic {challenge}")) {
        return StatusCode::FORBIDDEN.into_response();
    }
    axum::Json(json!({
        "access_token": (agent.mint)(resource), "expires_in": "600", "resource": resource, "token_type": "Bearer"
    }))
    .into_response()
}
