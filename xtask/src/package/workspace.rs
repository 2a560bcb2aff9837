//! What cargo knows of the workspace: its version, which package has which program, and what is linked into it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::shell;

/// The answer of `cargo metadata`.
#[derive(Debug, Deserialize)]
pub(super) struct Workspace {
    packages: Vec<Crate>,
    resolve: Resolve,
    target_directory: PathBuf,
}

/// A crate, of the workspace or from elsewhere.
#[derive(Debug, Deserialize)]
pub(super) struct Crate {
    id: String,
    pub(super) name: String,
    pub(super) version: String,
    /// The licences, as SPDX writes them.
    pub(super) license: Option<String>,
    manifest_path: PathBuf,
    /// Where it comes from; nothing for a crate of the workspace.
    source: Option<String>,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Debug, Deserialize)]
struct Kind {
    /// `dev` or `build`; nothing for what is linked.
    kind: Option<String>,
}

impl Workspace {
    /// Asks cargo.
    pub(super) fn read() -> Result<Self> {
        let host = shell::output(shell::command("rustc", &["-vV"])?)?;
        let host = host
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .context("rustc names its host")?;
        let words = [
            "metadata",
            "--format-version=1",
            "--locked",
            "--filter-platform",
            host,
        ];
        let answer = shell::output(shell::command("cargo", &words)?)?;
        serde_json::from_str(&answer).context("the answer of `cargo metadata`")
    }

    /// The folder for what is built.
    pub(super) fn target(&self) -> &Path {
        &self.target_directory
    }

    /// The version of the workspace's programs.
    pub(super) fn version(&self) -> Result<String> {
        let own = self.packages.iter().find(|one| one.name == "chancery");
        Ok(own.context("a crate `chancery`")?.version.clone())
    }

    /// The crate of the workspace that has this program.
    pub(super) fn package_of(&self, program: &str) -> Option<&str> {
        let has = |one: &&Crate| {
            one.source.is_none()
                && one
                    .targets
                    .iter()
                    .any(|target| target.name == program && target.kind.iter().any(|kind| kind == "bin"))
        };
        self.packages.iter().find(has).map(|one| one.name.as_str())
    }

    /// What is linked into these crates of the workspace and is not of it, by name and version.
    pub(super) fn linked(&self, crates: &[&str]) -> Vec<&Crate> {
        let nodes: BTreeMap<&str, &Node> = self
            .resolve
            .nodes
            .iter()
            .map(|node| (node.id.as_str(), node))
            .collect();
        let mut ahead: Vec<&str> = self
            .packages
            .iter()
            .filter(|one| one.source.is_none() && crates.contains(&one.name.as_str()))
            .map(|one| one.id.as_str())
            .collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = ahead.pop() {
            if !seen.insert(id) {
                continue;
            }
            let is_linked =
                |dependency: &&Dependency| dependency.dep_kinds.iter().any(|one| one.kind.is_none());
            let dependencies = nodes.get(id).map(|node| node.deps.as_slice()).unwrap_or_default();
            ahead.extend(dependencies.iter().filter(is_linked).map(|one| one.pkg.as_str()));
        }
        let mut linked: Vec<&Crate> = self
            .packages
            .iter()
            .filter(|one| one.source.is_some() && seen.contains(one.id.as_str()))
            .collect();
        linked.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        linked
    }
}

impl Crate {
    /// The folder of its sources.
    pub(super) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}
