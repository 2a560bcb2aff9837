//! Every return value that the making of a key may give: the caller sees its class, no object of a key that nobody was told of
//! stays in the token, no key is made twice, and the next key is made by the same backend.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "faults/codes.rs"]
mod codes;
#[path = "backends/faulty.rs"]
mod faulty;
#[path = "backends/soft_tokens.rs"]
mod soft_tokens;

use std::path::Path;

use codes::{Code, name};
use cryptoki::context::Pkcs11;
use cryptoki::error::RvError;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::UserType;
use faulty::Faults;
use soft_tokens::{Make, PIN, in_child};
use token::{Error, FaultClass, Hsm, Input, KeyKind, KeyRecord, Keys, Recovery, Scheme, verify};

struct Bed {
    hsm: Hsm,
    faults: Faults,
}

impl Bed {
    fn new(directory: &Path) -> Self {
        let hsm = Hsm::open(&Make::Faulty.new_token(directory, "faults"), Some(directory)).unwrap();
        let faults = Faults::of(directory);
        Self { hsm, faults }
    }

    /// Makes a key while this fault is on.
    fn make_under(&self, fault: &str, label: &str) -> Result<KeyRecord, Error> {
        self.faults.set(&[fault]);
        let made = self.hsm.generate(label, KeyKind::P256);
        self.faults.clear();
        made
    }

    /// What the token has under a label: private keys and public keys.
    fn objects(label: &str) -> (usize, usize) {
        let other = Pkcs11::new(Make::Faulty.module()).unwrap();
        let slot = other.get_slots_with_initialized_token().unwrap().remove(0);
        let session = other.open_ro_session(slot).unwrap();
        // Whoever has logged in before this has done so for the process.
        let _ = session.login(UserType::User, Some(&PIN.into()));
        let count = |class| {
            let wanted = [
                Attribute::Class(class),
                Attribute::Label(label.as_bytes().to_vec()),
            ];
            session.find_objects(&wanted).unwrap().len()
        };
        (count(ObjectClass::PRIVATE_KEY), count(ObjectClass::PUBLIC_KEY))
    }

    /// The token has what the caller was told of, and lists the same.
    fn holds_what_was_told(&self, label: &str, made: &Result<KeyRecord, Error>, fault: &str) {
        let told = made.iter().count();
        assert_eq!(Self::objects(label), (told, told), "after {fault}");
        let listed = self.hsm.list().iter().filter(|key| key.label == label).count();
        assert_eq!(listed, told, "after {fault}");
    }

    /// The same backend makes a key, which signs.
    fn makes_one(&self, label: &str) {
        let record = self.hsm.generate(label, KeyKind::P256).unwrap();
        assert_eq!(Self::objects(label), (1, 1), "{label}");
        let input = Input::Message(b"tbs".to_vec());
        let signature = self
            .hsm
            .sign(&record.key, Scheme::EcdsaSha256, &input, None)
            .unwrap();
        assert!(verify(&record.spki, Scheme::EcdsaSha256, b"tbs", &signature));
    }

    /// The fault lasts, and comes once; before the work, after it, and in the middle of it.
    fn meets(&self, code: &Code) {
        for what in ["code", "made", "half"] {
            for times in ["", " times=1"] {
                let fault = format!("C_GenerateKeyPair {what}={}{times}", name(code.0));
                let label = format!("{what}-{}{}", name(code.0), times.replace(" times=1", "-once"));
                let made = self.make_under(&fault, &label);
                match &made {
                    Ok(_) => assert!(!times.is_empty(), "{fault} is not seen"),
                    Err(error) => {
                        assert!(is_told(code, error), "{fault}: {}", error.to_fault());
                        let mends = !times.is_empty()
                            && matches!(
                                code.1,
                                Recovery::Retry | Recovery::NewSession | Recovery::LogInAgain
                            );
                        assert!(!mends, "{fault}: {}", error.to_fault());
                    }
                }
                self.hsm.tend().unwrap();
                self.holds_what_was_told(&label, &made, &fault);
            }
        }
        self.makes_one(&format!("after-{}", name(code.0)));
    }
}

/// Whether the caller sees of a code what he has to act on.
fn is_told(code: &Code, error: &Error) -> bool {
    let class = error.fault_class();
    match code.0 {
        RvError::DeviceMemory => class == FaultClass::TokenFull,
        RvError::MechanismInvalid => class == FaultClass::Refused,
        // Another template is tried, and what the token then makes of it may be refused.
        _ if blames_the_template(code.0) => matches!(class, FaultClass::Internal | FaultClass::Refused),
        _ if code.1 == Recovery::Fatal => class == FaultClass::Internal,
        _ => class.is_retryable(),
    }
}

fn blames_the_template(code: RvError) -> bool {
    matches!(
        code,
        RvError::TemplateInconsistent
            | RvError::AttributeTypeInvalid
            | RvError::AttributeValueInvalid
            | RvError::AttributeReadOnly
            | RvError::CurveNotSupported
            | RvError::DomainParamsInvalid
    )
}

#[test]
fn e2e_faults_of_making_keys_softhsm() {
    in_child(Make::Faulty, "e2e_faults_of_making_keys_softhsm", |directory| {
        let bed = Bed::new(directory);
        for code in codes::EVERY {
            bed.meets(code);
        }
        assert!(
            !directory.join("pin-rejected-faults").exists(),
            "what the making of a key says of the PIN is no answer to the PIN"
        );
    });
}

/// What reading back and the first signature of a key meet: the key that nobody was told of goes, and the next is made.
#[test]
fn e2e_faults_of_new_keys_softhsm() {
    in_child(Make::Faulty, "e2e_faults_of_new_keys_softhsm", |directory| {
        let bed = Bed::new(directory);
        for function in ["C_GetAttributeValue", "C_Sign", "C_OpenSession"] {
            for (code, class) in [
                ("CKR_SESSION_HANDLE_INVALID", FaultClass::Retryable),
                ("CKR_FUNCTION_FAILED", FaultClass::Retryable),
                ("CKR_DEVICE_MEMORY", FaultClass::Retryable),
                ("CKR_ARGUMENTS_BAD", FaultClass::Internal),
            ] {
                let (fault, label) = (format!("{function} code={code}"), format!("{function}-{code}"));
                let made = bed.make_under(&fault, &label);
                let told = made.as_ref().unwrap_err().fault_class();
                assert!(
                    told == class || (told.is_retryable() && class.is_retryable()),
                    "{fault}: {told:?}"
                );
                bed.hsm.tend().unwrap();
                bed.holds_what_was_told(&label, &made, &fault);
                bed.makes_one(&format!("after-{label}"));
            }
        }
        let made = bed.make_under("C_Sign wrong", "wrong");
        assert_eq!(made.as_ref().unwrap_err().fault_class(), FaultClass::Refused);
        bed.holds_what_was_told("wrong", &made, "a wrong signature");
    });
}

/// The token is taken out after the work: what it made is destroyed when it is back.
#[test]
fn e2e_faults_of_a_key_left_behind_softhsm() {
    in_child(
        Make::Faulty,
        "e2e_faults_of_a_key_left_behind_softhsm",
        |directory| {
            let bed = Bed::new(directory);
            for what in ["made", "half"] {
                bed.faults.set(&[
                    &format!("C_GenerateKeyPair {what}=CKR_DEVICE_ERROR"),
                    "C_DestroyObject code=CKR_DEVICE_REMOVED",
                ]);
                assert!(bed.hsm.generate(what, KeyKind::P256).is_err());
                bed.faults.clear();
                assert_eq!(Bed::objects(what).0, 1, "{what}: the token could not be reached");
                bed.hsm.tend().unwrap();
                assert_eq!(Bed::objects(what), (0, 0), "{what}");
                assert!(bed.hsm.list().iter().all(|key| key.label != what));
                bed.makes_one(&format!("after-{what}"));
            }
        },
    );
}
