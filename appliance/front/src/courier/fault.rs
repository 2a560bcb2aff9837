//! Errors as couriers are told them: the codes of their protocol, in capitals, each with the status that belongs to it.

use axum::response::{IntoResponse as _, Response};
use courier_wire::Detail;
use http::StatusCode;
use serde_json::{Value, json};

use crate::problem::Problem;

/// Codes of the authority and of this crate that have one in the protocol of couriers.
const CODES: [(&str, u16, &str); 41] = [
    ("invalid_credentials", 401, "INVALID_CREDENTIALS"),
    ("session_expired", 401, "SESSION_EXPIRED"),
    ("proof_invalid", 401, "PROOF_INVALID"),
    ("unauthenticated", 401, "SESSION_EXPIRED"),
    ("bridge_not_registered", 401, "BRIDGE_NOT_REGISTERED"),
    ("bridge_pending", 503, "BRIDGE_PENDING"),
    ("bridge_assertion_invalid", 401, "BRIDGE_ASSERTION_INVALID"),
    ("proof_required", 403, "PROOF_REQUIRED"),
    ("method_not_enabled", 401, "METHOD_NOT_ENABLED"),
    ("ip_not_allowed", 401, "IP_NOT_ALLOWED"),
    ("courier_disabled", 403, "COURIER_DISABLED"),
    ("domain_not_registered", 403, "DOMAIN_NOT_REGISTERED"),
    ("domain_disabled", 403, "DOMAIN_DISABLED"),
    ("domain_not_allowed", 403, "DOMAIN_NOT_ALLOWED"),
    ("policy_denied", 403, "POLICY_DENIED"),
    ("key_mode_not_allowed", 403, "KEY_MODE_NOT_ALLOWED"),
    ("profile_not_allowed", 403, "PROFILE_NOT_ALLOWED"),
    ("quota_exceeded", 403, "QUOTA_EXCEEDED"),
    ("revocation_not_allowed", 403, "REVOCATION_NOT_ALLOWED"),
    ("not_found", 404, "NOT_FOUND"),
    ("idempotency_conflict", 409, "IDEMPOTENCY_CONFLICT"),
    ("already_retrieved", 409, "ALREADY_RETRIEVED"),
    ("order_not_cancellable", 409, "ORDER_NOT_CANCELLABLE"),
    ("order_has_no_certificate", 409, "ORDER_HAS_NO_CERTIFICATE"),
    ("fingerprint_mismatch", 409, "FINGERPRINT_MISMATCH"),
    ("order_expired", 410, "ORDER_EXPIRED"),
    ("key_expired", 410, "KEY_EXPIRED"),
    ("client_too_old", 426, "CLIENT_TOO_OLD"),
    ("rate_limited", 429, "RATE_LIMITED"),
    ("key_too_weak", 422, "WEAK_KEY"),
    ("key_algorithm_not_allowed", 422, "WEAK_KEY"),
    ("key_of_another", 422, "WEAK_KEY"),
    ("issuer_not_active", 503, "SEALED"),
    ("issuer_revoked", 503, "SEALED"),
    ("no_issuer", 503, "SEALED"),
    ("issuer_unreachable", 503, "ISSUER_UNREACHABLE"),
    ("overloaded", 503, "SIGNER_UNAVAILABLE"),
    ("malformed_json", 400, "MALFORMED_REQUEST"),
    ("body_too_large", 400, "MALFORMED_REQUEST"),
    ("body_broken", 400, "MALFORMED_REQUEST"),
    ("body_timeout", 408, "BODY_TIMEOUT"),
];

/// Tells an error in the words of couriers.
pub(super) async fn retell(mut response: Response) -> Response {
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => told(problem).into_response(),
        None => response,
    }
}

fn told(problem: Problem) -> Problem {
    let known = CODES.iter().find(|(own, ..)| *own == problem.code());
    let (status, code) = match known {
        Some((_, status, code)) => (StatusCode::from_u16(*status).unwrap_or(problem.status()), *code),
        None => of_kind(&problem),
    };
    let details = match problem.details() {
        Value::Object(one) if one.contains_key("field") && !one.contains_key("problem") => {
            json!([{ "field": one.get("field"), "problem": "is not what it should be" }])
        }
        other => json!(Detail::all_of(other)),
    };
    problem.retold(status, code, details)
}

/// What has no code of its own is known by whose fault it is.
fn of_kind(problem: &Problem) -> (StatusCode, &'static str) {
    let code = problem.code();
    match problem.status() {
        _ if code.starts_with("csr_") => (StatusCode::UNPROCESSABLE_ENTITY, "BAD_CSR"),
        _ if code.starts_with("hsm_") || code.starts_with("signer_") => {
            (StatusCode::SERVICE_UNAVAILABLE, "SIGNER_UNAVAILABLE")
        }
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
            (StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_ERROR")
        }
        StatusCode::UNAUTHORIZED => (StatusCode::UNAUTHORIZED, "INVALID_CREDENTIALS"),
        StatusCode::FORBIDDEN => (StatusCode::FORBIDDEN, "POLICY_DENIED"),
        StatusCode::CONFLICT => (StatusCode::CONFLICT, "CONFLICT"),
        StatusCode::SERVICE_UNAVAILABLE => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
        StatusCode::NOT_FOUND => (StatusCode::NOT_FOUND, "NOT_FOUND"),
        StatusCode::TOO_MANY_REQUESTS => (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"),
        other if other.is_client_error() => (other, "MALFORMED_REQUEST"),
        other => (other, "INTERNAL_ERROR"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_code_and_the_status_of_the_protocol() {
        for (code, status, told_code, told_status) in [
            ("not_found", 404, "NOT_FOUND", 404),
            ("policy_denied", 422, "POLICY_DENIED", 403),
            ("csr_signature_invalid", 400, "BAD_CSR", 422),
            ("san_required", 422, "VALIDATION_ERROR", 422),
            ("hsm_unavailable", 503, "SIGNER_UNAVAILABLE", 503),
            ("client_too_old", 410, "CLIENT_TOO_OLD", 426),
            ("method_not_allowed", 405, "MALFORMED_REQUEST", 405),
            ("media_type_unsupported", 415, "MALFORMED_REQUEST", 415),
            ("too_many_clients", 429, "RATE_LIMITED", 429),
            ("store_busy", 503, "UNAVAILABLE", 503),
            ("internal_error", 500, "INTERNAL_ERROR", 500),
        ] {
            let status = StatusCode::from_u16(status).unwrap_or_default();
            let problem = told(Problem::new(status, code, "m"));
            assert_eq!(
                (problem.code(), problem.status().as_u16()),
                (told_code, told_status)
            );
        }
    }

    #[test]
    fn codes_of_the_protocol_have_its_status() {
        for (own, status, code) in CODES {
            let known = courier_wire::Code::from_text(code).status();
            assert!(known.is_none_or(|known| known == status), "{own} {code}");
        }
    }
}
