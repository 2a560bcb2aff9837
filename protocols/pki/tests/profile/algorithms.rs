//! Every algorithm as the authority's and as the holder's: sizes and fields fit, and the signatures verify.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, ML_DSA_44_SIGNING, ML_DSA_65_SIGNING,
    ML_DSA_87_SIGNING, PqdsaKeyPair, PqdsaSigningAlgorithm, RSA_PKCS1_SHA256, RSA_PSS_SHA384, RsaEncoding,
    RsaKeyPair,
};
use pki::lint::{self, Context};
use pki::profile::{self, IssuerView, Order, Profile};
use pki::{Certificate, PublicKey, SignatureAlgorithm};

use crate::fixture::{now, order, ready, serial, urls};

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A fresh key: its public half and its signatures.
type Key = (PublicKey, Sign);

fn public<'a>(key: &impl AsDer<PublicKeyX509Der<'a>>) -> PublicKey {
    PublicKey::from_spki_der(key.as_der().unwrap().as_ref()).unwrap()
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> Key {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let key = public(pair.public_key());
    (
        key,
        Box::new(move |message| {
            pair.sign(&SystemRandom::new(), message)
                .unwrap()
                .as_ref()
                .to_vec()
        }),
    )
}

fn ed25519() -> Key {
    let pair = Ed25519KeyPair::generate().unwrap();
    let key = public(pair.public_key());
    (key, Box::new(move |message| pair.sign(message).as_ref().to_vec()))
}

fn rsa(encoding: &'static dyn RsaEncoding) -> Key {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let key = public(pair.public_key());
    let sign = move |message: &[u8]| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), message, &mut signature)
            .unwrap();
        signature
    };
    (key, Box::new(sign))
}

fn ml_dsa(algorithm: &'static PqdsaSigningAlgorithm) -> Key {
    let pair = PqdsaKeyPair::generate(algorithm).unwrap();
    let key = public(pair.public_key());
    let sign = move |message: &[u8]| {
        let mut signature = vec![0; algorithm.signature_len()];
        let length = pair.sign(message, &mut signature).unwrap();
        signature.truncate(length);
        signature
    };
    (key, Box::new(sign))
}

fn certify(profile: &Profile, order: &Order, view: &IssuerView, sign: &Sign) -> Certificate {
    let tbs = profile::build(profile, order, view, &serial(), now()).unwrap();
    let linted = lint::certificate(
        tbs,
        &Context {
            issuer: view,
            now: now(),
        },
    )
    .unwrap();
    let signature = sign(linted.der());
    let certificate = Certificate::from_der(&linted.assemble(&signature)).unwrap();
    certificate.verify_signed_by(&view.public_key).unwrap();
    certificate
}

#[test]
fn every_algorithm_signs_and_is_certified() {
    let cases: [(SignatureAlgorithm, Key); 9] = [
        (
            SignatureAlgorithm::EcdsaSha256,
            ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
        ),
        (
            SignatureAlgorithm::EcdsaSha384,
            ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
        ),
        (
            SignatureAlgorithm::EcdsaSha512,
            ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING),
        ),
        (SignatureAlgorithm::Ed25519, ed25519()),
        (SignatureAlgorithm::RsaPkcs1Sha256, rsa(&RSA_PKCS1_SHA256)),
        (SignatureAlgorithm::RsaPssSha384, rsa(&RSA_PSS_SHA384)),
        (SignatureAlgorithm::MlDsa44, ml_dsa(&ML_DSA_44_SIGNING)),
        (SignatureAlgorithm::MlDsa65, ml_dsa(&ML_DSA_65_SIGNING)),
        (SignatureAlgorithm::MlDsa87, ml_dsa(&ML_DSA_87_SIGNING)),
    ];
    for (algorithm, (public_key, sign)) in cases {
        let profile = ready("root");
        let own = Order {
            public_key: public_key.clone(),
            ..order(&profile)
        };
        let view = IssuerView::self_signed(&profile, &own, algorithm).unwrap();
        let root = certify(&profile, &own, &view, &sign);
        assert!(root.is_self_signed(), "{algorithm}");
        let view = IssuerView::from_certificate(&root, algorithm, urls());
        for name in [
            "tls-server",
            "smime",
            "code-signing",
            "timestamping",
            "ocsp-signer",
        ] {
            let profile = ready(name);
            let leaf = Order {
                public_key: public_key.clone(),
                ..order(&profile)
            };
            let leaf = Order {
                subject: "CN=www.example.com,OU=Leaf".parse().unwrap(),
                ..leaf
            };
            let certificate = certify(&profile, &leaf, &view, &sign);
            assert_eq!(certificate.signature_algorithm(), algorithm);
            assert_eq!(certificate.public_key(), &public_key, "{algorithm} {name}");
        }
    }
}
