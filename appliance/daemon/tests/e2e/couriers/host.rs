//! A host with a courier: a folder with its configuration, and the record of it at an appliance.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::Api;
use crate::harness::Appliance;
pub(crate) use crate::harness::text;

/// The host.
#[derive(Debug)]
pub(crate) struct Host {
    dir: TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Host {
    /// A host whose courier signs in with a secret. `hooks` are more lines of the section `hooks`.
    pub(crate) fn new(appliance: &Appliance, name: &str, hooks: &str) -> Self {
        let secret = register(&Api::new(appliance), name);
        Self::with_secret(appliance, name, &secret["uuid"], &secret, hooks)
    }

    /// A host whose courier is known to the appliance already.
    pub(crate) fn with_secret(
        appliance: &Appliance,
        name: &str,
        uuid: &Value,
        secret: &Value,
        hooks: &str,
    ) -> Self {
        let host = Self::bare();
        let bundle = std::fs::read(appliance.state().join("ca-bundle.pem")).unwrap();
        std::fs::write(host.file("appliance.pem"), bundle).unwrap();
        Self::write_secret(&host.file("secret"), secret["client_secret"].as_str().unwrap());
        let hook = host.write_hook();
        let configuration = format!(
            "version: 1
api:
  base_url: {url}
  ca_file: appliance.pem
  retries: 1
  retry_max_delay: 1s
auth:
  method: client_secret
  uuid: {uuid}
  client_id: {client_id}
  client_secret_file: secret
  on_failure: '{hook}'
certificate:
  name: {name}
  state_dir: state
  subject:
    common_name: {name}.example.com
  output:
    dir: live
  hooks:
    on_success: [{hook}]
{hooks}",
            url = appliance.api_url(),
            uuid = uuid.as_str().unwrap(),
            client_id = secret["client_id"].as_str().unwrap(),
        );
        std::fs::write(host.file("config.yaml"), configuration).unwrap();
        host
    }

    fn bare() -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self {
            dir,
            environment: Vec::new(),
        }
    }

    /// A hook that notes what it is told, and fails while the file `hook.fails` is there.
    fn write_hook(&self) -> String {
        let (hook, log, fails) = (self.file("hook"), self.file("hook.log"), self.file("hook.fails"));
        let script = format!(
            "#!/bin/sh\necho \"$COURIER_EVENT ${{COURIER_NAME:-{}}} $COURIER_SERIAL $COURIER_FULLCHAIN_PATH\" >> {}\n[ ! -e {} ]\n",
            "web01",
            log.display(),
            fails.display()
        );
        std::fs::write(&hook, script).unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        hook.display().to_string()
    }

    fn write_secret(path: &Path, secret: &str) {
        std::fs::write(path, format!("{secret}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Another secret.
    pub(crate) fn change_secret(&self, secret: &str) {
        Self::write_secret(&self.file("secret"), secret);
    }

    /// Another client id with its secret.
    pub(crate) fn take_secret(&self, secret: &Value) {
        self.change_secret(secret["client_secret"].as_str().unwrap());
        let text = std::fs::read_to_string(self.file("config.yaml")).unwrap();
        let old = text
            .lines()
            .find(|line| line.contains("client_id:"))
            .unwrap()
            .to_owned();
        let new = format!("  client_id: {}", secret["client_id"].as_str().unwrap());
        self.change(&old, &new);
    }

    /// A variable for the programs of the host.
    pub(crate) fn set(&mut self, name: &'static str, value: String) {
        self.environment.push((name, value));
    }

    /// A program in the environment of the host.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment.iter().cloned());
        command
    }

    /// Changes the configuration.
    pub(crate) fn change(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.file("config.yaml")).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(self.file("config.yaml"), text.replace(from, to)).unwrap();
    }

    /// Takes the secret out of the configuration, whose method has to be changed as well.
    pub(crate) fn forget_secret(&self) {
        let config = std::fs::read_to_string(self.file("config.yaml")).unwrap();
        let of_secret = |line: &&str| line.contains("client_id:") || line.contains("client_secret_file:");
        for line in config.lines().filter(of_secret) {
            self.change(&format!("{line}\n"), "");
        }
    }

    /// Adds lines to the configuration.
    pub(crate) fn add(&self, lines: &str) {
        let text = std::fs::read_to_string(self.file("config.yaml")).unwrap();
        std::fs::write(self.file("config.yaml"), text + lines).unwrap();
    }

    /// A program of the host.
    pub(crate) fn program(&self, name: &str, script: &str) {
        std::fs::write(self.file(name), script).unwrap();
        std::fs::set_permissions(self.file(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A text in which `DIR` is the folder of a server on this host.
    pub(crate) fn in_server(&self, text: &str) -> String {
        text.replace("DIR", self.file("server").to_str().unwrap())
    }

    /// A file of the host.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file that the courier installs.
    pub(crate) fn output(&self, name: &str) -> PathBuf {
        self.file("live").join(name)
    }

    /// Runs the program.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_chancery")).with_file_name("courier");
        assert!(
            program.exists(),
            "courier is not built: run the tests by `cargo xtask test`"
        );
        let mut command = self.command(program);
        command.arg("--config").arg(self.file("config.yaml")).args(words);
        command.current_dir(self.dir.path()).output().unwrap()
    }

    /// Runs the program, which must succeed; its standard output.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the program, which must succeed; the object that it prints.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let mut all = vec!["--output", "json"];
        all.extend(words);
        let printed = self.ok(&all);
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }
}

/// A record at the appliance with a secret: UUID, name of the secret, secret.
fn register(api: &Api, name: &str) -> Value {
    let (status, told) = api.post("domains", &json!({ "apex": "example.com" }));
    assert!(matches!(status, 201 | 409), "{told}");
    let record = json!({
        "allowed_names": ["*.example.com"], "profiles": ["tls-server"], "issuer": "issuing", "may_revoke": true,
        "platform_keys": "allow",
    });
    let (status, made) = api.post("couriers", &json!({ "name": name, "record": record }));
    assert_eq!(status, 201, "{made}");
    let (status, mut secret) = api.post(&format!("couriers/{name}/client-secrets"), &json!({}));
    assert_eq!(status, 201, "{secret}");
    secret["uuid"] = made["id"].clone();
    secret
}
