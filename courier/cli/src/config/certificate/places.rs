//! Files that more than one thing of the configuration would write: told when it is read, not by the first run that has a certificate
//! and nowhere to put it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::config::CertificateSettings;
use crate::config::section::Section;

/// Looks through the outputs of all certificates, and through what servers take.
pub(super) fn check(all: &[(Section<'_>, CertificateSettings)]) {
    let mut outputs: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for (number, (section, one)) in all.iter().enumerate() {
        let mut is_shared = false;
        for (field, name) in one.output.names.each() {
            match outputs.insert(one.output.dir.join(name), number) {
                None => {}
                Some(other) if other == number => {
                    let output = section.section("output");
                    output.problem(field, "has the name of another file of the certificate");
                }
                Some(_) => is_shared = true,
            }
        }
        if is_shared {
            section.problem(
                "output",
                "writes files of another certificate: give it a `dir` or names of its own",
            );
        }
    }
    let mut taken = BTreeSet::new();
    for (section, one) in all {
        for deployment in &one.deploy {
            for path in deployment.target.paths() {
                let at = path.display();
                if outputs.contains_key(&path) {
                    let what = format!(
                        "puts {at}, which is a file of `output`: give the server a file of its own, or leave it out and have \
                         `hooks.on_success` tell the server"
                    );
                    section.problem(&deployment.at, what);
                } else if !taken.insert(path.clone()) {
                    let what = format!(
                        "puts {at}, which another server of the file takes already, so that this one would not be told of it: give each \
                         a file of its own"
                    );
                    section.problem(&deployment.at, what);
                }
            }
        }
    }
}
