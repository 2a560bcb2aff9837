//! The codec against itself and against noise: what is encoded is decoded to the same value, every cut and every
//! change of a body is answered with a fault and never with a panic, and no length is believed before it is bounded.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use proptest::collection::vec;
use proptest::prelude::*;
use signer_wire::{
    Backend, Circuit, Digest, FRAME_HEADER, Fault, FaultClass, FrameFault, Generate, Import, Input,
    KeyAttributes, KeyKind, KeyRecord, KeyRef, LaneStatus, MAX_FRAME, PROTOCOL_VERSION, Priority, Reply,
    Request, Scheme, SealedKey, SecretBytes, ServiceStatus, Sign, SignBatch, SubjectKeyRequest, WireFault,
    body_length,
};

fn key_ref() -> impl Strategy<Value = KeyRef> {
    any::<[u8; 32]>().prop_map(KeyRef::new)
}

fn kind() -> impl Strategy<Value = KeyKind> {
    prop_oneof![
        any::<u16>().prop_map(KeyKind::Rsa),
        prop::sample::select(KeyKind::GENERATED.to_vec()),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        prop::sample::select(vec![32_usize, 48, 64])
            .prop_flat_map(|length| vec(any::<u8>(), length))
            .prop_map(|bytes| Input::Digest(Digest::new(&bytes).unwrap())),
        vec(any::<u8>(), 0..300).prop_map(Input::Message),
    ]
}

fn sign() -> impl Strategy<Value = Sign> {
    (key_ref(), prop::sample::select(Scheme::ALL.to_vec()), input()).prop_map(|(key, scheme, input)| Sign {
        key,
        scheme,
        input,
    })
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        (
            prop::sample::select(Priority::ALL.to_vec()),
            any::<u32>(),
            vec(sign(), 0..6)
        )
            .prop_map(|(priority, deadline_ms, items)| Request::Sign(SignBatch {
                priority,
                deadline_ms,
                items
            })),
        (
            ".{0,40}",
            kind(),
            prop_oneof![".{0,40}".prop_map(Backend::Token), Just(Backend::Software)]
        )
            .prop_map(|(label, kind, backend)| Request::Generate(Generate { label, kind, backend })),
        (".{0,40}", vec(any::<u8>(), 0..200)).prop_map(|(label, pkcs8)| Request::ImportSoftware(Import {
            label,
            pkcs8: SecretBytes::new(pkcs8)
        })),
        (kind(), vec(any::<u8>(), 0..200), ".{0,40}", ".{0,40}", ".{0,40}").prop_map(
            |(kind, recipient, sender, party, order)| Request::SubjectKey(SubjectKeyRequest {
                kind,
                recipient,
                sender,
                party,
                order
            })
        ),
        Just(Request::List),
        Just(Request::Status),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    (
        prop::sample::select(FaultClass::ALL.to_vec()),
        ".{0,60}",
        any::<u32>(),
    )
        .prop_map(|(class, message, milliseconds)| Fault::new(class, message).retry_after(milliseconds))
}

fn attributes() -> impl Strategy<Value = KeyAttributes> {
    any::<[bool; 5]>().prop_map(
        |[sensitive, extractable, local, always_sensitive, never_extractable]| KeyAttributes {
            sensitive,
            extractable,
            local,
            always_sensitive,
            never_extractable,
        },
    )
}

fn record() -> impl Strategy<Value = KeyRecord> {
    (
        key_ref(),
        kind(),
        ".{0,40}",
        vec(any::<u8>(), 0..200),
        vec(".{0,20}", 0..4),
        attributes(),
    )
        .prop_map(|(key, kind, label, spki, tokens, attributes)| KeyRecord {
            key,
            kind,
            label,
            spki,
            tokens,
            attributes,
        })
}

fn lane() -> impl Strategy<Value = LaneStatus> {
    (
        ".{0,20}",
        any::<bool>(),
        ".{0,40}",
        any::<[u32; 4]>(),
        any::<[u64; 8]>(),
        prop::sample::select(Circuit::ALL.to_vec()),
        ".{0,40}",
    )
        .prop_map(|(name, available, detail, small, counts, circuit, warning)| {
            let [width, queued, in_flight, keys_changed] = small;
            let [
                signed,
                failed,
                shed,
                busy_us,
                circuit_openings,
                handed_over,
                tests_passed,
                tests_failed,
            ] = counts;
            LaneStatus {
                circuit,
                circuit_openings,
                handed_over,
                tests_passed,
                tests_failed,
                keys_changed,
                warning,
                name,
                available,
                detail,
                width,
                queued,
                in_flight,
                signed,
                failed,
                shed,
                busy_us,
            }
        })
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        vec(
            prop_oneof![vec(any::<u8>(), 0..200).prop_map(Ok), fault().prop_map(Err)],
            0..6
        )
        .prop_map(Reply::Signatures),
        record().prop_map(Reply::Key),
        vec(record(), 0..4).prop_map(Reply::Keys),
        (any::<u64>(), ".{0,20}", vec(lane(), 0..4)).prop_map(|(uptime_ms, version, lanes)| Reply::Status(
            ServiceStatus {
                uptime_ms,
                version,
                lanes
            }
        )),
        fault().prop_map(Reply::Fault),
        (vec(any::<u8>(), 0..200), ".{0,200}")
            .prop_map(|(spki, envelope)| Reply::SealedKey(SealedKey { spki, envelope })),
    ]
}

/// The body of the one frame in `frame`.
fn body(frame: &[u8]) -> &[u8] {
    let length = body_length(frame[..FRAME_HEADER].try_into().unwrap()).unwrap();
    assert_eq!(frame.len(), FRAME_HEADER + length);
    &frame[FRAME_HEADER..]
}

proptest! {
    #[test]
    fn a_request_survives_the_wire(request in request(), id in any::<u64>()) {
        let mut frame = Vec::new();
        request.encode(id, &mut frame).unwrap();
        prop_assert_eq!(Request::decode(body(&frame)), (Some(id), Ok(request)));
    }

    #[test]
    fn a_reply_survives_the_wire(reply in reply(), id in any::<u64>()) {
        let mut frame = Vec::new();
        reply.encode(id, &mut frame).unwrap();
        prop_assert_eq!(Reply::decode(body(&frame)), Ok((id, reply)));
    }

    #[test]
    fn noise_never_panics(bytes in vec(any::<u8>(), 0..400)) {
        let _ = Request::decode(&bytes);
        let _ = Reply::decode(&bytes);
        let mut enveloped = vec![PROTOCOL_VERSION, 0, 0, 0, 0, 0, 0, 0, 1];
        enveloped.extend_from_slice(&bytes);
        let _ = Request::decode(&enveloped);
        let _ = Reply::decode(&enveloped);
    }

    #[test]
    fn a_cut_body_is_a_fault(request in request(), reply in reply()) {
        let mut frame = Vec::new();
        request.encode(7, &mut frame).unwrap();
        for end in 0..body(&frame).len() {
            prop_assert!(Request::decode(&body(&frame)[..end]).1.is_err(), "cut at {}", end);
        }
        frame.clear();
        reply.encode(7, &mut frame).unwrap();
        for end in 0..body(&frame).len() {
            prop_assert!(Reply::decode(&body(&frame)[..end]).is_err(), "cut at {}", end);
        }
    }

    #[test]
    fn a_changed_octet_never_panics(request in request(), place in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let mut frame = Vec::new();
        request.encode(7, &mut frame).unwrap();
        let mut changed = body(&frame).to_vec();
        let place = place.index(changed.len());
        changed[place] = octet;
        if let (Some(id), Ok(other)) = Request::decode(&changed) {
            let mut again = Vec::new();
            other.encode(id, &mut again).unwrap();
            prop_assert_eq!(body(&again), &changed[..], "one value has one encoding");
        }
    }
}

#[test]
fn a_frame_over_the_bound_is_refused_by_its_header() {
    let too_long = u32::try_from(MAX_FRAME + 1).unwrap();
    assert_eq!(
        body_length(too_long.to_be_bytes()),
        Err(FrameFault { length: too_long })
    );
    assert_eq!(body_length([0, 0, 0, 9]), Err(FrameFault { length: 9 }));
    assert_eq!(body_length([0, 0, 0, 10]), Ok(10));
}

#[test]
fn a_field_over_its_bound_is_refused_and_leaves_the_buffer_alone() {
    let generate = Generate {
        label: "x".repeat(256),
        kind: KeyKind::P256,
        backend: Backend::Software,
    };
    let mut out = vec![1, 2, 3];
    assert_eq!(
        Request::Generate(generate).encode(1, &mut out),
        Err(WireFault::TooLong)
    );
    assert_eq!(out, [1, 2, 3]);
}

#[test]
fn a_count_that_the_body_cannot_hold_is_refused_before_it_is_allocated() {
    let mut body = vec![PROTOCOL_VERSION, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0];
    body.extend_from_slice(&1024_u32.to_be_bytes());
    assert_eq!(Request::decode(&body), (Some(1), Err(WireFault::Truncated)));
    body.truncate(15);
    body.extend_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(Request::decode(&body), (Some(1), Err(WireFault::TooLong)));
}

#[test]
fn another_version_and_an_unknown_tag_are_named() {
    assert_eq!(Request::decode(&[9; 10]), (None, Err(WireFault::Version(9))));
    assert_eq!(
        Request::decode(&[PROTOCOL_VERSION, 0, 0, 0, 0, 0, 0, 0, 5, 77]),
        (Some(5), Err(WireFault::UnknownTag(77)))
    );
}

#[test]
fn key_bytes_are_not_printed() {
    let import = Request::ImportSoftware(Import {
        label: "ca".into(),
        pkcs8: SecretBytes::new(vec![0xAB; 8]),
    });
    let printed = format!("{import:?}");
    assert!(
        printed.contains("redacted")
            && !printed.contains("171")
            && !printed.to_lowercase().contains("ab, ab")
    );
}

#[test]
fn texts_name_the_same_thing_both_ways() {
    for kind in KeyKind::GENERATED {
        assert_eq!(kind.to_string().parse(), Ok(kind));
    }
    for scheme in Scheme::ALL {
        assert_eq!(scheme.to_string().parse(), Ok(scheme));
    }
    let key = KeyRef::new(core::array::from_fn(|place| u8::try_from(place).unwrap()));
    assert_eq!(key.to_string().parse(), Ok(key));
    assert!("zz".parse::<KeyRef>().is_err() && "ä".repeat(32).parse::<KeyRef>().is_err());
}

#[test]
fn every_kind_has_a_default_scheme_it_can_use() {
    for kind in KeyKind::GENERATED {
        assert!(Scheme::default_for(kind).is_usable_with(kind));
    }
}

#[test]
fn what_is_for_people_is_cut_to_its_bound() {
    let lane = LaneStatus {
        detail: "ä".repeat(5000),
        warning: "w".repeat(5000),
        ..LaneStatus::default()
    };
    let status = ServiceStatus {
        uptime_ms: 1,
        version: "1".to_owned(),
        lanes: vec![lane],
    };
    let mut frame = Vec::new();
    Reply::Status(status).encode(7, &mut frame).unwrap();
    let (_, reply) = Reply::decode(&frame[FRAME_HEADER..]).unwrap();
    let Reply::Status(status) = reply else {
        unreachable!()
    };
    assert_eq!(
        (status.lanes[0].detail.len(), status.lanes[0].warning.len()),
        (4096, 4096)
    );
}
