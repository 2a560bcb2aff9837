//! What couriers ask for: how names are written, and what is told of wishes that nobody grants.

use std::process::Command;

use ca::courier::{CourierOrderRequest, OrderKey};
use pki::{Certificate, DistinguishedName};

use crate::bed::Bed;
use crate::courier_host::{Host, code, order, order_of, record};
use crate::request::{Holder, signed};

fn with_csr(csr: String) -> CourierOrderRequest {
    CourierOrderRequest {
        key: OrderKey::Local { csr },
        ..order(&["dns:a.example.com"])
    }
}

/// A request that openssl makes with a new key.
fn openssl_request(subject: &str, extensions: &[&str]) -> CourierOrderRequest {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("openssl");
    command.args([
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ]);
    command.args(["-keyout", "key.pem", "-subj", subject]);
    command.args(["-addext", "subjectAltName=DNS:a.example.com"]);
    for extension in extensions {
        command.args(["-addext", extension]);
    }
    let made = command.current_dir(&folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    with_csr(String::from_utf8(made.stdout).unwrap())
}

#[tokio::test]
async fn the_dot_that_may_end_a_name_is_in_no_certificate() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let session = host.session(&bed).await;
    let preflight = async |request: CourierOrderRequest| {
        let looked = bed.authority.preflight_courier_order(&session, &request);
        looked.await
    };
    // In the names of a request: a name of the same length, with a dot in the place of its last letter.
    let holder = Holder::new();
    let names = ["dns:a.example.comx".parse().unwrap()];
    let subject = DistinguishedName::empty();
    let mut info = pki::csr::request_info(&subject, &holder.public_key(), false, &names);
    let end = info.windows(5).position(|octets| octets == b".comx").unwrap() + 4;
    info[end] = b'.';
    let csr = pki::pem::encode("CERTIFICATE REQUEST", &signed(&holder, &info));
    assert_eq!(code(preflight(with_csr(csr)).await), "san_invalid");
    // In its subject, where the certificate would repeat it as it is.
    let request = order_of(&Holder::new(), "CN=a.example.com.", &["dns:a.example.com"]);
    assert_eq!(code(preflight(request).await), "common_name_not_in_names");
    let request = order_of(&Holder::new(), "CN=a.example.com", &["dns:a.example.com"]);
    assert_eq!(preflight(request).await.unwrap().names, ["dns:a.example.com"]);
}

#[tokio::test]
async fn what_is_ignored_of_a_request_is_told() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let session = host.session(&bed).await;
    let place = async |request: CourierOrderRequest| {
        let placed = bed.authority.place_courier_order(&session, request, None);
        placed.await.unwrap()
    };
    let plain = place(openssl_request(
        "/CN=a.example.com",
        &["extendedKeyUsage=serverAuth"],
    ))
    .await;
    assert_eq!(plain.warnings, []);
    let extensions = [
        "keyUsage=critical,digitalSignature,keyAgreement",
        "basicConstraints=CA:FALSE",
        "tlsfeature=status_request",
        "1.2.3.4.5=ASN1:NULL",
    ];
    let placed = place(openssl_request("/CN=a.example.com", &extensions)).await;
    let told: Vec<&str> = placed.warnings.iter().map(|one| one.message.as_str()).collect();
    assert!(
        placed
            .warnings
            .iter()
            .all(|one| one.rule == "csr_extension_ignored")
    );
    assert_eq!(told.len(), 4, "{told:?}");
    for (text, word) in told
        .iter()
        .zip(["keyUsage", "basicConstraints", "tlsfeature", "1.2.3.4.5"])
    {
        assert!(text.contains(word), "{text}");
    }
}

#[tokio::test]
async fn a_subject_that_is_not_taken_as_it_is_is_told() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let session = host.session(&bed).await;
    let request = openssl_request("/CN=a.example.com/O=Example/emailAddress=a@example.com", &[]);
    let placed = bed.authority.place_courier_order(&session, request, None).await;
    let placed = placed.unwrap();
    let fetched = bed.authority.fetch_courier_certificate(&session, placed.id).await;
    let leaf = Certificate::from_der(&fetched.unwrap().chain[0]).unwrap();
    let subject = leaf.subject().to_string();
    assert!(!subject.contains("a@example.com"), "{subject}");
    assert_eq!(placed.warnings.len(), 1, "{:?}", placed.warnings);
    assert_eq!(placed.warnings[0].rule, "subject_changed");
    assert!(
        placed.warnings[0].message.contains(&subject),
        "{:?}",
        placed.warnings
    );
}
