//! From `[couriers]` to what the use cases take.

use std::time::Duration;

use ca::courier::CourierSettings;

use crate::config::{Config, ConfigError};

/// The settings of couriers; the file of roots is read here.
pub(super) fn couriers(config: &Config) -> Result<CourierSettings, ConfigError> {
    let own = &config.couriers;
    let wrong = |path: std::path::PathBuf, detail: String| ConfigError::Problems {
        path,
        problems: vec![format!("couriers.tls_roots: {detail}")],
    };
    let roots = match &own.tls_roots {
        Some(file) => {
            let file = config.path(file);
            let read = std::fs::read(&file);
            Some(read.map_err(|error| wrong(file, format!("cannot be read: {error}")))?)
        }
        None => None,
    };
    let fetch = own.fetch_keys.then(|| jobs::issuer_documents(roots.as_deref()));
    let fetch = fetch
        .transpose()
        .map_err(|detail| wrong(own.tls_roots.clone().unwrap_or_default(), detail))?;
    let send =
        (own.fetch_keys && !own.sts_endpoints.is_empty()).then(|| jobs::signed_requests(roots.as_deref()));
    let send = send
        .transpose()
        .map_err(|detail| wrong(own.tls_roots.clone().unwrap_or_default(), detail))?;
    Ok(CourierSettings {
        session_lifetime: Duration::from_mins(u64::from(own.session_minutes)),
        attempts_per_courier: own.attempts_per_courier,
        attempts_per_address: own.attempts_per_address,
        acknowledge_within: Duration::from_mins(u64::from(own.acknowledge_within_minutes)),
        silent_after: Duration::from_hours(u64::from(own.silent_after_hours)),
        asks_for_certificates: own.client_certificates,
        sts_endpoints: own.sts_endpoints.clone(),
        send_request: send,
        fetch_document: fetch,
        ..CourierSettings::new(own.identity.as_deref().unwrap_or(&config.public.base_url))
    })
}
