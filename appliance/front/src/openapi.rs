//! The OpenAPI 3.1 description of the REST API: made from the handlers, completed by what holds for all of them.
//!
//! Which errors an operation can answer with follows from its shape: whether it takes a token, a body, a name in its
//! address, whether it changes anything. So handlers tell of their success and what is peculiar to them, and the rest is
//! added here, in one place.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi, openapi};

use crate::problem::ErrorBody;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Chancery",
        description = "A certification authority whose keys live in an HSM.\n\nErrors have the form of `ErrorBody` with a \
                       stable `code`; what is `retryable` may be sent again as it is. Every answer carries the id of its \
                       request in `x-request-id`."
    ),
    modifiers(&Security),
    security(("token" = [])),
    components(schemas(ErrorBody)),
    tags(
        (name = "certificates", description = "Issue, renew, revoke, find and download certificates"),
        (name = "issuers", description = "Certification authorities and their generations"),
        (name = "profiles", description = "What may be asked for and what it looks like"),
        (name = "courier", description = "What couriers ask: sign in, order, fetch, acknowledge. Errors have codes in capitals"),
        (name = "couriers", description = "Courier records, their credentials and orders, domains and policies"),
        (name = "administration", description = "Tokens, keys, audit log, state"),
        (name = "health", description = "Whether the server lives and can work"),
    )
)]
pub(crate) struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API token"));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
        let session = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
            "The session of a courier; bound to a key it comes as `DPoP`, with a proof in the header `DPoP` (RFC 9449)",
        ));
        components.add_security_scheme("session", SecurityScheme::Http(session.build()));
    }
}

/// What an operation is like, as far as its errors depend on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Feature {
    /// It can run into a fault of the server.
    Runs,
    /// It takes a token.
    Token,
    /// It takes a token and changes something.
    Change,
    /// It takes a body.
    Body,
    /// It takes parameters in its address.
    Parameters,
    /// It is about one thing that its address names.
    Name,
}

/// An error that many operations answer with: those that have one of the features.
struct Common {
    status: &'static str,
    name: &'static str,
    of: &'static [Feature],
    description: &'static str,
}

const fn common(
    status: &'static str,
    name: &'static str,
    of: &'static [Feature],
    description: &'static str,
) -> Common {
    Common {
        status,
        name,
        of,
        description,
    }
}

const COMMON: [Common; 10] = [
    common(
        "400",
        "BadRequest",
        &[Feature::Body, Feature::Parameters],
        "The request is wrong: not JSON, an unknown or missing field, a value that cannot be",
    ),
    common(
        "401",
        "Unauthenticated",
        &[Feature::Token],
        "No token, or one that is unknown, revoked or past its end",
    ),
    common(
        "403",
        "Forbidden",
        &[Feature::Token],
        "The role or the scope of the token does not reach so far",
    ),
    common(
        "404",
        "NotFound",
        &[Feature::Name],
        "There is no such thing, or none that the token may see",
    ),
    common(
        "408",
        "BodyTimeout",
        &[Feature::Body],
        "The body did not arrive in time",
    ),
    common(
        "409",
        "Conflict",
        &[Feature::Change],
        "The present state does not allow it",
    ),
    common(
        "413",
        "BodyTooLarge",
        &[Feature::Body],
        "The body is longer than the limit",
    ),
    common(
        "422",
        "Refused",
        &[Feature::Change],
        "Well-formed, and refused by a profile, a policy or the lint",
    ),
    common("500", "Internal", &[Feature::Runs], "A fault of the server"),
    common(
        "503",
        "Unavailable",
        &[Feature::Token],
        "The signer or the store is away or busy; `Retry-After` says when to try again",
    ),
];

/// Adds the common errors to a document of handlers.
pub(crate) fn complete(document: &mut openapi::OpenApi) {
    let components = document.components.get_or_insert_default();
    for error in &COMMON {
        let content = Content::new(Some(Ref::from_schema_name("ErrorBody")));
        let response = ResponseBuilder::new()
            .description(error.description)
            .content("application/json", content);
        components
            .responses
            .insert(error.name.to_owned(), response.build().into());
    }
    for (path, item) in &mut document.paths.paths {
        let changing = [&mut item.post, &mut item.put, &mut item.delete].map(|operation| (operation, true));
        for (operation, changes) in changing.into_iter().chain([(&mut item.get, false)]) {
            if let Some(operation) = operation {
                add_errors(operation, path, changes);
            }
        }
    }
}

fn add_errors(operation: &mut Operation, path: &str, changes: bool) {
    let features = features(operation, path, changes);
    for error in COMMON
        .iter()
        .filter(|error| error.of.iter().any(|one| features.contains(one)))
    {
        let reference = RefOr::Ref(Ref::from_response_name(error.name));
        operation
            .responses
            .responses
            .entry(error.status.to_owned())
            .or_insert(reference);
    }
}

fn features(operation: &Operation, path: &str, changes: bool) -> Vec<Feature> {
    // An operation that says nothing about security takes what the document says: a token.
    // Whoever names another scheme than none takes a session.
    let takes_token = operation.security.as_ref().is_none_or(|schemes| {
        !schemes.is_empty()
            && schemes
                .iter()
                .all(|scheme| *scheme != SecurityRequirement::default())
    });
    let takes_parameters = operation
        .parameters
        .as_ref()
        .is_some_and(|parameters| !parameters.is_empty());
    let all = [
        (Feature::Runs, true),
        (Feature::Token, takes_token),
        (Feature::Change, takes_token && changes),
        (Feature::Body, operation.request_body.is_some()),
        (Feature::Parameters, takes_parameters),
        (Feature::Name, path.contains('{')),
    ];
    all.into_iter()
        .filter(|(_, has)| *has)
        .map(|(feature, _)| feature)
        .collect()
}
