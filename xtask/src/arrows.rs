//! `cargo xtask arrows`: which crate may depend on which.
//!
//! The graph of crates is what keeps the engine free of HTTP and SQL, and every way to data behind the engine's permits.
//! A crate that is not in the table is an error, so that a new one is placed on purpose.

mod wiring;

#[cfg(test)]
mod tests;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::Workspace;

/// What a member may depend on among the members, outside of its tests.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "ninefold",
        &[
            "ninefold-adapters",
            "ninefold-api",
            "ninefold-engine",
            "ninefold-identity",
            "ninefold-store-mongo",
            "ninefold-store-sql",
        ],
    ),
    ("ninefold-adapters", &["ninefold-engine"]),
    ("ninefold-api", &["ninefold-engine", "ninefold-identity"]),
    ("ninefold-identity", &["ninefold-engine"]),
    ("ninefold-store-mongo", &["ninefold-engine"]),
    ("ninefold-store-sql", &["ninefold-engine"]),
    ("ninefold-engine", &[]),
    ("ninefold-testkit", &["ninefold-engine", "ninefold-identity"]),
    ("floor", &[]),
    ("xtask", &[]),
];

/// Whose tests may use the testkit.
const TESTKIT: &str = "ninefold-testkit";
const TESTKIT_USERS: &[&str] = &[
    "ninefold",
    "ninefold-adapters",
    "ninefold-api",
    "ninefold-identity",
    "ninefold-store-mongo",
    "ninefold-store-sql",
];

/// Dependencies from outside that belong to some members only, outside of tests.
const KEPT_APART: &[(&str, &[&str])] = &[
    ("argon2", &["floor", "ninefold-identity"]),
    ("axum", &["floor", "ninefold", "ninefold-api"]),
    ("jsonwebtoken", &["floor", "ninefold-identity"]),
    ("mongodb", &["ninefold-store-mongo"]),
    ("rusqlite", &["floor", "ninefold-store-sql"]),
];

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut violations = violations(&members(&workspace.metadata)?);
    violations.extend(wiring::violations(&workspace.root.join("crates/ninefold/src"))?);
    if violations.is_empty() {
        println!("all arrows point the right way");
        return Ok(());
    }
    bail!("forbidden arrows:\n  {}", violations.join("\n  "))
}

/// A member of the workspace and the packages that it names in its manifest.
struct Member {
    name: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    only_for_tests: bool,
}

fn members(metadata: &Value) -> Result<Vec<Member>> {
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata has no packages")?;
    packages.iter().map(member).collect()
}

fn member(package: &Value) -> Result<Member> {
    let name = |value: &Value| {
        value["name"]
            .as_str()
            .map(str::to_owned)
            .context("a package of cargo metadata has no name")
    };
    let dependencies = package["dependencies"]
        .as_array()
        .context("a package of cargo metadata has no dependencies")?;
    let dependencies = dependencies
        .iter()
        .map(|dependency| {
            Ok(Dependency {
                name: name(dependency)?,
                only_for_tests: dependency["kind"] == "dev",
            })
        })
        .collect::<Result<_>>()?;
    Ok(Member {
        name: name(package)?,
        dependencies,
    })
}

fn violations(members: &[Member]) -> Vec<String> {
    members
        .iter()
        .flat_map(|member| member_violations(member, members))
        .collect()
}

fn member_violations(member: &Member, members: &[Member]) -> Vec<String> {
    let Some(allowed) = listed(ARROWS, &member.name) else {
        return vec![format!(
            "{} is not in the table of xtask/src/arrows.rs: say there what it may depend on",
            member.name
        )];
    };
    let mut violations = Vec::new();
    for dependency in &member.dependencies {
        let name = dependency.name.as_str();
        let permitted = if members.iter().any(|other| other.name == name) {
            allowed.contains(&name)
                // With features that only its tests have.
                || (name == member.name && dependency.only_for_tests)
                || (name == TESTKIT && dependency.only_for_tests && TESTKIT_USERS.contains(&member.name.as_str()))
        } else {
            dependency.only_for_tests
                || listed(KEPT_APART, name).is_none_or(|users| users.contains(&member.name.as_str()))
        };
        if !permitted {
            let kind = if dependency.only_for_tests { " (for tests)" } else { "" };
            violations.push(format!("{} -> {name}{kind}", member.name));
        }
    }
    violations
}

fn listed<'a>(table: &[(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table
        .iter()
        .find(|(listed, _)| *listed == name)
        .map(|(_, names)| *names)
}
