//! The OpenAPI 3.1 description of the REST API: made from the handlers, completed by what holds for all of them.
//!
//! Which errors an operation can answer with follows from its shape: whether it takes a token, a body, a name in its
//! address, whether it changes anything. So handlers tell of their success and what is peculiar to them, and the rest is
//! added here, in one place.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
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
    }
}

/// An error that many operations answer with.
struct Common {
    status: &'static str,
    name: &'static str,
    description: &'static str,
    is_possible: fn(&Trait) -> bool,
}

/// What decides about the errors of an operation.
struct Trait {
    takes_token: bool,
    takes_body: bool,
    takes_parameters: bool,
    names_a_thing: bool,
    changes: bool,
}

const COMMON: [Common; 10] = [
    Common {
        status: "400",
        name: "BadRequest",
        description: "The request is wrong: not JSON, an unknown or missing field, a value that cannot be",
        is_possible: |of| of.takes_body || of.takes_parameters,
    },
    Common {
        status: "401",
        name: "Unauthenticated",
        description: "No token, or one that is unknown, revoked or past its end",
        is_possible: |of| of.takes_token,
    },
    Common {
        status: "403",
        name: "Forbidden",
        description: "The role or the scope of the token does not reach so far",
        is_possible: |of| of.takes_token,
    },
    Common {
        status: "404",
        name: "NotFound",
        description: "There is no such thing, or none that the token may see",
        is_possible: |of| of.names_a_thing,
    },
    Common {
        status: "408",
        name: "BodyTimeout",
        description: "The body did not arrive in time",
        is_possible: |of| of.takes_body,
    },
    Common {
        status: "409",
        name: "Conflict",
        description: "The present state does not allow it",
        is_possible: |of| of.takes_token && of.changes,
    },
    Common {
        status: "413",
        name: "BodyTooLarge",
        description: "The body is longer than the limit",
        is_possible: |of| of.takes_body,
    },
    Common {
        status: "422",
        name: "Refused",
        description: "Well-formed, and refused by a profile, a policy or the lint",
        is_possible: |of| of.takes_token && of.changes,
    },
    Common {
        status: "500",
        name: "Internal",
        description: "A fault of the server",
        is_possible: |_| true,
    },
    Common {
        status: "503",
        name: "Unavailable",
        description: "The signer or the store is away or busy; `Retry-After` says when to try again",
        is_possible: |of| of.takes_token,
    },
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
        let names_a_thing = path.contains('{');
        let changing = [&mut item.post, &mut item.put, &mut item.delete].map(|operation| (operation, true));
        for (operation, changes) in changing.into_iter().chain([(&mut item.get, false)]) {
            if let Some(operation) = operation {
                add_errors(operation, names_a_thing, changes);
            }
        }
    }
}

fn add_errors(operation: &mut Operation, names_a_thing: bool, changes: bool) {
    let of = Trait {
        // An operation that says nothing about security takes what the document says: a token.
        takes_token: operation.security.is_none(),
        takes_body: operation.request_body.is_some(),
        takes_parameters: operation
            .parameters
            .as_ref()
            .is_some_and(|parameters| !parameters.is_empty()),
        names_a_thing,
        changes,
    };
    for error in COMMON.iter().filter(|error| (error.is_possible)(&of)) {
        let reference = RefOr::Ref(Ref::from_response_name(error.name));
        operation
            .responses
            .responses
            .entry(error.status.to_owned())
            .or_insert(reference);
    }
}
