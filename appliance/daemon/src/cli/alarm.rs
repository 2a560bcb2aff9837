//! `chancery alarm`: what an operator should look at.

use anyhow::Result;
use clap::Subcommand;

use super::client::{Api, escape};
use super::{Place, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the alarms that last, the oldest first.
    #[command(after_help = "Example: chancery alarm list --kind silent_courier")]
    List {
        /// Those of the last 90 days that are over, too.
        #[arg(long)]
        all: bool,
        /// Of this kind alone.
        #[arg(long, value_parser = ["issued_not_installed", "silent_courier", "bridge_disconnected"])]
        kind: Option<String>,
        /// About this courier alone.
        #[arg(long)]
        courier: Option<String>,
    },
}

pub(crate) async fn run(place: &Place, command: Command) -> Result<()> {
    let Command::List { all, kind, courier } = command;
    let open = (!all).then(|| "true".to_owned());
    let given = [("open", open), ("kind", kind), ("courier", courier)];
    let given = given
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", escape(&value?))));
    let query = given.collect::<Vec<_>>().join("&");
    let items = Api::new(place)?.all(&format!("/api/v1/alarms?{query}")).await?;
    let columns = [
        ("KIND", "/kind"),
        ("SINCE", "/raised_at"),
        ("UNTIL", "/cleared_at"),
        ("WHAT", "/message"),
    ];
    table::list(place.output, &items, &columns);
    Ok(())
}
