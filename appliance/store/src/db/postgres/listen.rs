//! A connection that waits for other servers' changes (LISTEN).
//!
//! What wakes it says nothing but that there is something to read: whoever is woken reads on after the row it knows. So a lost
//! connection loses nothing, and to have been woken for nothing does no harm.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_postgres::AsyncMessage;

use super::config::PostgresConfig;
use super::connect::answered;
use super::session::CHANNEL;
use super::tls::Connector;
use crate::error::Result;

/// How long it waits before it connects again.
const PAUSE: Duration = Duration::from_millis(250);

/// Wakes whoever waits, as long as it runs.
pub(super) async fn listen(config: PostgresConfig, wake: Arc<Notify>) {
    loop {
        // What goes wrong shows wherever the database is asked for something.
        let _ = listen_once(&config, &wake).await;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen_once(config: &PostgresConfig, wake: &Notify) -> Result<()> {
    let connecting = config.server.connect(Connector(config.tls.clone()));
    let (client, mut connection) = answered(connecting).await?;
    let receiving = async {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if matches!(message, AsyncMessage::Notification(_)) {
                wake.notify_one();
            }
        }
    };
    let asking = async {
        answered(client.batch_execute(&format!("LISTEN {CHANNEL}"))).await?;
        // There may have been something while nobody listened.
        wake.notify_one();
        std::future::pending::<Result<()>>().await
    };
    tokio::select! {
        () = receiving => Ok(()),
        outcome = asking => outcome,
    }
}
