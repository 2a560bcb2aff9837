//! What the fuzz targets reach: every body, query and name of the REST API as its handler reads it, and no handler.

use axum::extract::Query;
use bytes::Bytes;
use ca::{
    CertRef, CreateIssuing, CreateRoot, Filter, ImportFromDisk, ImportOffline, NewApiToken, Subordinate,
};
use http::Uri;
use pki::profile::Profile;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::api_tokens::TokenRequest;
use super::audit::AuditQuery;
use super::batch;
use super::certificate_body::{IssueBody, ListQuery, RenewBody, RevokeBody};
use super::certificates::reference;
use super::download::{DownloadQuery, Pkcs12Body};
use super::issuer_body::{CreateBody, ImportBody, RolloverBody};
use super::offline_body::ImportCrlBody;
use crate::extract;

/// Reads a body as the one with this number.
pub fn body(number: u8, octets: &[u8]) {
    let certificate = || CertRef::Id(Uuid::nil());
    match number % 11 {
        0 => read::<IssueBody>(octets, |body| drop(body.into_request())),
        1 => read::<RenewBody>(octets, |body| drop(body.into_request(certificate()))),
        2 => read::<RevokeBody>(octets, |body| {
            let _ = body.into_request(certificate());
        }),
        3 => read::<TokenRequest>(octets, |body| drop(NewApiToken::from(body))),
        4 => read::<Pkcs12Body>(octets, drop),
        5 => read::<ImportBody>(octets, drop),
        6 => read::<RolloverBody>(octets, |body| drop(body.into_request(String::new()))),
        7 => read::<CreateBody>(octets, |body| match body {
            CreateBody::Root(body) => drop(CreateRoot::from(body)),
            CreateBody::Issuing(body) => drop(CreateIssuing::from(body)),
            CreateBody::Subordinate(body) => drop(Subordinate::from(body)),
            CreateBody::FromDisk(body) => drop(ImportFromDisk::from(body)),
            CreateBody::Offline(body) => drop(ImportOffline::from(body)),
        }),
        8 => read::<Profile>(octets, drop),
        9 => read::<ImportCrlBody>(octets, drop),
        _ => {
            for (_, line) in batch::orders(&Bytes::copy_from_slice(octets)) {
                read::<IssueBody>(&line, |body| drop(body.into_request()));
            }
        }
    }
}

/// Reads the query of an address as every one that there is.
pub fn query(text: &str) {
    let Ok(uri) = format!("/?{text}").parse::<Uri>() else {
        return;
    };
    drop(Query::<DownloadQuery>::try_from_uri(&uri));
    drop(Query::<ListQuery>::try_from_uri(&uri).map(|Query(query)| Filter::from(query)));
    drop(Query::<AuditQuery>::try_from_uri(&uri));
}

/// Reads the name of a certificate in an address; what is read is printed and read again as the same.
pub fn certificate_name(text: &str) {
    let Ok(named) = reference(text) else { return };
    assert_eq!(reference(&named.to_string()).ok(), Some(named), "{text}");
}

fn read<T: DeserializeOwned>(octets: &[u8], then: impl FnOnce(T)) {
    if let Ok(body) = extract::parse(octets) {
        then(body);
    }
}
