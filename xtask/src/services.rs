//! `cargo xtask services`: the servers that tests talk to, private to this workspace.
//!
//! Each listens on a free port of the loopback interface, keeps throwaway data below `target/services`, and syncs
//! nothing to the disk. Only what was started here is ever stopped: a server of the machine's own is neither used nor
//! touched. Their URLs stand in `target/services/services.env`, where `testkit::services` finds them; a service whose
//! variable is set in the environment is somebody else's (Docker's, CI's), and isn't started.

mod mariadb;
mod mongodb;
mod mysql;
mod postgres;
mod process;
mod room;
mod s3;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
pub(crate) use postgres::Durable;
use room::Room;

/// A variable, and the folder that it names.
type Programs = (&'static str, fn(&Workspace) -> PathBuf);

/// One kind of server. A new one is a file beside this one, and a line in [`ALL`].
struct Service {
    /// Of its folder.
    name: &'static str,
    /// The environment variable that holds its URL.
    variable: &'static str,
    /// For tests that start servers of their own, where its own are not found otherwise.
    programs: Option<Programs>,
    /// Makes its data in the empty room, and returns the command that serves it in the foreground.
    prepare: fn(&Workspace, &Room) -> Result<Command>,
    answers: fn(&Room) -> bool,
    url: fn(&Room) -> String,
}

const ALL: &[Service] = &[postgres::SERVICE, mariadb::SERVICE, mongodb::SERVICE, s3::SERVICE];

/// Those that run only for who asks for them, in the place of the one of [`ALL`] with the same variable.
const OTHERS: &[Service] = &[mysql::SERVICE];

pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    match arguments {
        ["up"] => {
            up(workspace)?;
            status(workspace)
        }
        ["up", name] => {
            let Some(service) = OTHERS.iter().find(|service| service.name == *name) else {
                bail!("`{name}` is none of the services that run only when they are asked for: `mysql`");
            };
            up_with(workspace, Some(service))?;
            status(workspace)
        }
        ["down"] => {
            down(workspace, OTHERS)?;
            down(workspace, ALL)
        }
        ["status"] => status(workspace),
        _ => bail!(
            "`services {}` is not a command; there are `up`, `up mysql`, `down` and `status`",
            arguments.join(" ")
        ),
    }
}

/// Each of [`ALL`], or who runs in its place.
fn chosen<'s>(workspace: &Workspace, asked: Option<&'s Service>) -> Vec<&'s Service> {
    let runs = |service: &&Service| room(workspace, service).runs();
    let others: Vec<&Service> = OTHERS.iter().filter(runs).chain(asked).collect();
    let place = |service: &'s Service| {
        let mut others = others.iter().rev();
        let other = others.find(|other| other.variable == service.variable);
        other.copied().unwrap_or(service)
    };
    ALL.iter().map(place).collect()
}

/// Does `work` while all services run, and stops those again that it had to start.
pub(crate) fn during<T>(workspace: &Workspace, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let services = chosen(workspace, None);
    let running: Vec<bool> = services.iter().map(|service| room(workspace, service).runs()).collect();
    let result = up(workspace).and_then(|()| work());
    for (service, ran) in services.into_iter().zip(running) {
        if !ran {
            down(workspace, std::slice::from_ref(service))?;
        }
    }
    result
}

fn up(workspace: &Workspace) -> Result<()> {
    up_with(workspace, None)
}

fn up_with(workspace: &Workspace, asked: Option<&Service>) -> Result<()> {
    let _lock = lock(workspace)?;
    for service in chosen(workspace, asked) {
        let room = room(workspace, service);
        if std::env::var_os(service.variable).is_none() && !(room.runs() && (service.answers)(&room)) {
            println!("starting {}", service.name);
            start(workspace, service).with_context(|| format!("cannot start {}", service.name))?;
        }
    }
    write_urls(workspace)
}

fn start(workspace: &Workspace, service: &Service) -> Result<()> {
    let room = room(workspace, service).renewed()?;
    let command = (service.prepare)(workspace, &room)?;
    room.serve(command, || (service.answers)(&room))
}

fn down(workspace: &Workspace, services: &[Service]) -> Result<()> {
    let _lock = lock(workspace)?;
    for service in services {
        room(workspace, service).clear()?;
    }
    write_urls(workspace)
}

fn status(workspace: &Workspace) -> Result<()> {
    for service in chosen(workspace, None) {
        let room = room(workspace, service);
        match std::env::var(service.variable) {
            Ok(url) => println!("{}={url}  # by the environment", service.variable),
            Err(_) if room.runs() => print!("{}", variables(workspace, service, &room)),
            Err(_) => println!("{} is down", service.name),
        }
    }
    Ok(())
}

fn write_urls(workspace: &Workspace) -> Result<()> {
    let mut text = String::new();
    for service in chosen(workspace, None) {
        let room = room(workspace, service);
        if room.runs() {
            text += &variables(workspace, service, &room);
        }
    }
    let file = workspace.target.join("services/services.env");
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// What tests have to know of it, a variable a line.
fn variables(workspace: &Workspace, service: &Service, room: &Room) -> String {
    let mut lines = format!("{}={}\n", service.variable, (service.url)(room));
    if let Some((variable, folder)) = service.programs {
        lines += &format!("{variable}={}\n", folder(workspace).display());
    }
    lines
}

fn room(workspace: &Workspace, service: &Service) -> Room {
    Room::new(workspace.target.join("services").join(service.name))
}

/// Held while servers are started and stopped, so that two commands don't do it at once.
fn lock(workspace: &Workspace) -> Result<File> {
    let folder = workspace.target.join("services");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = File::create(folder.join("lock"))?;
    file.lock()?;
    Ok(file)
}
