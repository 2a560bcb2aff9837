//! What a run of `init` would do, without doing any of it.

use anyhow::Result;
use pki::KeyAlgorithm;

use super::authorities::{ISSUING, ROOT};
use super::given::There;
use super::layout::Layout;
use super::store::Known;
use super::{Args, Steps, existing, server_config, settle_base_url, token};
use crate::config::Config;

/// Tells it.
pub(super) fn plan(args: &Args, steps: Steps, layout: &Layout, there: &There) -> Result<()> {
    let folder = layout.state.display();
    let words = format!("would set up a server in {folder}; nothing is changed now");
    steps.tell("dry run", &folder.to_string(), &words);
    if let Some(socket) = &args.signer_socket {
        steps.done(
            "signing process",
            &format!("the one at {}, its token `{}`", socket.display(), args.token),
        );
    } else if there.is_connected(args) {
        steps.done("signing process", "is there");
    } else {
        token::plan(args, steps, layout, there)?;
    }
    let is_new = there.server.is_none();
    steps.done(
        "server",
        &known(!is_new, format!("configure in {}", layout.config.display())),
    );
    let mut config = match &there.server {
        Some(config) => config.clone(),
        None => server_config(args, layout)?,
    };
    if is_new {
        config.state_dir.clone_from(&layout.state);
    }
    if args.offline {
        let is_there = config.store_config().is_ok_and(|store| is_file(&store));
        steps.done("store", &known(is_there, "make".to_owned()));
        return Ok(());
    }
    let store = Known::of(&config)?;
    existing::hold(args, &store)?;
    if let Some(url) = store.base_url.clone().filter(|_| is_new) {
        settle_base_url(args, steps, &mut config, url);
    }
    plan_state(args, steps, &config, &store);
    Ok(())
}

/// What is in the store and in the folder of the state.
fn plan_state(args: &Args, steps: Steps, config: &Config, store: &Known) {
    let make = |name: &str, (subject, algorithm): (&str, KeyAlgorithm)| {
        known(
            store.authorities.iter().any(|known| known.name == name),
            format!("make `{name}`: {subject}, {algorithm}, with a CRL and an OCSP responder"),
        )
    };
    steps.done("root", &make(ROOT, args.root()));
    steps.done("issuing CA", &make(ISSUING, args.issuing()));
    steps.done(
        "audit log",
        &known(
            config.path(&config.audit.folder).exists(),
            "make its key and sign it".to_owned(),
        ),
    );
    let certificate = config.path("tls/server.pem".as_ref());
    steps.done(
        "server's own TLS",
        &known(certificate.exists(), "issue by the issuing CA".to_owned()),
    );
    let token = config.path("admin.token".as_ref());
    steps.done(
        "admin token",
        &known(token.exists(), "make, and write to admin.token".to_owned()),
    );
    let (public, api, metrics) = (config.public.listen, config.api.listen, config.metrics.listen);
    steps.done(
        "listeners",
        &format!("public {public}, API {api}, metrics {metrics}"),
    );
}

fn known(is_there: bool, what: String) -> String {
    if is_there { "is there".to_owned() } else { what }
}

fn is_file(store: &::store::StoreConfig) -> bool {
    match &store.location {
        ::store::Location::File(file) => file.exists(),
        ::store::Location::Server(_) => false,
    }
}
