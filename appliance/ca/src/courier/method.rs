//! The methods by which couriers authenticate, and the switches of the two that keep a credential on the host.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::audit;
use crate::authority::Authority;
use crate::error::{Error, Refusal, Result};
use crate::permit;
use crate::principal::Principal;

/// A method of authentication.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// An identity document of SPIFFE, as a JWT or a certificate.
    Spiffe,
    /// A token of Azure workload identity.
    AzureJwt,
    /// A token of an Azure Arc machine.
    AzureArc,
    /// A token of AWS.
    AwsOidc,
    /// A token of any OpenID provider.
    #[serde(alias = "oidc_oauth2")]
    OidcJwt,
    /// A certificate whose key signs a challenge.
    #[serde(alias = "x509")]
    Certificate,
    /// A secret that both sides know.
    ClientSecret,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Spiffe,
        Self::AzureJwt,
        Self::AzureArc,
        Self::AwsOidc,
        Self::OidcJwt,
        Self::Certificate,
        Self::ClientSecret,
    ];

    /// Its name in configurations and requests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spiffe => "spiffe",
            Self::AzureJwt => "azure_jwt",
            Self::AzureArc => "azure_arc",
            Self::AwsOidc => "aws_oidc",
            Self::OidcJwt => "oidc_jwt",
            Self::Certificate => "certificate",
            Self::ClientSecret => "client_secret",
        }
    }

    /// Whether something secret lies on the host for it. These can be switched off for all couriers.
    pub fn is_legacy(self) -> bool {
        matches!(self, Self::Certificate | Self::ClientSecret)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no method.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this is no method of authentication")]
pub struct UnknownMethod;

impl FromStr for Method {
    type Err = UnknownMethod;

    /// Its name, or one of the other names in use: `oidc_oauth2`, `x509`.
    fn from_str(text: &str) -> std::result::Result<Self, UnknownMethod> {
        match text {
            "oidc_oauth2" => Ok(Self::OidcJwt),
            "x509" => Ok(Self::Certificate),
            _ => Self::ALL
                .into_iter()
                .find(|method| method.name() == text)
                .ok_or(UnknownMethod),
        }
    }
}

/// A switch as it is listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MethodSwitch {
    /// The method.
    pub method: Method,
    /// Whether it is let in.
    pub is_enabled: bool,
    /// The couriers whose last authentication used it: who is shut out when it is switched off.
    pub used_by: Vec<String>,
}

/// Most couriers named beside a switch.
const MOST_NAMED: u32 = 100;

impl Authority {
    /// The switches of the legacy methods.
    pub async fn courier_methods(&self, principal: &Principal) -> Result<Vec<MethodSwitch>> {
        permit::check_reads_couriers(principal)?;
        let read = self.inner().store.read(|reader| {
            let legacy = Method::ALL.into_iter().filter(|method| method.is_legacy());
            legacy
                .map(|method| {
                    Ok(MethodSwitch {
                        method,
                        is_enabled: !store::couriers::is_method_off(reader, method.name())?,
                        used_by: signed_in_by(reader, method)?,
                    })
                })
                .collect::<store::Result<Vec<_>>>()
        });
        Ok(read.await?)
    }

    /// Switches a legacy method on or off for all couriers. Switched off, its sessions end at once.
    pub async fn switch_courier_method(
        &self,
        principal: &Principal,
        method: Method,
        is_enabled: bool,
    ) -> Result<Vec<MethodSwitch>> {
        let permit = permit::to_manage_couriers(principal)?;
        if !method.is_legacy() {
            let message = format!(
                "{method} keeps no credential on the host; it is switched off by the record of each courier"
            );
            return Err(Refusal::of_requester("method_not_legacy", message).into());
        }
        let at = self.inner().clock.now();
        let action = if is_enabled {
            "courier_method.enable"
        } else {
            "courier_method.disable"
        };
        let entry = audit::entry(at, permit.actor(), action, method, audit::OK, &json!({}));
        let change = self.change(entry, move |tx| {
            store::couriers::switch_method(tx, method.name(), !is_enabled)?;
            if !is_enabled {
                store::courier_sessions::remove_of_method(tx, method.name())?;
            }
            Ok(())
        });
        change.await?;
        self.courier_methods(principal).await
    }

    /// Whether a method is let in by the switches of all couriers.
    pub(crate) async fn is_method_enabled(&self, method: Method) -> Result<bool> {
        if !method.is_legacy() {
            return Ok(true);
        }
        let read = self
            .inner()
            .store
            .read(move |reader| store::couriers::is_method_off(reader, method.name()));
        read.await.map(|is_off| !is_off).map_err(Error::from)
    }
}

/// The names of the couriers that came in by a method last.
fn signed_in_by(reader: &store::Reader<'_>, method: Method) -> store::Result<Vec<String>> {
    let rows = store::courier_presence::signed_in_by(reader, method.name(), None, MOST_NAMED)?;
    let names = rows
        .into_iter()
        .map(|row| store::couriers::find(reader, row.courier_id));
    names
        .filter_map(store::Result::transpose)
        .map(|row| row.map(|row| row.name))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn every_method_has_one_name_in_both_spellings() {
        for method in Method::ALL {
            assert_eq!(method.name().parse::<Method>().unwrap(), method);
            assert_eq!(serde_json::to_value(method).unwrap(), method.name());
        }
        assert_eq!("oidc_oauth2".parse::<Method>().unwrap(), Method::OidcJwt);
        assert_eq!("x509".parse::<Method>().unwrap(), Method::Certificate);
        assert!("none".parse::<Method>().is_err());
    }
}
