//! Embeds the templates of `ninefold new`: every file of each, under its path in the new folder.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// A template's name and its folder. The files of `common` go into each.
const TEMPLATES: [(&str, &str); 3] = [
    ("common", "templates/common"),
    ("blank", "templates/blank"),
    ("chat", "../../examples/chat"),
];

/// Of an example: the database that trying it out left behind, and what it says about this repository.
const LEFT_OUT: &[&str] = &["data", "README.md"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let mut source = String::new();
    for (name, folder) in TEMPLATES {
        let folder = root.join(folder);
        let mut files = Vec::new();
        let left_out: &[&str] = if name == "chat" { LEFT_OUT } else { &[] };
        collect(&folder, &folder, left_out, &mut files)?;
        files.sort();
        writeln!(source, "const {}: &[(&str, &[u8])] = &[", name.to_uppercase())?;
        for (path, file) in files {
            writeln!(source, "    ({path:?}, include_bytes!({file:?})),")?;
        }
        writeln!(source, "];")?;
    }
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("templates.rs"), source)?;
    Ok(())
}

fn collect(
    root: &Path,
    folder: &Path,
    left_out: &[&str],
    files: &mut Vec<(String, String)>,
) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let inside = path.strip_prefix(root)?.to_str().ok_or("a template's path is UTF-8")?;
        if left_out.contains(&inside) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, left_out, files)?;
        } else {
            let file = path.to_str().ok_or("the repository's path is UTF-8")?;
            files.push((inside.to_owned(), file.to_owned()));
        }
    }
    Ok(())
}
