//! `chancery serve`.

use std::path::Path;

use anyhow::Result;

pub(crate) async fn run(config: &Path) -> Result<()> {
    crate::run::serve(config).await
}
