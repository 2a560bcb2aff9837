//! All listeners, started on free ports over a real store and software keys, asked as clients ask them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test says what broke by panicking"
)]

mod alarms;
mod api_tokens;
mod audit;
mod batch;
mod bodies;
mod bridge_bodies;
mod bridge_reports;
mod bridges;
mod certificates;
mod connections;
mod courier_methods;
mod courier_misuse;
mod courier_moto;
mod courier_mutual_tls;
mod courier_oidc_provider;
mod courier_platform_keys;
mod courier_renewals;
mod courier_replay;
mod courier_run;
mod courier_site;
mod couriers;
mod crl_parts;
mod discovery;
mod downloads;
mod health;
mod holder;
mod house;
mod issuers;
mod logs;
mod metrics;
mod openapi;
mod profiles;
mod public;
mod public_ocsp;
mod sim_himds;
mod tls;
mod wire;
mod witness;
