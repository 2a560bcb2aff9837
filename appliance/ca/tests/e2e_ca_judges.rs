//! What foreign judges say of what the authority hands out and publishes: openssl verifies chain, CRL and OCSP answer before
//! and after a revocation; pkilint lints the CAs, a certificate of every ready profile, the CRL and the OCSP answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

#[path = "support/bed.rs"]
#[expect(dead_code, reason = "this test binary does not use all of it")]
mod bed;
#[path = "support/request.rs"]
mod request;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use bed::{admin, issuing, root, server_request};
use ca::{Authority, CertRef, Clock, IssueRequest, Issued, RevokeRequest, Settings, Signer};
use pki::KeyAlgorithm;
use pki::crl::RevocationReason;
use pki::profile::Profile;
use request::{Holder, ca_csr, csr};
use token::KeyRing;

struct Desk {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Desk {
    /// A root and an issuing CA of this kind, at the judges' own time.
    async fn new(algorithm: KeyAlgorithm) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = store_bed::open(folder.path().join("store.db"));
        let signer = Signer::in_process(Arc::new(KeyRing::in_memory()));
        let settings = Settings::new("http://pki.example");
        let authority = Authority::open(store, signer, Clock::system(), settings)
            .await
            .unwrap();
        authority
            .create_root(&admin(), root("root", algorithm))
            .await
            .unwrap();
        authority
            .create_issuing(&admin(), issuing("issuing", "root", algorithm))
            .await
            .unwrap();
        let desk = Self { folder, authority };
        for name in ["root", "issuing"] {
            let certificate = desk.authority.issuer(name).unwrap().certificate.clone().unwrap();
            desk.write(&format!("{name}.pem"), certificate.pem().as_bytes());
        }
        desk
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    fn write(&self, name: &str, octets: &[u8]) -> String {
        std::fs::write(self.folder.path().join(name), octets).unwrap();
        self.path(name)
    }

    fn write_leaf(&self, name: &str, issued: &Issued) -> String {
        self.write(name, bed::certificate(issued).pem().as_bytes())
    }

    fn write_crls(&self) {
        for name in ["root", "issuing"] {
            let crl = self
                .authority
                .current_crl(self.authority.issuer(name).unwrap().id)
                .unwrap();
            let crl = pki::Crl::parse(&crl.der().unwrap()).unwrap();
            self.write(&format!("{name}.crl.pem"), crl.pem().as_bytes());
        }
    }

    /// Runs openssl in the folder; whether it succeeded, and all it said.
    fn openssl(&self, arguments: &str) -> (bool, String) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .expect("openssl must be installed for this test");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    /// Has openssl make a request, answers it, and has openssl judge the answer.
    async fn ocsp(&self, hash: &str) -> String {
        let (made, said) = self.openssl(&format!(
            "ocsp -no_nonce -{hash} -issuer issuing.pem -cert leaf.pem -reqout request.der"
        ));
        assert!(made, "{said}");
        let request = std::fs::read(self.path("request.der")).unwrap();
        let issuer = self.authority.issuer("issuing").unwrap().id;
        let answer = self.authority.answer_ocsp(issuer, &request).await;
        self.write("answer.der", &answer.der);
        let (_, said) = self.openssl(&format!(
            "ocsp -no_nonce -{hash} -issuer issuing.pem -cert leaf.pem -respin answer.der -CAfile root.pem \
             -verify_other issuing.pem"
        ));
        assert!(said.contains("Response verify OK"), "{said}");
        said
    }
}

async fn revoke(desk: &Desk, issued: &Issued) {
    let request = RevokeRequest {
        certificate: CertRef::Id(issued.id),
        reason: RevocationReason::KeyCompromise,
        invalidity_date: None,
    };
    desk.authority.revoke(&admin(), request).await.unwrap();
    desk.authority.publish_due_crls().await.unwrap();
    desk.write_crls();
}

#[tokio::test]
async fn openssl_believes_the_chain_and_sees_the_revocation() {
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::Rsa(2048), KeyAlgorithm::Ed25519] {
        let desk = Desk::new(algorithm).await;
        let issued = desk
            .authority
            .issue(&admin(), server_request("host.example"))
            .await
            .unwrap();
        desk.write_leaf("leaf.pem", &issued);
        desk.write_crls();
        let verify = "verify -x509_strict -crl_check_all -CAfile root.pem -untrusted issuing.pem -CRLfile root.crl.pem \
                      -CRLfile issuing.crl.pem leaf.pem";
        let (is_good, said) = desk.openssl(verify);
        assert!(is_good, "{algorithm}: {said}");
        for hash in ["sha1", "sha256"] {
            assert!(desk.ocsp(hash).await.contains("leaf.pem: good"));
        }
        revoke(&desk, &issued).await;
        let (is_good, said) = desk.openssl(verify);
        assert!(
            !is_good && said.contains("certificate revoked"),
            "{algorithm}: {said}"
        );
        let (_, said) = desk.openssl("crl -in issuing.crl.pem -CAfile issuing.pem -noout -text");
        assert!(
            said.contains("verify OK") && said.contains("Key Compromise"),
            "{said}"
        );
        for hash in ["sha1", "sha256"] {
            let said = desk.ocsp(hash).await;
            assert!(
                said.contains("leaf.pem: revoked") && said.contains("Reason: keyCompromise"),
                "{said}"
            );
        }
    }
}

#[tokio::test]
async fn e2e_crl_openssl_shards() {
    let desk = Desk::new(KeyAlgorithm::P256).await;
    let request = ca::CreateIssuing {
        crl: ca::CrlPlan {
            shards: 2,
            deltas: false,
        },
        ..issuing("cut", "root", KeyAlgorithm::P256)
    };
    let cut = desk.authority.create_issuing(&admin(), request).await.unwrap();
    desk.write("cut.pem", cut.certificate.clone().unwrap().pem().as_bytes());
    let request = IssueRequest {
        issuer: Some("cut".to_owned()),
        ..server_request("host.example")
    };
    let issued = desk.authority.issue(&admin(), request).await.unwrap();
    desk.write_leaf("leaf.pem", &issued);
    let urls = bed::certificate(&issued).crl_urls();
    let own = u32::from(urls.first().unwrap().ends_with("/1"));
    let write = || {
        for shard in 0..2 {
            let crl = desk.authority.crl_of_shard(cut.id, Some(shard)).unwrap();
            let crl = pki::Crl::parse(&crl.der().unwrap()).unwrap();
            desk.write(&format!("{shard}.crl.pem"), crl.pem().as_bytes());
        }
    };
    let verify = |shard: u32| {
        desk.openssl(&format!(
            "verify -x509_strict -crl_check -CAfile root.pem -untrusted cut.pem -CRLfile {shard}.crl.pem leaf.pem"
        ))
    };
    write();
    let (is_good, said) = verify(own);
    assert!(is_good, "{said}");
    let (is_good, said) = verify(1 - own);
    assert!(!is_good && said.contains("different CRL scope"), "{said}");
    let (_, said) = desk.openssl(&format!("crl -in {own}.crl.pem -CAfile cut.pem -noout -text"));
    assert!(
        said.contains("verify OK") && said.contains("Issuing Distribution Point: critical"),
        "{said}"
    );
    assert!(said.contains(&format!("URI:{}", urls.first().unwrap())), "{said}");
    revoke(&desk, &issued).await;
    write();
    let (is_good, said) = verify(own);
    assert!(!is_good && said.contains("certificate revoked"), "{said}");
}

#[tokio::test]
async fn e2e_crl_openssl_delta() {
    let desk = Desk::new(KeyAlgorithm::P256).await;
    let request = ca::CreateIssuing {
        crl: ca::CrlPlan {
            shards: 1,
            deltas: true,
        },
        ..issuing("fast", "root", KeyAlgorithm::P256)
    };
    let fast = desk.authority.create_issuing(&admin(), request).await.unwrap();
    desk.write("fast.pem", fast.certificate.clone().unwrap().pem().as_bytes());
    let request = IssueRequest {
        issuer: Some("fast".to_owned()),
        ..server_request("host.example")
    };
    let issued = desk.authority.issue(&admin(), request).await.unwrap();
    desk.write_leaf("leaf.pem", &issued);
    let write = |name: &str, crl: Option<Arc<ca::PublishedCrl>>| {
        let crl = pki::Crl::parse(&crl.unwrap().der().unwrap()).unwrap();
        desk.write(name, crl.pem().as_bytes());
    };
    write("base.pem", desk.authority.crl_of_shard(fast.id, None));
    revoke(&desk, &issued).await;
    write("delta.pem", desk.authority.delta_of_shard(fast.id, None));
    let (_, said) = desk.openssl("crl -in base.pem -CAfile fast.pem -noout -text");
    assert!(
        said.contains("verify OK") && said.contains("X509v3 Freshest CRL"),
        "{said}"
    );
    assert!(said.contains(&format!("URI:{}/delta", fast.crl_url)), "{said}");
    let (_, said) = desk.openssl("crl -in delta.pem -CAfile fast.pem -noout -text");
    assert!(
        said.contains("verify OK") && said.contains("X509v3 Delta CRL Indicator: critical"),
        "{said}"
    );
    let verify = "verify -x509_strict -crl_check -CAfile root.pem -untrusted fast.pem -CRLfile base.pem";
    let (is_good, said) = desk.openssl(&format!("{verify} leaf.pem"));
    assert!(is_good, "the base does not know yet: {said}");
    let (is_good, said) = desk.openssl(&format!("{verify} -CRLfile delta.pem -use_deltas leaf.pem"));
    assert!(!is_good && said.contains("certificate revoked"), "{said}");
}

#[tokio::test]
async fn openssl_follows_a_root_over_its_link_certificate() {
    let desk = Desk::new(KeyAlgorithm::P256).await;
    let issued = desk
        .authority
        .issue(&admin(), server_request("host.example"))
        .await
        .unwrap();
    desk.write_leaf("leaf.pem", &issued);
    let rollover = ca::Rollover {
        issuer: "root".into(),
        ..ca::Rollover::default()
    };
    let new = desk.authority.rollover(&admin(), rollover).await.unwrap();
    desk.write("new-root.pem", new.certificate.clone().unwrap().pem().as_bytes());
    let link = |place: usize| pki::pem::encode("CERTIFICATE", &new.links[place]);
    let below = std::fs::read_to_string(desk.path("issuing.pem")).unwrap();
    desk.write("chain.pem", [below, link(1)].concat().as_bytes());
    let (is_good, said) = desk.openssl("verify -CAfile new-root.pem -untrusted chain.pem leaf.pem");
    assert!(is_good, "{said}");
    // And the other way: whoever still trusts the old root alone believes what is under the new one.
    let next = ca::Rollover {
        issuer: "issuing".into(),
        ..ca::Rollover::default()
    };
    let next = desk.authority.rollover(&admin(), next).await.unwrap();
    let issued = desk
        .authority
        .issue(&admin(), server_request("host.example"))
        .await
        .unwrap();
    desk.write_leaf("leaf.pem", &issued);
    desk.write(
        "chain.pem",
        [next.certificate.clone().unwrap().pem(), link(0)]
            .concat()
            .as_bytes(),
    );
    let (is_good, said) = desk.openssl("verify -CAfile root.pem -untrusted chain.pem leaf.pem");
    assert!(is_good, "{said}");
}

/// Runs one of pkilint's programs over a file; it must find no error.
fn pkilint(program: &str, arguments: &[&str], file: &str) {
    let venv = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/venv/bin")
        .join(program);
    let output = Command::new(&venv)
        .args(arguments)
        .arg(file)
        .output()
        .unwrap_or_else(|cause| {
            panic!(
                "{} cannot be run ({cause}): `cargo xtask test --install-only`",
                venv.display()
            )
        });
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {file}: {said}");
}

#[tokio::test]
async fn pkilint_finds_no_error() {
    let desk = Desk::new(KeyAlgorithm::P256).await;
    let certificate = |file: &str| pkilint("lint_pkix_cert", &["lint", "-s", "ERROR"], file);
    for profile in Profile::ready() {
        let holder = Holder::new();
        let subject = if profile.name == "tls-server" {
            ""
        } else {
            "CN=somebody,O=Example"
        };
        let names: &[&str] = match profile.name.as_str() {
            "tls-server" => &["dns:host.example"],
            "smime" => &["email:a@host.example"],
            _ => &[],
        };
        let is_authority = profile.is_authority();
        let order = IssueRequest {
            csr: if is_authority {
                ca_csr(&holder, subject)
            } else {
                csr(&holder, subject, names)
            },
            profile: profile.name.clone(),
            issuer: Some(if is_authority { "root" } else { "issuing" }.to_owned()),
            ..IssueRequest::default()
        };
        let issued = desk.authority.issue(&admin(), order).await.unwrap();
        certificate(&desk.write_leaf(&format!("of-{}.pem", profile.name), &issued));
    }
    for name in ["root.pem", "issuing.pem"] {
        certificate(&desk.path(name));
    }
    let issued = desk
        .authority
        .issue(&admin(), server_request("host.example"))
        .await
        .unwrap();
    desk.write_leaf("leaf.pem", &issued);
    revoke(&desk, &issued).await;
    for name in ["root.crl.pem", "issuing.crl.pem"] {
        pkilint(
            "lint_crl",
            &["lint", "-t", "CRL", "-p", "PKIX", "-s", "ERROR"],
            &desk.path(name),
        );
    }
    desk.ocsp("sha256").await;
    pkilint(
        "lint_ocsp_response",
        &["lint", "-s", "ERROR"],
        &desk.path("answer.der"),
    );
}
