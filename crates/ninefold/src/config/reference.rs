//! `docs/configuration.md`, written from the declarations of the sections.

use std::fmt::Write;

use super::sections::{Key, Section};
use super::{Config, ENVIRONMENT_PREFIX, path};

const INTRODUCTION: &str = "\
# Configuration

How an application runs is written in `ninefold.toml` in its folder. Every key has a default; an empty or missing file is fine.

Four layers, the later wins: the defaults below, `ninefold.toml`, the environment, flags.

| where | how |
| --- | --- |
| `ninefold.toml` | `[limits]`, then `page_max = 200` |
| environment | `NINEFOLD_LIMITS__PAGE_MAX=200`: section and key joined by two underscores |
| flags | `--set limits.page_max=200`; also `--listen ADDR` and `--database URL` |

A key that doesn't exist is an error that names its line and the key that was probably meant; so is a value that can't be.
`ninefold check` reports all of them. Durations and sizes are whole numbers; the unit ends the key's name: `_ms`, `_s`, `_kib`,
`_bytes_max`. In the environment and in `--set`, items of a list are separated by commas.

This page is written from the source of `crates/ninefold/src/config/sections.rs`; a test keeps it current.
";

/// The reference page, as Markdown.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    let config = Config::default();
    for section in config.sections() {
        write_section(&mut page, section).expect("writing to a string never fails");
    }
    page
}

fn write_section(page: &mut String, section: &dyn Section) -> std::fmt::Result {
    let title = match section.name() {
        "" => "At the top of the file".to_owned(),
        name => format!("`[{name}]`"),
    };
    writeln!(page, "\n## {title}\n\n{}", section.about().trim())?;
    for Key {
        name,
        kind,
        default,
        doc,
    } in section.keys()
    {
        let variable = path(section.name(), name).replace('.', "__").to_uppercase();
        let default = default.map_or("unset".to_owned(), |default| format!("`{default}`"));
        writeln!(
            page,
            "\n### `{name}`\n\n{}\n\n- {kind}, default {default}\n- `{ENVIRONMENT_PREFIX}{variable}`",
            doc.trim()
        )?;
    }
    Ok(())
}
