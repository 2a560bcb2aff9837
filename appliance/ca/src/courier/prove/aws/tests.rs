#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what broke by panicking"
)]

use super::*;

const NOW: i64 = 1_767_323_045;

fn request() -> SignedRequest {
    let signature = "0123456789abcdef".repeat(4);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIA/20260102/eu-central-1/sts/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date;x-chancery-appliance, Signature={signature}"
    );
    let headers = [
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("host", "sts.eu-central-1.amazonaws.com"),
        ("x-amz-date", "20260102T030405Z"),
        ("x-chancery-appliance", "https://pki.example"),
        ("authorization", &authorization),
    ];
    SignedRequest {
        method: "POST".to_owned(),
        url: "https://sts.eu-central-1.amazonaws.com/".to_owned(),
        headers: headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Zeroizing::new(value.to_owned())))
            .collect(),
        body: BODY.to_owned(),
    }
}

/// The request with this header, or without it.
fn with(name: &str, value: Option<&str>) -> SignedRequest {
    let mut request = request();
    request.headers.retain(|(known, _)| known != name);
    if let Some(value) = value {
        let header = (name.to_owned(), Zeroizing::new(value.to_owned()));
        request.headers.push(header);
    }
    request
}

#[test]
fn a_request_that_asks_who_made_it_is_taken() {
    let checked = check(&request(), NOW).unwrap();
    assert_eq!(checked.appliance, "https://pki.example");
    assert_eq!(checked.session_key, None);
}

#[test]
fn a_request_that_asks_for_something_else_or_says_what_was_not_signed_is_refused() {
    let authorization = request().headers.pop().unwrap().1.to_string();
    let more = authorization.replace("x-amz-date;", "x-amz-date;x-amz-security-token;");
    let mut twice = request();
    twice
        .headers
        .push(("host".to_owned(), Zeroizing::new("a".to_owned())));
    let changed = |change: &dyn Fn(&mut SignedRequest)| {
        let mut request = request();
        change(&mut request);
        request
    };
    let cases = [
        (changed(&|one| one.method = "GET".to_owned()), "something else"),
        (
            changed(&|one| one.body = one.body.replace("GetCallerIdentity", "GetSessionToken")),
            "something else",
        ),
        (
            changed(&|one| one.body.push_str("&Action=AssumeRole")),
            "something else",
        ),
        (with("x-forwarded-host", Some("a")), "does not belong"),
        (with("X-Amz-Date", Some("20260102T030405Z")), "does not belong"),
        (with("x-chancery-appliance", Some("a\r\nb: c")), "does not belong"),
        (with("host", Some(&"a".repeat(9000))), "does not belong"),
        (twice, "twice"),
        (with("authorization", None), "not signed"),
        (with("authorization", Some("Bearer a")), "cannot be read"),
        (
            with("authorization", Some(&authorization.replace("/sts/", "/iam/"))),
            "cannot be read",
        ),
        (with("x-amz-security-token", Some("a")), "not signed, or lacks"),
        (with("x-chancery-session-key", Some("a")), "not signed, or lacks"),
        (
            with(
                "authorization",
                Some(&authorization.replace(";x-chancery-appliance", "")),
            ),
            "not signed, or lacks",
        ),
        (with("x-chancery-appliance", None), "not signed, or lacks"),
        (with("host", Some("sts.amazonaws.com")), "another host"),
        (with("x-amz-date", Some("yesterday")), "cannot be read"),
        (with("x-amz-date", Some("20260102T025804Z")), "too old"),
        (with("x-amz-date", Some("20260102T031004Z")), "too old"),
    ];
    for (request, word) in cases {
        let told = check(&request, NOW).unwrap_err();
        assert!(told.contains(word), "{word}: {told} {:?}", request.headers);
    }
    // A token of a session is taken where it was signed.
    let mut session = with("authorization", Some(&more));
    session
        .headers
        .push(("x-amz-security-token".to_owned(), Zeroizing::new("a".to_owned())));
    check(&session, NOW).unwrap();
}

#[test]
fn a_session_of_a_role_is_the_role_and_nobody_else() {
    let role = "arn:aws:iam::123456789012:role/web";
    for arn in [
        role,
        "arn:aws:iam::123456789012:role/team/web",
        "arn:aws:sts::123456789012:assumed-role/web/i-0abc",
    ] {
        assert_eq!(principal(arn).as_deref(), Some(role), "{arn}");
    }
    for arn in [
        "arn:aws:iam::123456789012:user/web",
        "arn:aws:sts::123456789012:assumed-role/web-evil/i-0abc",
        "arn:aws:sts::999999999999:assumed-role/web/i-0abc",
        "arn:aws-cn:iam::123456789012:role/web",
    ] {
        assert!(principal(arn).is_some_and(|other| other != role), "{arn}");
    }
    for arn in [
        "arn:aws:sts::123456789012:assumed-role/web",
        "arn:aws:sts::123456789012:assumed-role/web/a/b",
        "arn:aws:sts::123456789012:federated-user/web",
        "arn:aws:iam::123456789012:root",
        "arn:aws:iam::12345678901:role/web",
        "arn:aws:iam:eu:123456789012:role/web",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:role/*",
        "arn:evil:iam::123456789012:role/web",
        "",
    ] {
        assert_eq!(principal(arn), None, "{arn}");
    }
}

#[test]
fn an_answer_names_one_caller_of_one_account() {
    let answer = |arn: &str, account: &str| {
        format!(
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn><UserId>A:b</UserId>\
             <Account>{account}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
        )
    };
    let arn = "arn:aws:sts::123456789012:assumed-role/web/b";
    assert_eq!(
        caller(&answer(arn, "123456789012")).as_deref(),
        Some("arn:aws:iam::123456789012:role/web")
    );
    assert_eq!(caller(&answer(arn, "999999999999")), None);
    let twice = format!("{arn}</Arn><Arn>{arn}");
    for odd in [answer(&twice, "123456789012"), String::new(), "<Arn>".to_owned()] {
        assert_eq!(caller(&odd), None, "{odd}");
    }
}
