//! Metrics of what the store holds, as it was looked at last, and of what went from it.

use std::time::Duration;

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec};
use store::stats::{Size, TableStats};

use super::Maker;
use crate::authority::Authority;
use crate::error::Result;

/// The metrics of the store's size.
#[derive(Clone, Debug)]
pub(crate) struct StoreMetrics {
    octets: IntGauge,
    free: IntGauge,
    table_octets: IntGaugeVec,
    table_rows: IntGaugeVec,
    removed: IntCounterVec,
    retention_waits: IntGauge,
}

impl StoreMetrics {
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            octets: make.gauge(
                "store_size_bytes",
                "Size of the database, as it was an hour ago at most",
            )?,
            free: make.gauge(
                "store_free_bytes",
                "What of the database is free for new rows (SQLite)",
            )?,
            table_octets: make.gauges(
                "store_table_bytes",
                "Size of a table with its indexes (PostgreSQL)",
                &["table"],
            )?,
            table_rows: make.gauges("store_table_rows", "Rows of a table", &["table"])?,
            removed: make.counters(
                "retention_removed_total",
                "What was removed because it was old enough",
                &["kind"],
            )?,
            retention_waits: make.gauge(
                "retention_waits_seconds",
                "For how long nothing is removed yet, because the clock has not gone steadily for a day",
            )?,
        })
    }

    fn update(&self, size: &Size, tables: &[TableStats]) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.octets.set(gauge(size.octets));
        self.free.set(gauge(size.free));
        for table in tables {
            self.table_rows
                .with_label_values(&[table.name])
                .set(gauge(table.rows));
            if let Some(octets) = table.octets {
                self.table_octets
                    .with_label_values(&[table.name])
                    .set(gauge(octets));
            }
        }
    }
}

impl super::Metrics {
    pub(crate) fn removed(&self, kind: &str, count: u64) {
        self.store.removed.with_label_values(&[kind]).inc_by(count);
    }

    pub(crate) fn retention_waits(&self, time: Duration) {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        self.store.retention_waits.set(seconds);
    }
}

impl Authority {
    /// Brings the metrics of the store's size up to date. Counts rows, which takes a while in a large store.
    pub async fn look_at_store_size(&self) -> Result<()> {
        let read = self
            .inner()
            .store
            .read(|reader| Ok((store::stats::size(reader)?, store::stats::tables(reader)?)));
        let (size, tables) = read.await?;
        self.inner().metrics.store.update(&size, &tables);
        Ok(())
    }
}
