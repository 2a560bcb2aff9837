//! What stands in each file of a set.

use std::collections::HashSet;

use pki::Certificate;
use zeroize::Zeroizing;

use super::{Bundle, OutputSettings, WriteFault};
use crate::export;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The leaf.
    Certificate,
    /// What stands between leaf and root.
    Chain,
    /// Leaf and chain.
    Fullchain,
    /// The authorities.
    Ca,
    /// Private key and fullchain.
    Combined,
    /// Everything under a password.
    Pkcs12,
    /// The private key.
    PrivateKey,
}

impl Role {
    /// Whether a private key is in it.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::Combined | Self::Pkcs12 | Self::PrivateKey)
    }
}

/// Why a file with the key in it is not made.
const IN_TOKEN: &str =
    "its key stays in the token: output.combined and output.pkcs12 go with keys in files alone";

/// One file.
pub(super) struct File {
    pub(super) role: Role,
    pub(super) name: String,
    pub(super) octets: Zeroizing<Vec<u8>>,
}

/// All files, the private key last.
pub(super) struct Contents {
    pub(super) files: Vec<File>,
}

impl Contents {
    pub(super) fn of(settings: &OutputSettings, bundle: &Bundle<'_>) -> Result<Self, WriteFault> {
        let failed = |text: String| WriteFault::Contents(text);
        let names = &settings.names;
        let key = bundle.key.to_text(settings.passphrase.as_ref());
        let key = key.map_err(|fault| failed(fault.to_string()))?;
        let (leaf, above) = bundle.chain.split_at(bundle.chain.len().min(1));
        // Who verifies has the root already (RFC 8446 §4.4.2).
        let (roots, between): (Vec<_>, Vec<_>) = above.iter().cloned().partition(Certificate::is_self_signed);
        let authorities = if bundle.authorities.is_empty() {
            &roots
        } else {
            bundle.authorities
        };
        let (certificate, chain) = (export::pem_of(leaf), export::pem_of(&between));
        let fullchain = format!("{certificate}{chain}");
        let mut combined = Zeroizing::new(String::new());
        combined.push_str(&key);
        combined.push_str(&fullchain);
        let mut files = Vec::new();
        let mut add = |role: Role, name: Option<&String>, octets: &[u8]| {
            if let Some(name) = name.filter(|name| !name.is_empty()) {
                files.push(File {
                    role,
                    name: name.clone(),
                    octets: Zeroizing::new(octets.to_vec()),
                });
            }
        };
        add(
            Role::Certificate,
            names.certificate.as_ref(),
            certificate.as_bytes(),
        );
        add(Role::Chain, names.chain.as_ref(), chain.as_bytes());
        add(Role::Fullchain, names.fullchain.as_ref(), fullchain.as_bytes());
        add(
            Role::Ca,
            names.ca.as_ref(),
            export::pem_of(authorities).as_bytes(),
        );
        add(Role::Combined, names.combined.as_ref(), combined.as_bytes());
        if bundle.key.in_token().is_some() && (names.combined.is_some() || names.pkcs12.is_some()) {
            return Err(failed(IN_TOKEN.to_owned()));
        }
        if let Some((wanted, key)) = names.pkcs12.as_ref().zip(bundle.key.in_file()) {
            let chain: Vec<_> = leaf.iter().chain(&between).cloned().collect();
            let made = export::pkcs12(&settings.name, key, &chain, &wanted.password, wanted.legacy);
            let made = made.map_err(|fault| failed(fault.to_string()))?;
            add(Role::Pkcs12, Some(&wanted.name), &made);
        }
        add(Role::PrivateKey, names.private_key.as_ref(), key.as_bytes());
        let mut seen = HashSet::new();
        match files
            .iter()
            .find(|file| !is_name(&file.name) || !seen.insert(&file.name))
        {
            Some(file) => Err(WriteFault::Name(file.name.clone())),
            None => Ok(Self { files }),
        }
    }
}

/// The least length of a name, in octets, that is too long: there is room for what stands beside it.
pub const MAX_NAME: usize = 200;

/// One component that hides nothing and is not of our own making.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']) && name.len() < MAX_NAME
}
