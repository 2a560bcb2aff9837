//! A first configuration for a method of signing in, each key with what it means.
//!
//! What the keys mean is taken from the table of fields; what is written here is only which of them a beginner needs.

use std::fmt::Write as _;

use crate::config::fields;

/// How wide a comment is, in characters.
const WIDTH: usize = 110;

/// The methods that there is a first configuration for.
pub const METHODS: [&str; 7] = [
    "spiffe",
    "azure_jwt",
    "azure_arc",
    "aws_oidc",
    "oidc_jwt",
    "certificate",
    "client_secret",
];

/// What is known already; the rest has a placeholder.
#[derive(Clone, Debug)]
pub struct StarterOptions {
    /// The appliance.
    pub base_url: String,
    /// The courier.
    pub uuid: String,
    /// The first name of the certificate.
    pub common_name: String,
}

impl Default for StarterOptions {
    fn default() -> Self {
        Self {
            base_url: "https://pki.example.com".to_owned(),
            uuid: "00000000-0000-0000-0000-000000000000".to_owned(),
            common_name: "www.example.com".to_owned(),
        }
    }
}

/// A key of the section `auth` and its value; after `#` one that may be left out.
type Rows = &'static [(&'static str, &'static str)];

/// A commented configuration, in YAML; none for a method that there is not.
pub fn starter(method: &str, options: &StarterOptions) -> Option<String> {
    let rows = rows(method)?;
    let mut page = Page(String::from(
        "# A configuration of the courier. `courier validate-config` checks it, `courier run` does what it says.\n\
         # Texts may refer to variables: ${NAME}, ${NAME:-fallback}, ${file:path}; a literal ${ is written $${.\n\
         version: 1\n",
    ));
    let is_in_api = ["spiffe", "azure_jwt", "aws_oidc"].contains(&method);
    let uuid = quoted(&options.uuid);
    page.section("api");
    page.key("api.base_url", &quoted(&options.base_url));
    if is_in_api {
        page.key("api.uuid", &uuid);
    }
    page.key("#api.ca_file", "appliance-ca.pem");
    page.section("auth");
    page.line("auth.method", method);
    if !is_in_api {
        page.key("auth.uuid", &uuid);
    }
    for (key, value) in rows {
        page.key(key, value);
    }
    page.key("#auth.on_failure", "/usr/local/bin/alert-auth-failure.sh");
    page.section("certificate");
    page.key("certificate.generate_keys_locally", "true");
    page.section("certificate.subject");
    page.key("certificate.subject.common_name", &quoted(&options.common_name));
    page.section("certificate.sans");
    page.key(
        "certificate.sans.dns",
        &format!("[{}]", quoted(&options.common_name)),
    );
    page.section("certificate.key");
    page.key("certificate.key.algorithm", "ec-256");
    page.section("certificate.renew");
    page.key("#certificate.renew.before", "30d");
    page.section("certificate.output");
    // In /etc/courier this is the folder that the packaged service may write to.
    page.key("certificate.output.dir", "tls");
    page.section("certificate.hooks");
    page.key("#certificate.hooks.on_success", "[systemctl, reload, nginx]");
    page.section("logging");
    page.key("logging.level", "info");
    Some(page.0)
}

fn rows(method: &str) -> Option<Rows> {
    Some(match method {
        "spiffe" => &[(
            "auth.workload_api_socket",
            "unix:///tmp/spire-agent/public/api.sock",
        )],
        "azure_jwt" => &[
            ("auth.tenant_id", "your-azure-tenant-id"),
            ("auth.client_id", "your-managed-identity-client-id"),
            ("#auth.token_source", "auto"),
            ("#auth.token_file", "/var/run/secrets/appliance/token"),
        ],
        "azure_arc" => &[
            ("auth.resource", "api://your-appliance"),
            ("#auth.himds_port", "40342"),
        ],
        "aws_oidc" => &[
            ("auth.role_arn", "arn:aws:iam::123456789012:role/Courier"),
            ("auth.region", "eu-central-1"),
            ("#auth.token_source", "sts_web_identity"),
        ],
        "oidc_jwt" => &[
            ("auth.token_endpoint", "https://your-idp.example.com/token"),
            ("#auth.resource", "api://your-appliance"),
            ("#auth.client_id", "courier-client"),
        ],
        "certificate" => &[
            ("auth.cert_path", "client.crt"),
            ("auth.key_path", "client.key"),
            ("#auth.renew_with_certificate", "true"),
        ],
        "client_secret" => &[
            ("auth.client_id", "${COURIER_CLIENT_ID}"),
            ("auth.client_secret", "${COURIER_CLIENT_SECRET}"),
            ("#auth.client_secret_file", "client-secret"),
        ],
        _ => return None,
    })
}

/// A text in YAML, whatever stands in it.
fn quoted(text: &str) -> String {
    // JSON is YAML.
    serde_json::Value::from(text).to_string()
}

struct Page(String);

impl Page {
    /// The heading of a section. One whose keys are all comments is a section without keys.
    fn section(&mut self, path: &str) {
        if !path.contains('.') {
            self.0.push('\n');
        }
        self.0.push_str(&indent(path));
        let _ = writeln!(self.0, "{}:", last(path));
    }

    /// A key with what it means.
    fn key(&mut self, path: &str, value: &str) {
        let (path, is_comment) = match path.strip_prefix('#') {
            Some(path) => (path, true),
            None => (path, false),
        };
        let indent = indent(path);
        for line in wrapped(&meaning(path), WIDTH.saturating_sub(indent.len())) {
            let _ = writeln!(self.0, "{indent}# {line}");
        }
        if is_comment {
            let _ = writeln!(self.0, "{indent}#{}: {value}", last(path));
        } else {
            self.line(path, value);
        }
    }

    fn line(&mut self, path: &str, value: &str) {
        let _ = writeln!(self.0, "{}{}: {value}", indent(path), last(path));
    }
}

fn indent(path: &str) -> String {
    "  ".repeat(path.matches('.').count())
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn meaning(path: &str) -> String {
    let of = |path: &str| fields().find(|field| field.path == path);
    match (of(path), path.strip_suffix("_file").and_then(of)) {
        (Some(field), _) => field.meaning.to_owned(),
        (None, Some(field)) => format!("Or a file with it that others cannot read: {}", field.meaning),
        (None, None) => String::new(),
    }
}

/// A text in lines of some width.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test says what broke by panicking"
    )]

    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::config::{Origin, Settings, parse};

    fn read(text: &str) -> Settings {
        let variables = BTreeMap::from([
            ("COURIER_CLIENT_ID".to_owned(), "cour_x".to_owned()),
            ("COURIER_CLIENT_SECRET".to_owned(), "s3cr3t".to_owned()),
        ]);
        let origin = Origin {
            path: Path::new("/etc/courier/web.yaml"),
            base: Path::new("/etc/courier"),
            is_readable_by_others: true,
        };
        parse(text, origin, &variables, false).unwrap_or_else(|fault| panic!("{fault}\n{text}"))
    }

    #[test]
    fn a_starter_of_each_method_is_read() {
        for method in METHODS {
            let text = starter(method, &StarterOptions::default()).unwrap();
            let settings = read(&text);
            assert_eq!(settings.auth.as_ref().unwrap().method.name(), method);
            assert_eq!(settings.warnings, Vec::<String>::new(), "{method}");
            assert_eq!(settings.auth.unwrap().method.warnings(), Vec::<String>::new());
            let certificate = settings.certificates.first().unwrap();
            assert_eq!(certificate.output.dir, Path::new("/etc/courier/tls"));
            assert_eq!(certificate.subject.to_string(), "CN=www.example.com");
        }
        assert_eq!(starter("none", &StarterOptions::default()), None);
    }

    /// What stands there as a comment can be used by taking the `#` away, except where it stands for another key.
    #[test]
    fn the_comments_are_keys() {
        for method in METHODS.into_iter().filter(|method| *method != "client_secret") {
            let text = starter(method, &StarterOptions::default()).unwrap();
            let without: Vec<String> = text
                .lines()
                .map(|line| match line.trim_start().strip_prefix('#') {
                    Some(rest) if !rest.starts_with(' ') && !rest.contains("ca_file") => {
                        line.replacen('#', "", 1)
                    }
                    _ => line.to_owned(),
                })
                .collect();
            let settings = read(&without.join("\n"));
            assert!(settings.auth.unwrap().on_failure.is_some());
            assert!(settings.certificates.first().unwrap().hooks.on_success.is_some());
        }
    }

    #[test]
    fn what_is_given_is_data() {
        let options = StarterOptions {
            base_url: "https://a.example\nauth: {method: none}".to_owned(),
            common_name: "a.example\" #".to_owned(),
            ..StarterOptions::default()
        };
        let text = starter("spiffe", &options).unwrap();
        assert!(
            text.contains(r#"base_url: "https://a.example\nauth: {method: none}""#),
            "{text}"
        );
        assert!(text.contains(r#"common_name: "a.example\" #""#));
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH + 2, "{line}");
        }
    }

    #[test]
    fn every_key_of_a_starter_has_a_meaning() {
        for method in METHODS {
            for (key, _) in rows(method).unwrap() {
                assert!(!meaning(key.trim_start_matches('#')).is_empty(), "{key}");
            }
        }
    }
}
