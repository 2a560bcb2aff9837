//! The part of `init` about the CAs that the store has already: they stay as they are, so what the command line says of them must be true,
//! and one of those that issue must have its key at hand.

use anyhow::{Context as _, Result, bail};
use ca::Authority;
use pki::DistinguishedName;

use super::Args;
use super::authorities::{ISSUING, ROOT};
use super::layout::Layout;
use super::store::Known;

/// Refuses options that say something else than the CAs of their names are.
pub(super) fn hold(args: &Args, known: &Known) -> Result<()> {
    let of_root = (args.root_subject.as_deref(), args.root_algorithm);
    let of_issuing = (args.issuing_subject.as_deref(), args.issuing_algorithm);
    let mut lines = Vec::new();
    for (name, option, (subject, algorithm)) in [(ROOT, "root", of_root), (ISSUING, "issuing", of_issuing)] {
        let Some(ca) = known.authorities.iter().find(|ca| ca.name == name) else {
            continue;
        };
        if let Some(subject) = subject
            && !is_one_subject(&ca.subject, subject)
        {
            lines.push(format!(
                "  the subject of `{name}` is {}, and --{option}-subject says something else",
                ca.subject
            ));
        }
        if let (Some(wanted), Some(own)) = (algorithm, ca.algorithm)
            && wanted != own
        {
            lines.push(format!(
                "  the key of `{name}` is {own}, and --{option}-algorithm says something else"
            ));
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    bail!(
        "the store has these CAs, and they are not changed by `init`:\n{}\nleave the option out; another CA is made by `chancery ca \
         create-root` and `create-issuing` once the server runs",
        lines.join("\n")
    )
}

fn is_one_subject(own: &str, given: &str) -> bool {
    let read = |text: &str| DistinguishedName::parse(text).ok();
    own == given || (read(own).is_some() && read(own) == read(given))
}

/// A CA that issues and whose key is at hand, the one of the usual name before the newest; nothing when the store has none that issues.
/// It is an error when there are such CAs and none has its key here: nothing could be signed.
pub(super) async fn issuer_at_hand(authority: &Authority, layout: &Layout) -> Result<Option<String>> {
    let issuers = authority.issuers();
    let mut issuing: Vec<_> = issuers
        .iter()
        .filter(|issuer| authority.is_to_issue_leaves(issuer))
        .collect();
    issuing.sort_by_key(|issuer| (issuer.name == ISSUING, issuer.created_at));
    let Some(usual) = issuing.last() else {
        return Ok(None);
    };
    let mut away = Vec::new();
    for issuer in issuing.iter().rev() {
        match authority.require_key(issuer).await {
            Ok(()) => return Ok(Some(issuer.name.clone())),
            Err(error) => away.push(error),
        }
    }
    let names: Vec<&str> = issuing.iter().map(|issuer| issuer.name.as_str()).collect();
    let why = away.into_iter().next().map(anyhow::Error::from);
    why.map_or(Ok(None), Err).with_context(|| {
        format!(
            "the store has CAs that issue ({}), and the key of none is at hand (that of `{}` has the fingerprint {}): bring the keys into the \
             token, or name the token that has them in {}",
            names.join(", "),
            usual.name,
            usual.key,
            layout.signing.display()
        )
    })
}
