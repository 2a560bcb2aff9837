//! The list `deploy` of a certificate: the servers of this host that take its files.

use serde_json::{Map, Value};

use crate::config::section::Section;
use crate::config::{Deployment, KeyProvider, KeySettings};

/// The servers that take the files: `type` and the settings of that kind.
pub(super) fn read(section: &Section<'_>, key: &KeySettings) -> Vec<Deployment> {
    let is_in_token = matches!(key.provider, KeyProvider::Pkcs11(_));
    let all = section.sections("deploy").into_iter().enumerate();
    if key.passphrase.is_some() && all.len() > 0 {
        let what = "cannot be with `key.passphrase`: the servers are given the key as it is on disk, and nobody tells them the passphrase";
        section.problem("deploy", what);
    }
    all.filter_map(|(number, target_section)| {
        let name = target_section.needed("type", "which server it is")?;
        let Some(kind) = targets::find(&name) else {
            let known: Vec<_> = targets::KINDS.iter().map(|kind| kind.name).collect();
            target_section.problem("type", format!("is one of {}", known.join(", ")));
            return None;
        };
        let mut settings = section.value("deploy")?.get(number)?.as_object()?.clone();
        settings.remove("type");
        settle_paths(&target_section, kind.fields, &mut settings);
        match (kind.build)(Value::Object(settings)) {
            Ok(target) if is_in_token && target.joins_key() => {
                let what = format!(
                    "is {name}, which wants the private key in one file with the certificate, and the key stays in the token: give it files \
                     of their own where it can, or use `key.provider: file`"
                );
                target_section.problem("type", what);
                None
            }
            Ok(target) => Some(Deployment {
                at: format!("deploy[{number}]"),
                kind: name,
                target,
            }),
            Err(problems) => {
                for problem in problems {
                    let field = Some(problem.field).filter(|field| !field.is_empty());
                    target_section.problem(field.as_deref().unwrap_or("type"), problem.what);
                }
                None
            }
        }
    })
    .collect()
}

/// Relative paths begin where those of the rest of the file do; an empty one is none.
fn settle_paths(section: &Section<'_>, fields: &[kit::Field], settings: &mut Map<String, Value>) {
    for field in fields.iter().filter(|field| field.is_path()) {
        let Some(Value::String(text)) = settings.get_mut(field.name) else {
            continue;
        };
        if text.is_empty() {
            settings.remove(field.name);
            continue;
        }
        let path = section.reading.beside(text);
        match path.to_str() {
            Some(whole) => whole.clone_into(text),
            None => section.problem(field.name, "is a path that is no text"),
        }
    }
}
