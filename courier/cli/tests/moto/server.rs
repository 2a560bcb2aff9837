//! moto's server, which checks signatures by botocore, AWS's own code.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// moto's server, which ends with this.
pub(crate) struct Moto {
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    _child: Child,
}

/// A key that it knows.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Moto {
    pub(crate) async fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/moto_server");
        let mut child = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|fault| panic!("{}: {fault}; run `cargo xtask test`", program.display()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = loop {
            let line = lines.next_line().await.unwrap().expect("moto ended");
            if let Some((_, url)) = line.split_once("Running on ") {
                break url.trim().to_owned();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            url,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            _child: child,
        }
    }

    /// A question to its IAM, which is not checked yet.
    async fn iam(&self, body: &str) -> String {
        let scope = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0";
        let answer = self
            .http
            .post(&self.url)
            .header("authorization", scope)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.to_owned())
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{text}");
        text
    }

    /// A user with a key; from here on every signature is verified.
    pub(crate) async fn key_of(&self, user: &str) -> Key {
        self.iam(&format!("Action=CreateUser&Version=2010-05-08&UserName={user}"))
            .await;
        let made = self
            .iam(&format!(
                "Action=CreateAccessKey&Version=2010-05-08&UserName={user}"
            ))
            .await;
        let strict = self
            .http
            .post(format!("{}/moto-api/reset-auth", self.url))
            .body("0");
        assert!(strict.send().await.unwrap().status().is_success());
        Key {
            id: element(&made, "AccessKeyId"),
            secret: element(&made, "SecretAccessKey"),
        }
    }
}

pub(crate) fn element(xml: &str, name: &str) -> String {
    let rest = xml.split_once(&format!("<{name}>")).expect(xml).1;
    rest.split_once("</").unwrap().0.to_owned()
}
