//! `docs/cli.md`, written from the commands' own help.

use clap::{Command, CommandFactory};

use super::Cli;

/// The reference page, as Markdown.
pub(super) fn reference() -> String {
    let mut page = "\
# Command line

One binary, `ninefold`. What it says on failure is one sentence on stderr and what to do about it; the exit code is 0 when all is well, 1 for a
mistake in the application or the request, 2 for wrong usage, 3 when the machine or a server is not as it has to be.

This page is what `--help` says; a test keeps it current.
"
    .to_owned();
    let command = Cli::command().term_width(100);
    write_command(&mut page, command, "ninefold");
    page
}

fn write_command(page: &mut String, mut command: Command, name: &str) {
    command = command.bin_name(name);
    command.build();
    page.push_str(&format!(
        "\n## `{name}`\n\n```text\n{}\n```\n",
        command.render_long_help().to_string().trim_end()
    ));
    let inner: Vec<_> = command.get_subcommands().cloned().collect();
    for subcommand in inner {
        let name = format!("{name} {}", subcommand.get_name());
        write_command(page, subcommand, &name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE=1 cargo test -p ninefold --lib reference` writes the page anew.
    #[test]
    fn the_reference_page_is_current() {
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&page, reference()).unwrap();
        }
        let written = std::fs::read_to_string(&page).unwrap_or_default();
        assert_eq!(
            written,
            reference(),
            "docs/cli.md is stale: run this test with UPDATE=1"
        );
    }
}
