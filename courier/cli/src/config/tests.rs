//! What the file says, and what is told when it says something else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::collections::BTreeMap;

use pki::SubjectAltName;
use secrecy::ExposeSecret as _;

use super::*;

pub(super) const UUID: &str = "550e8400-e29b-41d4-a716-446655440000";

/// Files that a test makes up.
impl Files for BTreeMap<PathBuf, Vec<u8>> {
    fn octets(&self, path: &Path, _: bool) -> Result<zeroize::Zeroizing<Vec<u8>>, String> {
        let found = self.get(path).cloned().map(zeroize::Zeroizing::new);
        found.ok_or_else(|| format!("{} cannot be read", path.display()))
    }
}

pub(super) fn read_in(
    text: &str,
    variables: &[(&str, &str)],
    is_exposed: bool,
) -> Result<Settings, Vec<String>> {
    let variables: BTreeMap<String, String> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let surroundings = Surroundings {
        path: Path::new("/etc/courier/web.yaml"),
        environment: &variables,
        files: &BTreeMap::from([(PathBuf::from("/etc/courier/secret"), b"from-the-file\n".to_vec())]),
        is_exposed,
        is_root: true,
    };
    parse(text, &surroundings, Options::default())
        .map_err(|fault| fault.problems().iter().map(ToString::to_string).collect())
}

pub(super) fn read(text: &str) -> Result<Settings, Vec<String>> {
    read_in(text, &[], false)
}

#[test]
fn an_empty_file_has_the_defaults() {
    for text in ["", "# nothing\n", "version: 1\n"] {
        let settings = read(text).unwrap();
        assert!(settings.api.is_none() && settings.auth.is_none() && settings.certificates.is_empty());
        assert_eq!(settings.action, Action::Run);
        assert_eq!(settings.logging, LogSettings::default());
    }
}

/// The examples of the contract, with a UUID in the place of the placeholder.
#[test]
fn the_examples_of_the_contract_are_read() {
    let spiffe = "auth:\n  method: spiffe\n  workload_api_socket: unix:///tmp/spire-agent/public/api.sock\n";
    let azure_jwt = "auth:\n  method: azure_jwt\n  tenant_id: your-azure-tenant-id\n  client_id: your-managed-identity-client-id\n  \
                     token_file: /var/run/secrets/azure/tokens/azure-identity-token  # optional\n";
    let aws = "auth:\n  method: aws_oidc\n  role_arn: arn:aws:iam::123456789012:role/ZaitaCourierRole\n  region: ap-southeast-2\n";
    for (name, text) in [("spiffe", spiffe), ("azure_jwt", azure_jwt), ("aws_oidc", aws)] {
        let settings = read(&format!("api:\n  uuid: \"{UUID}\"   # here\n\n{text}")).unwrap();
        let auth = settings.auth.unwrap();
        assert_eq!(auth.method.name(), name);
        assert_eq!(auth.uuid.to_string(), UUID);
    }
    let arc = "azure_arc\n  resource: \"https://management.azure.com/\"  # optional\n  himds_port: 40342                           # optional\n";
    let oidc = "oidc_jwt\n  token_endpoint: \"https://your-idp.example.com/token\"\n  resource: \"api://zaita-courier\"   # optional\n  \
                client_id: \"courier-client\"       # optional\n";
    let certificate = "certificate\n  cert_path: /etc/zaita/courier/client.crt\n  key_path: /etc/zaita/courier/client.key\n";
    let secret = "client_secret\n  client_id: cour_your_client_id\n  client_secret: your_client_secret\n  \
                  on_failure: \"/usr/local/bin/alert_auth_failure.sh\"\n";
    let variables =
        "client_secret\n  client_id: ${ZAITA_CLIENT_ID}\n  client_secret: ${ZAITA_CLIENT_SECRET}\n";
    let given = [
        ("ZAITA_CLIENT_ID", "cour_1"),
        ("ZAITA_CLIENT_SECRET", "of-the-variable"),
    ];
    for text in [arc, oidc, certificate, secret, variables] {
        let text = format!("auth:\n  uuid: \"{UUID}\"\n  method: {text}");
        let auth = read_in(&text, &given, false).unwrap().auth.unwrap();
        assert_eq!(Some(auth.method.name()), text.split_whitespace().nth(4));
        assert_eq!(auth.on_failure.is_some(), text.contains("on_failure"));
        if let crate::auth::Method::ClientSecret(settings) = &auth.method {
            let is_variable = text.contains("ZAITA");
            let expected = if is_variable {
                "of-the-variable"
            } else {
                "your_client_secret"
            };
            assert_eq!(settings.client_secret.expose_secret(), expected);
        }
    }
}

const WEB: &str = "api:\n  base_url: https://pki.example\n  uuid: 550e8400-e29b-41d4-a716-446655440000\n\
                   auth:\n  method: spiffe\ncertificate:\n  subject:\n    common_name: www.example.com\n";

#[test]
fn a_certificate_has_its_defaults() {
    let settings = read(WEB).unwrap();
    let [certificate] = settings.certificates.as_slice() else {
        panic!("one")
    };
    assert_eq!(certificate.name, "web");
    assert!(certificate.generate_keys_locally);
    assert_eq!(certificate.subject.to_string(), "CN=www.example.com");
    assert_eq!(
        certificate.names,
        [SubjectAltName::Dns("www.example.com".to_owned())]
    );
    assert_eq!(certificate.key.kind.to_string(), "ec-256");
    assert_eq!(certificate.renewal.threshold, crate::decide::Threshold::Default);
    assert!(certificate.renewal.use_server_window && certificate.renewal.on_config_change);
    assert_eq!(certificate.wait.as_secs(), 120);
    assert_eq!(certificate.output.dir, Path::new("/etc/courier"));
    assert_eq!(certificate.output.mode_key, 0o600);
    assert_eq!(certificate.state_dir, Path::new("/var/lib/courier"));
    assert_eq!(settings.warnings, Vec::<String>::new());
    let api = settings.api.unwrap();
    assert_eq!((api.retries, api.connect_timeout.as_secs()), (4, 10));
}
