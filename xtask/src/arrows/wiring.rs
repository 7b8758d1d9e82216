//! Inside the binary's crate only `wiring.rs` names a concrete adapter; everything else sees the engine's ports.
//!
//! A scan of the text is enough: a re-export under another name would have to pass through `wiring.rs` as well.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const ADAPTERS: &[&str] = &["adapters", "store_mongo", "store_sql"];
const WIRING: &str = "wiring.rs";

pub(super) fn violations(source: &Path) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    scan_folder(source, source, &mut violations)?;
    violations.sort();
    Ok(violations)
}

fn scan_folder(root: &Path, folder: &Path, violations: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            scan_folder(root, &path, violations)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") && path != root.join(WIRING) {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            violations.extend(
                mentions(&text)
                    .map(|(line, adapter)| format!("{shown}:{line} names `{adapter}`, which only {WIRING} may")),
            );
        }
    }
    Ok(())
}

/// Line numbers on which code, as opposed to a comment line, names an adapter.
pub(super) fn mentions(text: &str) -> impl Iterator<Item = (usize, &'static str)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .flat_map(|(index, line)| {
            let words = line.split(|character: char| !(character.is_alphanumeric() || character == '_'));
            words.filter_map(move |word| {
                ADAPTERS
                    .iter()
                    .find(|adapter| **adapter == word)
                    .map(|adapter| (index + 1, *adapter))
            })
        })
}
