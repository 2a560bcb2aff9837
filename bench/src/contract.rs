//! The performance contract: what the product promises, as ratios to what else can be measured in the same run.
//!
//! Each row is measured by the group of its part, and every group makes its own appliances. A group that fails leaves its
//! rows without a value, says why, and does not keep the others from being measured.

mod crl;
mod issue;
mod ocsp;
mod overload;
mod row;
mod scale;
mod sign;
mod tiers;

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};

use crate::run::Run;
pub(crate) use row::{ROWS, RowId};

/// What was measured for the rows of one group: the row, its value, and what the value was made of.
pub(crate) type Values = Vec<(RowId, f64, String)>;

/// Parts that are measured on their own, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// OCSP answers from memory.
    Ocsp,
    /// OCSP answers from below memory, and answers signed ahead of time.
    Tiers,
    /// OCSP with nonce and issuance over TLS against the token.
    Sign,
    /// The signing process and the simulated HSM.
    Signerd,
    /// Issuance over plain HTTP against the peers.
    Issue,
    /// CRLs, and OCSP while one is built.
    Crl,
    /// Many certificates and revocations.
    Scale,
    /// Good requests at full load in a crowd of bad clients.
    Overload,
}

impl Part {
    const ALL: [Self; 8] = [
        Self::Ocsp,
        Self::Tiers,
        Self::Sign,
        Self::Signerd,
        Self::Issue,
        Self::Crl,
        Self::Scale,
        Self::Overload,
    ];

    async fn measure(self, run: &mut Run) -> Result<Values> {
        match self {
            Self::Ocsp => ocsp::measure(run).await,
            Self::Tiers => tiers::measure(run).await,
            Self::Sign => sign::against_the_token(run).await,
            Self::Signerd => sign::signerd(run).await,
            Self::Issue => issue::measure(run).await,
            Self::Crl => crl::measure(run).await,
            Self::Scale => scale::measure(run).await,
            Self::Overload => overload::measure(run).await,
        }
    }
}

/// The contract with its values.
#[derive(Debug, Default)]
pub(crate) struct Contract {
    values: Values,
    faults: Vec<String>,
    is_partial: bool,
}

impl Contract {
    /// Measures it, or the parts that are named.
    pub(crate) async fn measure(run: &mut Run, only: &[Part]) -> Self {
        let mut contract = Self {
            is_partial: !only.is_empty(),
            ..Self::default()
        };
        for part in Part::ALL {
            if !only.is_empty() && !only.contains(&part) {
                continue;
            }
            eprintln!("contract: {part:?}");
            match part.measure(run).await {
                Ok(values) => contract.values.extend(values),
                Err(error) => {
                    eprintln!("contract: {part:?}: {error:#}");
                    contract.faults.push(format!("{part:?}: {error:#}"));
                }
            }
        }
        contract
    }

    fn value(&self, id: RowId) -> Option<(f64, &str)> {
        let found = self
            .values
            .iter()
            .find(|(known, value, _)| *known == id && value.is_finite());
        found.map(|(_, value, made_of)| (*value, made_of.as_str()))
    }

    /// `contract` is a list with an object for every row; `made_of` says what each value was made of.
    pub(crate) fn json(&self) -> Map<String, Value> {
        let line = |row: &row::Row| {
            let value = self.value(row.id).map(|(value, _)| value);
            json!({ "name": row.name, "value": value, "must": row.must, "better": row.better })
        };
        let made_of = |row: &row::Row| Some((row.name.to_owned(), json!(self.value(row.id)?.1)));
        let mut object = Map::new();
        object.insert("contract".to_owned(), ROWS.iter().map(line).collect());
        object.insert(
            "made_of".to_owned(),
            Value::Object(ROWS.iter().filter_map(made_of).collect()),
        );
        object.insert("faults".to_owned(), json!(self.faults));
        object
    }

    /// The table of the manual; of a run of some parts, their rows.
    pub(crate) fn markdown(&self) -> String {
        let mut text = "| What | Must | Measured | | Made of |\n|---|---|---|---|---|\n".to_owned();
        for row in ROWS {
            let (value, verdict, made_of) = match self.value(row.id) {
                Some((value, made_of)) => (row.shown(value), row.verdict(value), made_of),
                None if self.is_partial => continue,
                None => ("not measured".to_owned(), "", ""),
            };
            let must = format!("{} {}", row.better.sign(), row.shown(row.must));
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {} | {must} | {value} | {verdict} | {made_of} |",
                row.name
            );
        }
        text
    }

    /// Every row that was asked for has a value.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(
            self.faults.is_empty(),
            "parts could not be measured:\n{}",
            self.faults.join("\n")
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;

    #[test]
    fn the_json_has_a_row_for_every_line() {
        let mut contract = Contract::default();
        contract
            .values
            .push((RowId::OcspGetToHyper, 1.1, "6.6 us, 6 us".to_owned()));
        contract
            .values
            .push((RowId::RevokeGrowth, f64::NAN, String::new()));
        let json = contract.json();
        let rows = json.get("contract").unwrap().as_array().unwrap();
        assert_eq!(rows.len(), ROWS.len());
        for row in rows {
            let keys: Vec<&String> = row.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["better", "must", "name", "value"]);
            assert!(row.get("must").unwrap().is_number() && row.get("name").unwrap().is_string());
            assert!(["lower", "higher"].contains(&row.get("better").unwrap().as_str().unwrap()));
        }
        assert_eq!(
            rows.iter()
                .filter(|row| row.get("value").unwrap().is_number())
                .count(),
            1
        );
    }

    #[test]
    fn the_table_has_a_line_for_every_row() {
        let mut contract = Contract::default();
        contract.values.push((RowId::OcspGetToHyper, 1.5, "x".to_owned()));
        let text = contract.markdown();
        assert_eq!(text.lines().count(), ROWS.len() + 2);
        assert!(text.contains("| ≤ 1.20 | 1.50 | missed | x |"), "{text}");
    }
}
