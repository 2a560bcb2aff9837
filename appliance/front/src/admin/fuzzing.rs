//! What the fuzz targets reach: every body and query of the REST API as its handler reads it, and no handler.

use axum::extract::Query;
use ca::{CreateIssuing, CreateRoot, ImportFromDisk, Subordinate};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use jiff::Timestamp;
use pki::profile::Profile;
use serde::de::DeserializeOwned;

use super::api_tokens::TokenRequest;
use super::audit::AuditQuery;
use super::certificate_body::{IssueBody, ListQuery, RenewBody, RevokeBody};
use super::download::{DownloadQuery, Pkcs12Body};
use super::issuer_body::{CreateBody, ImportBody, RolloverBody};
use crate::conditional::is_unchanged;
use crate::extract;

/// Reads a body as the one with this number.
pub fn body(number: u8, octets: &[u8]) {
    match number % 8 {
        0 => read::<IssueBody>(octets, drop),
        1 => read::<RenewBody>(octets, drop),
        2 => read::<RevokeBody>(octets, drop),
        3 => read::<TokenRequest>(octets, drop),
        4 => read::<Pkcs12Body>(octets, drop),
        5 => read::<ImportBody>(octets, drop),
        6 => read::<RolloverBody>(octets, |body| drop(body.into_request(String::new()))),
        _ => read::<CreateBody>(octets, |body| match body {
            CreateBody::Root(body) => drop(CreateRoot::from(body)),
            CreateBody::Issuing(body) => drop(CreateIssuing::from(body)),
            CreateBody::Subordinate(body) => drop(Subordinate::from(body)),
            CreateBody::FromDisk(body) => drop(ImportFromDisk::from(body)),
        }),
    }
    read::<Profile>(octets, drop);
}

/// Reads the query of an address as every one that there is.
pub fn query(text: &str) {
    let Ok(uri) = format!("/?{text}").parse::<Uri>() else {
        return;
    };
    drop(Query::<DownloadQuery>::try_from_uri(&uri));
    drop(Query::<ListQuery>::try_from_uri(&uri));
    drop(Query::<AuditQuery>::try_from_uri(&uri));
}

/// Weighs the conditions of a request against a validator and a time.
pub fn conditions(name: &HeaderName, value: &[u8], etag: &str, modified: Timestamp) -> bool {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.append(name, value);
    }
    is_unchanged(&headers, etag, modified)
}

fn read<T: DeserializeOwned>(octets: &[u8], then: impl FnOnce(T)) {
    if let Ok(body) = extract::parse(octets) {
        then(body);
    }
}
