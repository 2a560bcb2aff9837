//! A token of some issuer: of an endpoint, a file, a variable or a program.

mod endpoint;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

use super::presented::Presented;
use super::{Context, Fault, peek, token_file};

const PROGRAM_TIMEOUT: Duration = Duration::from_secs(30);

/// How a token is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenRequest {
    /// GET of the endpoint, `resource` and `client_id` in its query.
    #[default]
    Get,
    /// POST of the endpoint with the grant of that name (RFC 6749 §4.4).
    ClientCredentials,
    /// A file.
    File,
    /// A variable.
    Env,
    /// The standard output of a program.
    Exec,
}

/// The settings of `oidc_jwt`.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How a token is asked for.
    pub token_request: TokenRequest,
    /// The endpoint, for the two ways that have one.
    pub token_endpoint: Option<String>,
    /// The audience or resource that is asked for.
    pub resource: Option<String>,
    /// The name of the client.
    pub client_id: Option<String>,
    /// Headers sent to the endpoint.
    pub headers: Vec<(String, SecretString)>,
    /// Where the token stands in the answer (RFC 6901); without it `/access_token`, then `/value`, then `/id_token`.
    pub token_json_pointer: Option<String>,
    /// The scope that is asked for.
    pub scope: Option<String>,
    /// The audience that is asked for, for issuers that call it so.
    pub audience: Option<String>,
    /// The secret of the client.
    pub client_secret: Option<SecretString>,
    /// The key with which the client signs an assertion (RFC 7523), instead of a secret.
    pub client_key_path: Option<PathBuf>,
    /// The name of that key at the issuer.
    pub client_key_id: Option<String>,
    /// The file of `token_request: file`.
    pub token_file: Option<PathBuf>,
    /// The variable of `token_request: env`.
    pub token_env: Option<String>,
    /// Program and arguments of `token_request: exec`.
    pub exec: Vec<String>,
    /// Trust anchors for the endpoint, besides those of the system.
    pub token_endpoint_ca_file: Option<PathBuf>,
    /// Whether a token that a cloud would exchange is sent all the same.
    pub allow_foreign_audience: bool,
}

impl Settings {
    /// What is presented.
    pub(crate) async fn present(&self, context: &Context<'_>) -> Result<Presented, Fault> {
        let (token, origin) = match self.token_request {
            TokenRequest::Get => (self.asked().await?, "token_endpoint"),
            TokenRequest::ClientCredentials => (self.granted(context).await?, "token_endpoint"),
            TokenRequest::File => {
                let path = needed(self.token_file.as_ref(), "file", "token_file")?;
                (token_file::token(path, "token_file")?, "token_file")
            }
            TokenRequest::Env => {
                let name = needed(self.token_env.as_ref(), "env", "token_env")?;
                let value =
                    context.environment.var(name).map(Zeroizing::new).ok_or_else(|| {
                        Fault::Setting(format!("the variable {name} of token_env is not set"))
                    })?;
                (SecretString::from(value.trim()), "token_env")
            }
            TokenRequest::Exec => (printed(&self.exec).await?, "exec"),
        };
        peek::check(
            token.expose_secret(),
            origin,
            self.allow_foreign_audience,
            context.now,
        )?;
        Ok(Presented::OidcJwt { token })
    }
}

fn needed<'a, T>(value: Option<&'a T>, request: &str, name: &str) -> Result<&'a T, Fault> {
    value.ok_or_else(|| Fault::Setting(format!("token_request {request} needs `{name}`")))
}

/// What a program prints: bounded, in bounded time, and its errors are not read.
async fn printed(argv: &[String]) -> Result<SecretString, Fault> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(Fault::Setting(
            "token_request exec needs `exec`, a list".to_owned(),
        ));
    };
    let failed = |reason: String| Fault::Program {
        program: program.clone(),
        reason,
    };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|cause| failed(cause.to_string()))?;
    let output = child.stdout.take();
    let most = u64::try_from(token_file::MAX_FILE_LEN).unwrap_or(u64::MAX);
    let run = async {
        let mut printed = Zeroizing::new(Vec::with_capacity(token_file::MAX_FILE_LEN.saturating_add(1)));
        if let Some(output) = output {
            output
                .take(most.saturating_add(1))
                .read_to_end(&mut printed)
                .await?;
        }
        if printed.len() > token_file::MAX_FILE_LEN {
            return Ok((None, printed));
        }
        Ok::<_, std::io::Error>((Some(child.wait().await?), printed))
    };
    let (status, printed) = tokio::time::timeout(PROGRAM_TIMEOUT, run)
        .await
        .map_err(|_| {
            failed(format!(
                "it took longer than {} seconds",
                PROGRAM_TIMEOUT.as_secs()
            ))
        })?
        .map_err(|cause| failed(cause.to_string()))?;
    let Some(status) = status else {
        return Err(failed(format!(
            "it printed more than {} octets",
            token_file::MAX_FILE_LEN
        )));
    };
    if !status.success() {
        return Err(failed(status.to_string()));
    }
    let text = std::str::from_utf8(&printed)
        .map_err(|_| failed("what it printed is not text".to_owned()))?
        .trim();
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests;
