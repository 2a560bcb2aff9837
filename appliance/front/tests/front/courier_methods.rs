//! Every method of signing in, by the courier's own code at a real front, with a session that is bound to a key and with one that is not.

use courier::auth::{Method, aws_oidc, azure_arc, azure_jwt, certificate, oidc_jwt, spiffe};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::courier_run::{order, with_secret};
use crate::courier_site::{Host, IDENTITY, Site};
use crate::holder::Holder;
use crate::sim_himds::SimHimds;

pub(crate) const SPIFFE_ID: &str = "spiffe://example.com/web";

/// Both kinds of session are opened, are what they should be, and get a certificate.
pub(crate) async fn works(site: &Site, method: &str, host: impl Fn() -> Host) {
    for has_proof in [true, false] {
        let courier = site.at(host(), has_proof);
        courier.sign_in().await.unwrap();
        let verified = courier.verify().await.unwrap();
        assert_eq!(verified.method, method);
        let kind = if has_proof { "DPoP" } else { "Bearer" };
        assert_eq!(verified.session.token_type, kind, "{method}");
        let name = format!("{}.example.com", kind.to_ascii_lowercase());
        let placed = courier
            .order(&order(&name), &Uuid::new_v4().to_string())
            .await
            .unwrap();
        assert_eq!(placed.value.order.status, "issued", "{method}");
        courier.sign_out().await;
    }
}

/// A host that shows a token from a variable.
pub(crate) fn host_with(uuid: Uuid, token: &str) -> Host {
    let settings = oidc_jwt::Settings {
        token_request: oidc_jwt::TokenRequest::Env,
        token_env: Some("TOKEN".to_owned()),
        ..oidc_jwt::Settings::default()
    };
    Host::new(uuid, Method::OidcJwt(Box::new(settings))).with("TOKEN", token)
}

/// Files with a certificate for clients of the house and its key.
pub(crate) async fn client_certificate(site: &Site, name: &str) -> (certificate::Settings, Value) {
    let holder = Holder::new();
    let wanted = json!({ "csr_pem": holder.csr(&[&format!("dns:{name}")]), "profile": "tls-client" });
    let issued = site.admin.post_ok("/api/v1/certificates", wanted).await;
    let settings = certificate::Settings {
        cert_path: site.file(
            &format!("{name}.pem"),
            issued["certificate_pem"].as_str().unwrap(),
        ),
        key_path: site.file(&format!("{name}.key"), &holder.key_pem()),
        mutual_tls: false,
        installed: None,
    };
    (settings, issued)
}

#[tokio::test]
async fn a_client_secret_signs_in() {
    let site = Site::open().await;
    let (uuid, method) = with_secret(&site, "web01", json!({})).await;
    let Method::ClientSecret(settings) = method else {
        panic!("another method");
    };
    works(&site, "client_secret", || {
        Host::new(uuid, Method::ClientSecret(settings.clone()))
    })
    .await;
}

#[tokio::test]
async fn a_certificate_signs_in_by_a_challenge() {
    let site = Site::open().await;
    let (settings, _) = client_certificate(&site, "web01.example.com").await;
    let binding = json!({ "method": "certificate", "issuer": "issuing", "names": ["dns:web01.example.com"] });
    let uuid = site.courier("web01", binding).await;
    works(&site, "certificate", || {
        Host::new(uuid, Method::Certificate(settings.clone()))
    })
    .await;
}

#[tokio::test]
async fn a_certificate_of_any_kind_of_key_signs_in_by_its_pin() {
    let site = Site::open().await;
    let kinds: [(&str, &[&str]); 4] = [
        ("rsa", &["-newkey", "rsa:2048"]),
        ("p384", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"]),
        ("p521", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"]),
        ("ed25519", &["-newkey", "ed25519"]),
    ];
    for (name, kind) in kinds {
        let (pem, key) = (format!("{name}.pem"), format!("{name}.key"));
        let files = [
            "-nodes", "-keyout", &key, "-out", &pem, "-subj", "/CN=web", "-days", "2",
        ];
        site.openssl(&[&["req", "-x509"], kind, &files].concat());
        let settings = certificate::Settings {
            cert_path: site.folder.path().join(&pem),
            key_path: site.folder.path().join(&key),
            mutual_tls: false,
            installed: None,
        };
        let certificate = pki::Certificate::parse(&std::fs::read(&settings.cert_path).unwrap()).unwrap();
        let print = certificate.public_key().fingerprint().0;
        let pin = print.map(|octet| format!("{octet:02x}")).concat();
        let uuid = site
            .courier(name, json!({ "method": "certificate", "spki_sha256": [pin] }))
            .await;
        let courier = site.at(Host::new(uuid, Method::Certificate(settings)), true);
        assert_eq!(courier.verify().await.unwrap().method, "certificate", "{name}");
    }
}

#[tokio::test]
async fn an_x509_svid_signs_in_by_a_challenge() {
    let site = Site::open().await;
    let (svid, bundle) = x509_svid(&site, SPIFFE_ID);
    let path = site.file("svid.pem", &svid);
    let binding = json!({ "method": "spiffe", "spiffe_id": SPIFFE_ID, "bundle": { "static": bundle } });
    let uuid = site.courier("web01", binding).await;
    works(&site, "spiffe", || {
        Host::new(uuid, Method::Spiffe(spiffe::Settings::default()))
            .with("SPIFFE_SVID_PATH", path.to_str().unwrap())
    })
    .await;
}

#[tokio::test]
async fn a_jwt_svid_signs_in() {
    let site = Site::open().await;
    let claims = json!({ "sub": SPIFFE_ID, "aud": [IDENTITY], "exp": site.now() + 300, "iat": site.now() });
    let path = site.file("svid.jwt", &site.issuer.token(&claims));
    let mut key = site.issuer.jwk();
    key["use"] = "jwt-svid".into();
    let binding = json!({ "method": "spiffe", "spiffe_id": "spiffe://example.com/*", "bundle": { "static": { "keys": [key] } } });
    let uuid = site.courier("web01", binding).await;
    works(&site, "spiffe", || {
        Host::new(uuid, Method::Spiffe(spiffe::Settings::default()))
            .with("SPIFFE_SVID_PATH", path.to_str().unwrap())
    })
    .await;
}

#[tokio::test]
async fn a_token_of_an_issuer_signs_in() {
    let site = Site::open().await;
    let mut binding = site.binding("oidc_jwt");
    binding["claims"] = json!({ "repository": "org/web", "/env/stage": "live" });
    let uuid = site.courier("web01", binding).await;
    let mut claims = site.claims();
    claims["repository"] = "org/web".into();
    claims["env"] = json!({ "stage": "live" });
    let token = site.issuer.token(&claims);
    works(&site, "oidc_jwt", || host_with(uuid, &token)).await;
}

#[tokio::test]
async fn an_azure_workload_signs_in() {
    let site = Site::open().await;
    let mut binding = site.binding("azure_jwt");
    binding["tenant_id"] = "tenant-1".into();
    let uuid = site.courier("web01", binding).await;
    let mut claims = site.claims();
    claims["tid"] = "tenant-1".into();
    let path = site.file("azure.jwt", &site.issuer.token(&claims));
    works(&site, "azure_jwt", || {
        Host::new(
            uuid,
            Method::AzureJwt(azure_jwt::Settings::new("tenant-1", "client-1")),
        )
        .with("AZURE_FEDERATED_TOKEN_FILE", path.to_str().unwrap())
    })
    .await;
}

#[tokio::test]
async fn an_arc_machine_signs_in_with_what_the_simulated_agent_gives() {
    let site = Site::open().await;
    let resource = "api://chancery";
    let mut binding = site.binding("azure_arc");
    binding["tenant_id"] = "tenant-1".into();
    binding["resource"] = resource.into();
    binding["audiences"] = json!([resource]);
    let uuid = site.courier("web01", binding).await;
    let mut claims = site.claims();
    claims["tid"] = "tenant-1".into();
    claims["aud"] = resource.into();
    let token = site.issuer.token(&claims);
    let agent = SimHimds::start(move |asked| {
        assert_eq!(asked, resource);
        token.clone()
    })
    .await;
    works(&site, "azure_arc", || {
        let settings = azure_arc::Settings {
            resource: resource.to_owned(),
            himds_port: Some(agent.port),
        };
        let mut host = Host::new(uuid, Method::AzureArc(settings));
        host.places.arc_tokens = agent.tokens.path().to_owned();
        host
    })
    .await;
}

#[tokio::test]
async fn an_aws_workload_signs_in() {
    let site = Site::open().await;
    let role = "arn:aws:iam::123456789012:role/web";
    let mut binding = site.binding("aws_oidc");
    binding["subject"] = "system:serviceaccount:prod:web".into();
    binding["role_arn"] = role.into();
    let uuid = site.courier("web01", binding).await;
    let mut claims = site.claims();
    claims["sub"] = "system:serviceaccount:prod:web".into();
    let path = site.file("aws.jwt", &site.issuer.token(&claims));
    works(&site, "aws_oidc", || {
        Host::new(
            uuid,
            Method::AwsOidc(aws_oidc::Settings::new(role, "eu-central-1")),
        )
        .with("AWS_WEB_IDENTITY_TOKEN_FILE", path.to_str().unwrap())
    })
    .await;
}

/// An X.509-SVID with its key, and the bundle of its trust domain.
pub(crate) fn x509_svid(site: &Site, id: &str) -> (String, Value) {
    let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let authority = [
        "-x509",
        "-keyout",
        "td.key",
        "-out",
        "td.pem",
        "-subj",
        "/CN=Trust Domain",
        "-days",
        "2",
        "-addext",
        "basicConstraints=critical,CA:TRUE",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
    ];
    site.openssl(&[&["req"], &ec[..], &authority[..]].concat());
    let request = ["-keyout", "svid.key", "-out", "svid.csr", "-subj", "/CN=svid"];
    site.openssl(&[&["req"], &ec[..], &request[..]].concat());
    site.file(
        "svid.ext",
        &format!(
            "subjectAltName=URI:{id}\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n"
        ),
    );
    site.openssl(&[
        "x509",
        "-req",
        "-in",
        "svid.csr",
        "-CA",
        "td.pem",
        "-CAkey",
        "td.key",
        "-CAcreateserial",
        "-days",
        "1",
        "-extfile",
        "svid.ext",
        "-out",
        "leaf.pem",
    ]);
    let read = |name: &str| std::fs::read_to_string(site.folder.path().join(name)).unwrap();
    let top = pki::Certificate::parse(read("td.pem").as_bytes()).unwrap();
    let mut key = jose::Jwk::from_spki_der(top.public_key().spki_der()).unwrap();
    key.key_use = Some(jose::jwk::KeyUse::X509Svid);
    key.x5c = vec![top.der().to_vec()];
    let key: Value = serde_json::from_str(&key.to_json()).unwrap();
    (
        format!("{}{}", read("leaf.pem"), read("svid.key")),
        json!({ "keys": [key] }),
    )
}
