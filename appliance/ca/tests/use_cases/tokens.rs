//! API tokens.

use ca::{NewApiToken, Role, Scope};
use jiff::SignedDuration;
use secrecy::ExposeSecret;

use crate::bed::{Bed, admin, principal};

fn token(role: Role) -> NewApiToken {
    NewApiToken {
        name: "deploy".to_owned(),
        role,
        issuers: Scope::of(["issuing".to_owned()]),
        profiles: Scope::All,
        expires_at: None,
    }
}

#[tokio::test]
async fn a_token_stands_for_its_principal_also_after_a_restart() {
    let bed = Bed::ready().await;
    let made = bed
        .authority
        .create_api_token(&admin(), token(Role::Operator))
        .await
        .unwrap();
    let text = made.secret.expose_secret().to_owned();
    assert!(text.starts_with("chy_") && text.len() == 4 + 16 + 1 + 64);
    let bed = bed.restarted().await;
    let bearer = bed.authority.authenticate(&text).unwrap();
    assert_eq!(
        (bearer.id, bearer.name.as_str(), bearer.role),
        (made.token.id.clone(), "deploy", Role::Operator)
    );
    assert!(bearer.issuers.contains("issuing") && !bearer.issuers.contains("root"));
    let listed = bed.authority.list_api_tokens(&admin()).await.unwrap();
    let used = Some(bed.clock.now());
    assert_eq!(
        listed,
        [ca::ApiToken {
            last_used_at: used,
            ..made.token
        }]
    );
    bed.authority.mark_time().await.unwrap();
    let bed = bed.restarted().await;
    let listed = bed.authority.list_api_tokens(&admin()).await.unwrap();
    assert_eq!(listed[0].last_used_at, used);
}

#[tokio::test]
async fn wrong_ended_and_revoked_tokens_are_refused() {
    let bed = Bed::ready().await;
    let ends = NewApiToken {
        expires_at: Some(bed.clock.now() + SignedDuration::from_hours(1)),
        ..token(Role::Auditor)
    };
    let made = bed.authority.create_api_token(&admin(), ends).await.unwrap();
    let text = made.secret.expose_secret().to_owned();
    let code = |text: &str| {
        bed.authority
            .authenticate(text)
            .map_or_else(|error| error.code(), |_| "ok")
    };
    assert_eq!(code(&text), "ok");
    let mut wrong = text.clone();
    let last = if wrong.pop() == Some('0') { '1' } else { '0' };
    wrong.push(last);
    for text in [
        wrong.as_str(),
        "",
        "chy_",
        "chy_ab_cd",
        "Bearer x",
        &format!("chy_{}_", made.token.id),
    ] {
        assert_eq!(code(text), "token_invalid", "{text}");
    }
    bed.advance(SignedDuration::from_hours(1));
    assert_eq!(code(&text), "token_expired");
    let other = bed
        .authority
        .create_api_token(&admin(), token(Role::Operator))
        .await
        .unwrap();
    let revoked = bed
        .authority
        .revoke_api_token(&admin(), &other.token.id)
        .await
        .unwrap();
    assert_eq!(
        bed.authority
            .revoke_api_token(&admin(), &other.token.id)
            .await
            .unwrap(),
        revoked
    );
    assert_eq!(code(other.secret.expose_secret()), "token_revoked");
    assert_eq!(
        bed.authority
            .revoke_api_token(&admin(), "none")
            .await
            .unwrap_err()
            .code(),
        "not_found"
    );
}

#[tokio::test]
async fn the_secret_is_neither_stored_nor_logged() {
    let bed = Bed::ready().await;
    let made = bed
        .authority
        .create_api_token(&admin(), token(Role::Operator))
        .await
        .unwrap();
    let secret = made.secret.expose_secret().rsplit('_').next().unwrap().to_owned();
    let logged = bed.authority.audit_tail(&admin(), 0, 1000).await.unwrap();
    assert!(
        logged
            .iter()
            .any(|entry| entry.action == "token.create" && entry.object == made.token.id)
    );
    assert!(!format!("{logged:?}").contains(&secret));
    assert!(!format!("{made:?}").contains(&secret));
}

#[tokio::test]
async fn only_an_admin_without_scopes_makes_tokens() {
    let bed = Bed::ready().await;
    for role in [Role::Operator, Role::Requester, Role::Auditor] {
        let error = bed
            .authority
            .create_api_token(&principal("x", role), token(Role::Admin))
            .await
            .unwrap_err();
        assert_eq!(error.code(), "role_insufficient");
    }
    let mut scoped = principal("x", Role::Admin);
    scoped.issuers = Scope::of(["issuing".to_owned()]);
    let error = bed
        .authority
        .create_api_token(&scoped, token(Role::Admin))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "scope_insufficient");
    let past = NewApiToken {
        expires_at: Some(bed.clock.now()),
        ..token(Role::Admin)
    };
    assert_eq!(
        bed.authority
            .create_api_token(&admin(), past)
            .await
            .unwrap_err()
            .code(),
        "expiry_invalid"
    );
}
