//! What an appliance tells Prometheus, as far as the kit looks at it.

use anyhow::{Context as _, Result};

use crate::http::{Connection, Door};

/// One connection to the metrics, which takes little of what is being measured.
pub(crate) struct Metrics {
    connection: Connection,
    request: Vec<u8>,
}

impl Metrics {
    pub(crate) async fn open(door: &Door) -> Result<Self> {
        Ok(Self {
            connection: door.open().await?,
            request: door.get("/metrics"),
        })
    }

    /// Signatures that were made before anybody asked for them: the purposes of the signer whose names say so.
    pub(crate) async fn signed_ahead(&mut self) -> Result<f64> {
        let answer = self.connection.exchange(&self.request).await?;
        let text = std::str::from_utf8(answer.body).context("the metrics")?;
        Ok(sum(text, "chancery_signer_seconds_count", |labels| {
            labels.contains("presign") || labels.contains("pre_sign")
        }))
    }
}

/// The sum of a metric over the label sets that are wanted.
fn sum(text: &str, name: &str, is_wanted: impl Fn(&str) -> bool) -> f64 {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
    let wanted = lines.filter(|(labels, _)| is_wanted(labels));
    wanted.filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_is_summed() {
        let text = "# HELP chancery_signer_seconds x\nchancery_signer_seconds_count{purpose=\"ocsp\"} 5\n\
            chancery_signer_seconds_count{purpose=\"ocsp_presign\"} 7\nchancery_signer_seconds_sum{purpose=\"ocsp_presign\"} 1\n";
        let sum = sum(text, "chancery_signer_seconds_count", |labels| {
            labels.contains("presign")
        });
        assert!((sum - 7.0).abs() < f64::EPSILON);
    }
}
