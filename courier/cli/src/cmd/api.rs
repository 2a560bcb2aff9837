//! `check-api-health`, `check-api-auth` and `validate-config`.

use courier_wire::Verified;
use serde_json::json;

use super::Console;
use crate::config::{self, Settings};
use crate::failure::Failure;
use crate::site::Site;

/// Whether the appliance is there.
pub(super) async fn health(console: Console, site: &Site) -> Result<(), Failure> {
    let health = site.client()?.health().await?;
    let told = json!({
        "status": health.status, "version": health.version, "identity": health.identity, "server_time": health.server_time,
    });
    let text = format!(
        "{} answers: {}, version {}",
        health.identity, health.status, health.version
    );
    console.tell(&told, &text);
    Ok(())
}

/// Whether the credentials work.
pub(super) async fn auth(console: Console, site: &Site) -> Result<(), Failure> {
    let verified: Verified = site.courier().await?.verify().await?;
    let told = json!({
        "courier": verified.courier, "method": verified.method, "session": {
            "token_type": verified.session.token_type, "expires_at": verified.session.expires_at,
        },
    });
    let text = format!(
        "signed in as {} ({}) by {}; the session is ended again",
        verified.courier.name, verified.courier.uuid, verified.method
    );
    console.tell(&told, &text);
    Ok(())
}

/// What the file comes to, when a connection can be prepared as it says.
pub(super) fn validate(console: Console, settings: Settings) -> Result<(), Failure> {
    let summary = config::summary(&settings);
    Site::new(&settings.path, settings.api, settings.auth)?;
    console.tell(&summary, &summary.to_string());
    Ok(())
}
