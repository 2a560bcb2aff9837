//! `order`: the orders of this courier at the appliance.

use std::time::Duration;

use courier_wire::{Order, OrderAnswer, Orders};
use tokio::time::Instant;

use super::Console;
use crate::args::OrderCommand;
use crate::client::endpoints::{MAX_WAIT, Told};
use crate::failure::Failure;
use crate::report::one_line;
use crate::site::Site;

/// How long `order wait` waits when nobody says.
const WAIT: Duration = Duration::from_mins(2);
/// Between two looks at an order whose state came at once.
const PAUSE: Duration = Duration::from_secs(2);

/// Lists, shows, waits for or gives up orders.
pub(super) async fn perform(
    console: Console,
    site: &Site,
    command: &OrderCommand,
    wait: Option<Duration>,
) -> Result<(), Failure> {
    let courier = site.courier().await?;
    match command {
        OrderCommand::List => {
            let told: Orders = courier.orders(&[]).await?;
            for order in &told.orders {
                show(console, order);
            }
            Ok(())
        }
        OrderCommand::Show { uuid } => {
            let told: Told<OrderAnswer> = courier.order_status(*uuid, Duration::ZERO).await?;
            show(console, &told.value.order);
            Ok(())
        }
        OrderCommand::Cancel { uuid } => {
            courier.cancel(*uuid).await?;
            let told = serde_json::json!({ "uuid": uuid, "status": "cancelled" });
            console.tell(&told, &format!("{uuid}: cancelled"));
            Ok(())
        }
        OrderCommand::Wait { uuid } => {
            let (started, wait) = (Instant::now(), wait.unwrap_or(WAIT));
            loop {
                let left = wait.saturating_sub(started.elapsed());
                let told: Told<OrderAnswer> = courier.order_status(*uuid, left.min(MAX_WAIT)).await?;
                let order = told.value.order;
                match order.status.as_str() {
                    "issued" | "delivered" | "installed" => {
                        show(console, &order);
                        return Ok(());
                    }
                    "rejected" | "failed" | "cancelled" | "expired" => {
                        let error = order.error.map(|error| (error.code, error.message));
                        let (code, message) = error.unzip();
                        return Err(Failure::Order {
                            uuid: order.uuid,
                            status: order.status,
                            code,
                            message: message.unwrap_or_default(),
                        });
                    }
                    _ if started.elapsed() >= wait => {
                        let (uuid, status) = (*uuid, order.status);
                        return Err(Failure::Pending { uuid, status });
                    }
                    _ => tokio::time::sleep(told.retry_after.unwrap_or(PAUSE).min(left)).await,
                }
            }
        }
    }
}

fn show(console: Console, order: &Order) {
    let mut text = format!("{} {} {}", order.uuid, order.status, order.names.join(","));
    if let Some(error) = &order.error {
        let why = format!(": {} [{}]", error.message, error.code);
        text.push_str(&why);
    }
    console.tell(order, &one_line(&text));
}
