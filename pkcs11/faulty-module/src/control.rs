//! The control file: the faults that are on now.
//!
//! It is looked at with every call and read again when it is another file (tests put it in place by renaming). A rule whose line
//! stays goes on counting where it was.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use cryptoki_sys::CK_SLOT_ID;

use crate::rule::{Action, Rule};

/// Names the control file. Without it nothing fails.
const CONTROL: &str = "FAULTY_PKCS11_CONTROL";
/// Names the file in which each login and each fault is noted, a line each.
const JOURNAL: &str = "FAULTY_PKCS11_JOURNAL";

/// The faults that are on.
#[derive(Debug)]
pub(crate) struct Control {
    path: Option<PathBuf>,
    journal: Option<PathBuf>,
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    /// Which file it was: its inode, its length and the time of its last change.
    stamp: Option<(u64, u64, i64, i64)>,
    rules: Vec<Arc<Rule>>,
}

impl Control {
    pub(crate) fn from_environment() -> Self {
        Self {
            path: std::env::var_os(CONTROL).map(PathBuf::from),
            journal: std::env::var_os(JOURNAL).map(PathBuf::from),
            read: Mutex::default(),
        }
    }

    /// What a call meets, with the rule that says so; the first rule in the file that is about it counts.
    pub(crate) fn meet(
        &self,
        function: &str,
        slot: Option<CK_SLOT_ID>,
        token: Option<&str>,
    ) -> Option<(Arc<Rule>, Action)> {
        let rules = self.rules();
        let met = rules
            .into_iter()
            .find_map(|rule| rule.meet(function, slot, token).map(|action| (rule, action)));
        if met.is_some() || function == "C_Login" {
            self.note(function, token, met.as_ref().map(|(_, action)| action));
        }
        met
    }

    /// Whether the device in this slot is away.
    pub(crate) fn is_removed(&self, slot: CK_SLOT_ID, token: Option<&str>) -> bool {
        self.rules().iter().any(|rule| rule.removes(slot, token))
    }

    /// Whether a rule is still in the file.
    pub(crate) fn holds(&self, rule: &Rule) -> bool {
        self.rules().iter().any(|held| held.line == rule.line)
    }

    fn rules(&self) -> Vec<Arc<Rule>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.path.as_ref().and_then(|path| fs::metadata(path).ok());
        let stamp = stamp.map(|file| (file.ino(), file.len(), file.mtime(), file.mtime_nsec()));
        if stamp != read.stamp {
            read.stamp = stamp;
            let text = self.path.as_ref().and_then(|path| fs::read_to_string(path).ok());
            let known = std::mem::take(&mut read.rules);
            read.rules = parse(&text.unwrap_or_default(), &known);
        }
        read.rules.clone()
    }

    fn note(&self, function: &str, token: Option<&str>, action: Option<&Action>) {
        let Some(journal) = &self.journal else { return };
        let file = fs::File::options().append(true).create(true).open(journal);
        let action = action.map_or_else(|| "made".to_owned(), |action| format!("{action:?}"));
        let line = format!("{function} {} {action}\n", token.unwrap_or("-"));
        // A test that looks for the line sees that it is missing.
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

fn parse(text: &str, known: &[Arc<Rule>]) -> Vec<Arc<Rule>> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| {
            if let Some(rule) = known.iter().find(|rule| rule.line == line) {
                return Some(Arc::clone(rule));
            }
            let rule = Rule::parse(line);
            if let Err(detail) = &rule {
                eprintln!("faulty PKCS#11 module: {detail}");
            }
            rule.ok().map(Arc::new)
        })
        .collect()
}
