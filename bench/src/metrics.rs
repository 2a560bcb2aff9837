//! What an appliance tells Prometheus, as far as the kit looks at it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::appliance::Appliance;

/// Signatures that were made before anybody asked for them: the purposes of the signer whose names say so.
pub(crate) async fn signed_ahead(appliance: &Appliance) -> Result<f64> {
    let text = reqwest::get(appliance.metrics_url())
        .await?
        .text()
        .await
        .context("the metrics")?;
    Ok(sum(&text, "chancery_signer_seconds_count", |labels| {
        labels.contains("presign") || labels.contains("pre_sign")
    }))
}

/// Waits until nothing has been signed ahead of time for two seconds.
pub(crate) async fn nothing_more_is_signed_ahead(appliance: &Appliance) -> Result<()> {
    let begun = Instant::now();
    let (mut last, mut quiet) = (signed_ahead(appliance).await?, Instant::now());
    while quiet.elapsed() < Duration::from_secs(2) {
        ensure!(
            begun.elapsed() < Duration::from_mins(10),
            "signing ahead does not end"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = signed_ahead(appliance).await?;
        if now > last {
            (last, quiet) = (now, Instant::now());
        }
    }
    Ok(())
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
