//! MySQL itself, in the place of MariaDB: the machine's own, or what Debian has of it in its unstable distribution.
//!
//! Debian's stable has none. What unstable has needs newer libraries than the machine's, so it comes with all that it depends on, into a folder, and runs by the
//! loader that is there. Nothing of it is installed. `apt-get` finds it by lists of its own, and checks it as it checks everything.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Service;
use super::mariadb::answers;
use super::room::Room;
use crate::process;
use crate::tools;
use crate::workspace::Workspace;

pub(super) const SERVICE: Service = Service {
    name: "mysql",
    variable: "NINEFOLD_TEST_MYSQL",
    programs: Some(("NINEFOLD_TEST_MYSQL_PROGRAMS", programs)),
    prepare,
    answers,
    url: |room| format!("mysql://root@127.0.0.1:{}/mysql", room.port()),
};

const SETTINGS: &[&str] = &[
    "--bind-address=127.0.0.1",
    // In the data folder; the length of a socket's path is limited.
    "--socket=mysql.sock",
    "--pid-file=mysql.pid",
    "--mysqlx=OFF",
    "--skip-log-bin",
    "--character-set-server=utf8mb4",
    "--max-connections=400",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=OFF",
    "--innodb-redo-log-capacity=128M",
    "--innodb-buffer-pool-size=256M",
];

const PACKAGES: [&str; 2] = ["mysql-server-core", "mysql-client-core"];
/// Those that Ninefold or its tests run, each with the folder that it is packed in.
const PROGRAMS: [(&str, &str); 3] = [("mysqld", "sbin"), ("mysql", "bin"), ("mysqldump", "bin")];
/// With which a server of another folder than its own finds its messages, and needs no folder of the machine's.
const SERVER: &str = "--basedir={root}/usr --secure-file-priv=NULL";

fn programs(workspace: &Workspace) -> PathBuf {
    workspace.target.join("mysql/programs")
}

fn prepare(workspace: &Workspace, room: &Room) -> Result<Command> {
    let programs = programs(workspace);
    if PROGRAMS.iter().any(|(name, _)| !programs.join(name).is_file()) {
        fs::create_dir_all(&programs)?;
        match installed() {
            Some(folders) => link(&folders, &programs)?,
            None => fetch(&workspace.target.join("mysql"), &programs)
                .context("MySQL can't be had from Debian's unstable")?,
        }
    }
    let server = programs.join("mysqld");
    let mut make = own(&server, room);
    make.arg("--initialize-insecure")
        .stdout(room.log()?)
        .stderr(room.log()?);
    process::run(&mut make)?;
    let mut serve = own(&server, room);
    serve.arg(format!("--port={}", room.port())).args(SETTINGS);
    Ok(serve)
}

/// Without the machine's own settings, and as whoever we are.
fn own(server: &Path, room: &Room) -> Command {
    let mut command = Command::new(server);
    command
        .arg("--no-defaults")
        .arg(format!("--datadir={}", room.data().display()))
        .arg(format!("--tmpdir={}", room.folder.display()));
    if tools::is_root() {
        command.arg("--user=root");
    }
    command
}

/// Where the machine has all of the programs, if it does. MariaDB has them by the same names.
fn installed() -> Option<Vec<PathBuf>> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).chain(["/usr/sbin".into()]).collect();
    let found = PROGRAMS.map(|(name, _)| {
        folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    });
    let found: Option<Vec<PathBuf>> = found.into_iter().collect();
    let is_own = |program: &PathBuf| {
        let said = process::output(Command::new(program).args(["--no-defaults", "--version"]));
        said.is_ok_and(|said| !said.contains("MariaDB"))
    };
    found.filter(|programs| programs.iter().all(is_own))
}

fn link(found: &[PathBuf], programs: &Path) -> Result<()> {
    for (program, (name, _)) in found.iter().zip(PROGRAMS) {
        script(&programs.join(name), &format!("exec {} \"$@\"", program.display()))?;
    }
    Ok(())
}

fn script(path: &Path, text: &str) -> Result<()> {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(fs::set_permissions(path, PermissionsExt::from_mode(0o755))?)
}

/// Packages with all that they depend on, unpacked below `folder`.
fn fetch(folder: &Path, programs: &Path) -> Result<()> {
    let (root, apt) = (folder.join("root"), folder.join("apt"));
    let debian = debian()?;
    println!("fetching MySQL from Debian's unstable");
    for part in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.join(part))?;
    }
    fs::write(apt.join("sources.list"), format!("{debian} unstable main\n"))?;
    // As if nothing were installed.
    fs::write(apt.join("status"), "")?;
    let get = || {
        let mut get = Command::new("apt-get");
        let option = |name: &str, path: &str| format!("{name}={}", apt.join(path).display());
        get.args(["-qq", "-o", &option("Dir::Etc::sourcelist", "sources.list")]);
        get.args(["-o", "Dir::Etc::sourceparts=/dev/null", "-o", "APT::Sandbox::User=root"]);
        get.args([
            "-o",
            &option("Dir::State::lists", "lists"),
            "-o",
            &option("Dir::State::status", "status"),
        ]);
        get.args(["-o", &option("Dir::Cache", "cache")]);
        get
    };
    process::run(get().arg("update"))?;
    let mut download = get();
    download.args(["install", "-y", "--download-only", "--no-install-recommends"]);
    process::run(download.args(PACKAGES))?;
    for package in fs::read_dir(apt.join("cache/archives"))?.flatten() {
        if package.path().extension().is_some_and(|extension| extension == "deb") {
            process::run(Command::new("dpkg").arg("--extract").arg(package.path()).arg(&root))?;
        }
    }
    let libraries = libraries(&root)?;
    for (name, place) in PROGRAMS {
        let [loader, program] = [libraries.join(LOADER), root.join("usr").join(place).join(name)];
        let path = format!("{0}:{0}/mysql/private", libraries.display());
        let run = format!(
            "exec {} --argv0 \"$0\" --library-path {path} {} \"$@\"",
            loader.display(),
            program.display()
        );
        let more = SERVER.replace("{root}", &root.display().to_string());
        script(
            &programs.join(name),
            &if name == "mysqld" { format!("{run} {more}") } else { run },
        )?;
    }
    fs::remove_dir_all(&apt)?;
    Ok(())
}

/// Of 64-bit processors by AMD and Intel, and by ARM.
#[cfg(target_arch = "x86_64")]
const LOADER: &str = "ld-linux-x86-64.so.2";
#[cfg(not(target_arch = "x86_64"))]
const LOADER: &str = "ld-linux-aarch64.so.1";

/// The folder with the loader.
fn libraries(root: &Path) -> Result<PathBuf> {
    let folders = fs::read_dir(root.join("usr/lib"))?
        .flatten()
        .map(|folder| folder.path());
    let found = folders.into_iter().find(|folder| folder.join(LOADER).is_file());
    found.with_context(|| format!("there is no {LOADER} in what was fetched"))
}

/// What the packages are signed by, on a machine whose package manager doesn't trust it anyway.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where the machine has Debian's packages from, as `sources.list` writes it.
fn debian() -> Result<String> {
    let mut targets = Command::new("apt-get");
    targets.args([
        "indextargets",
        "--format",
        "$(ORIGIN) $(SUITE) $(REPO_URI)",
        "Created-By: Packages",
    ]);
    let listed = process::output(&mut targets).context("no `apt-get` tells where packages are from")?;
    let mut places = listed
        .lines()
        .filter_map(|line| line.strip_prefix("Debian ")?.split_once(' '));
    // Updates stand apart, and security's elsewhere.
    let Some((_, place)) = places.find(|(suite, _)| !suite.contains('-')) else {
        bail!(
            "this machine is no Debian: install MySQL first (on Ubuntu: `apt-get install {}`)",
            PACKAGES.join(" ")
        );
    };
    let signed = if Path::new(KEYS).is_file() {
        format!("[signed-by={KEYS}] ")
    } else {
        String::new()
    };
    Ok(format!("deb {signed}{place}"))
}
