//! Every return value that the functions a signature needs may give, given by a faulty module: each has its class, and after the
//! fault the same backend signs again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "faults/codes.rs"]
mod codes;
#[path = "backends/faulty.rs"]
mod faulty;
#[path = "backends/soft_tokens.rs"]
mod soft_tokens;

use std::path::Path;
use std::time::{Duration, Instant};

use codes::{Code, name};
use cryptoki::context::Pkcs11;
use faulty::Faults;
use soft_tokens::{Make, PIN, in_child, secret_file};
use token::{Error, FaultClass, Hsm, Input, KeyKind, KeyRecord, Keys, Recovery, Scheme, recovery, verify};

/// A token with a key, and the faults in front of it.
struct Bed {
    hsm: Hsm,
    record: KeyRecord,
    faults: Faults,
}

impl Bed {
    fn new(directory: &Path) -> Self {
        let hsm = Hsm::open(&Make::Faulty.new_token(directory, "faults"), Some(directory)).unwrap();
        let record = hsm.generate("ca", KeyKind::P256).unwrap();
        let faults = Faults::of(directory);
        Self { hsm, record, faults }
    }

    fn sign(&self) -> Result<(), Error> {
        let deadline = Some(Instant::now() + Duration::from_secs(5));
        let input = Input::Message(b"tbs".to_vec());
        let signature = self
            .hsm
            .sign(&self.record.key, Scheme::EcdsaSha256, &input, deadline)?;
        assert!(verify(&self.record.spki, Scheme::EcdsaSha256, b"tbs", &signature));
        Ok(())
    }

    /// Makes the next signature need this function: no session is left, for some nobody is logged in, and for those that look
    /// for the token the library is not initialised.
    fn lead_to(&self, function: &str) {
        self.hsm.give_back(0);
        if ["C_Initialize", "C_GetSlotList", "C_GetTokenInfo"].contains(&function) {
            Pkcs11::new(Make::Faulty.module()).unwrap().finalize().unwrap();
        }
        if function == "C_GetAttributeValue" || function == "C_Login" || function.starts_with("C_Find") {
            let other = Pkcs11::new(Make::Faulty.module()).unwrap();
            let slot = other.get_slots_with_initialized_token().unwrap().remove(0);
            other.open_ro_session(slot).unwrap().logout().unwrap();
        }
    }

    /// Waits until it signs, doing what its owner does: tending.
    fn recovers(&self, after: &str) {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let _ = self.hsm.tend();
            match self.sign() {
                Ok(()) => return,
                Err(error) => assert!(Instant::now() < until, "after {after}: {}", error.to_fault()),
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn recovers_after_clearing(&self) {
        self.faults.clear();
        self.recovers("all faults");
    }

    /// One fault that lasts, and one that comes once.
    fn meets(&self, function: &str, code: &Code) {
        let (code_name, class) = (name(code.0), code.1);
        assert_eq!(recovery(code.0), class, "{code_name}");
        let fault = format!("{function} code={code_name}");

        self.lead_to(function);
        self.faults.set(&[&fault]);
        let outcome = self.sign();
        self.faults.clear();
        // What keeps the token from being looked at anew is met again by the signature, as whatever that says.
        let is_its_own = function.starts_with("C_Sign") || function == "C_OpenSession";
        // A module that leaves out what its attributes are hides its keys, until they are looked for again.
        let hides = function == "C_GetAttributeValue" && codes::is_taken_as_left_out(code.0);
        let is_told = |error: &Error| match (class, error.fault_class()) {
            (_, FaultClass::KeyNotFound) => hides,
            (Recovery::Fatal, FaultClass::Internal) => true,
            (Recovery::Fatal, told) => !is_its_own && told.is_retryable(),
            (_, told) => told.is_retryable(),
        };
        match &outcome {
            Ok(()) => panic!("{fault} is not seen"),
            Err(error) => {
                assert!(is_told(error), "{fault}: {}", error.to_fault());
                let is_bad_request = function.starts_with("C_Sign") && codes::is_about_the_request(code.0);
                assert_eq!(
                    error.concerns_one_token(),
                    !is_bad_request && !hides,
                    "another token is asked after {fault}: {}",
                    error.to_fault()
                );
            }
        }
        self.recovers(&fault);

        self.lead_to(function);
        self.faults.set(&[&format!("{fault} times=1")]);
        let outcome = self.sign();
        self.faults.clear();
        // A login that failed is not tried again at once, whatever it said, nor is the library's beginning: that is left to tending.
        let is_left = ["C_Login", "C_Initialize", "C_GetSlotList", "C_GetTokenInfo"].contains(&function);
        let mends = !matches!(class, Recovery::OtherToken | Recovery::Fatal) && !is_left && !hides;
        if let (true, Err(error)) = (mends, &outcome) {
            panic!("{fault} once: {}", error.to_fault());
        }
        self.recovers(&fault);
    }
}

#[test]
fn e2e_faults_of_signing_softhsm() {
    in_child(Make::Faulty, "e2e_faults_of_signing_softhsm", |directory| {
        let bed = Bed::new(directory);
        for function in ["C_SignInit", "C_Sign"] {
            for code in codes::EVERY {
                bed.meets(function, code);
            }
        }
    });
}

#[test]
fn e2e_faults_of_sessions_softhsm() {
    in_child(Make::Faulty, "e2e_faults_of_sessions_softhsm", |directory| {
        let bed = Bed::new(directory);
        for code in codes::EVERY {
            bed.meets("C_OpenSession", code);
        }
    });
}

#[test]
fn e2e_faults_of_the_login_softhsm() {
    in_child(Make::Faulty, "e2e_faults_of_the_login_softhsm", |directory| {
        let bed = Bed::new(directory);
        for code in codes::EVERY
            .iter()
            .filter(|code| !codes::is_about_the_pin(code.0))
        {
            bed.meets("C_Login", code);
        }
    });
}

#[test]
fn e2e_faults_of_the_search_softhsm() {
    in_child(Make::Faulty, "e2e_faults_of_the_search_softhsm", |directory| {
        let bed = Bed::new(directory);
        for function in ["C_FindObjectsInit", "C_FindObjects", "C_FindObjectsFinal"] {
            for code in codes::EVERY {
                bed.meets(function, code);
            }
        }
    });
}

/// What is read of keys when they are looked for.
#[test]
fn e2e_faults_of_attributes_softhsm() {
    in_child(Make::Faulty, "e2e_faults_of_attributes_softhsm", |directory| {
        let bed = Bed::new(directory);
        for code in codes::EVERY {
            bed.meets("C_GetAttributeValue", code);
        }
    });
}

/// The library, and what it is asked before there is a session.
#[test]
fn e2e_faults_of_the_library_softhsm() {
    in_child(Make::Faulty, "e2e_faults_of_the_library_softhsm", |directory| {
        let bed = Bed::new(directory);
        for function in ["C_Initialize", "C_GetSlotList", "C_GetTokenInfo"] {
            for code in codes::EVERY {
                bed.meets(function, code);
            }
        }
    });
}

/// What the token says against a PIN, rightly or not: the PIN is sent once, until somebody says otherwise.
#[test]
fn e2e_faults_of_the_pin_softhsm() {
    in_child(Make::Faulty, "e2e_faults_of_the_pin_softhsm", |directory| {
        let bed = Bed::new(directory);
        let marker = directory.join("pin-rejected-faults");
        for code in codes::EVERY.iter().filter(|code| codes::is_about_the_pin(code.0)) {
            let fault = format!("C_Login code={} times=1", name(code.0));
            let before = bed.faults.noted("C_Login");
            bed.lead_to("C_Login");
            bed.faults.set(&[&fault]);
            assert_eq!(
                bed.sign().unwrap_err().fault_class(),
                FaultClass::PinRejected,
                "{fault}"
            );
            for _ in 0..3 {
                assert_eq!(bed.hsm.tend().unwrap_err().fault_class(), FaultClass::PinRejected);
                assert!(bed.sign().is_err());
            }
            assert_eq!(bed.faults.noted("C_Login"), before + 1, "{fault}: sent once");
            assert!(!bed.hsm.status().available);

            // The operator says that the PIN is right.
            assert!(bed.hsm.status().detail.contains(marker.to_str().unwrap()));
            std::fs::remove_file(&marker).unwrap();
            bed.hsm.tend().unwrap();
            bed.sign().unwrap();
        }
        bed.faults.clear();

        // The PIN is wrong, and then right.
        bed.lead_to("C_Login");
        secret_file(directory, "pin", "not-the-pin-2207");
        assert_eq!(bed.sign().unwrap_err().fault_class(), FaultClass::PinRejected);
        let before = bed.faults.noted("C_Login");
        assert!(bed.hsm.tend().is_err());
        assert_eq!(bed.faults.noted("C_Login"), before);
        secret_file(directory, "pin", PIN);
        bed.hsm.tend().unwrap();
        bed.sign().unwrap();
        assert!(
            !marker.exists(),
            "an accepted PIN ends the memory of the rejected one"
        );
    });
}

/// The device is taken out and put back: what was open is void, and nobody has to do anything.
#[test]
fn e2e_faults_of_a_device_taken_out_softhsm() {
    in_child(
        Make::Faulty,
        "e2e_faults_of_a_device_taken_out_softhsm",
        |directory| {
            let bed = Bed::new(directory);
            for _ in 0..3 {
                bed.sign().unwrap();
                bed.faults.set(&["* token=faults removed"]);
                let error = bed.sign().unwrap_err();
                assert_eq!(error.fault_class(), FaultClass::TokenAbsent, "{error}");
                assert!(!bed.hsm.status().available);
                bed.recovers_after_clearing();
            }
        },
    );
}
