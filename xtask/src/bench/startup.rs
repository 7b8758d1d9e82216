//! Starting, standing idle, the binary's size, and building it from nothing.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::files;
use super::ninefold::Ninefold;
use super::rounds::median;
use super::server::{Contender, Durability, Running, free_address};
use crate::process;
use crate::workspace::Workspace;

const STARTS: usize = 7;
const COLLECTIONS: usize = 200;
/// After which a server counts as idle.
const SETTLED: Duration = Duration::from_secs(2);

pub(crate) struct Startup {
    /// Milliseconds from the process to its first ready answer: Ninefold with the chat example.
    pub(crate) chat_ms: f64,
    /// With a schema of [`COLLECTIONS`].
    pub(crate) wide_ms: f64,
    /// Each with the benchmark's data, in the order of the contenders.
    pub(crate) bench_ms: [f64; 3],
    /// Anonymous memory of each, with the benchmark's data, before any request but the one that asks for readiness.
    pub(crate) idle_mib: [f64; 3],
    pub(crate) binary_mib: [f64; 3],
}

pub(crate) fn measure(workspace: &Workspace, ninefold: &Ninefold, contenders: &[&dyn Contender; 3]) -> Result<Startup> {
    let work = files::folder(workspace)?;
    let wide = work.join("wide");
    files::remove(&wide)?;
    fs::create_dir_all(&wide)?;
    fs::write(wide.join("schema.graphql"), wide_schema())?;
    let (mut bench_ms, mut idle_mib, mut binary_mib) = ([0.0; 3], [0.0; 3], [0.0; 3]);
    for (index, contender) in contenders.iter().enumerate() {
        let data = work.join("data");
        files::copy(contender.template(), &data)?;
        let mut times = Vec::with_capacity(STARTS);
        for _ in 0..STARTS {
            let running = contender.start(&data, Durability::Full)?;
            times.push(running.ready_after.as_secs_f64() * 1e3);
            running.stop()?;
        }
        bench_ms[index] = median(times);
        let running = contender.start(&data, Durability::Full)?;
        sleep(SETTLED);
        idle_mib[index] = running.anonymous_mib()?;
        running.stop()?;
        binary_mib[index] = mib(contender.binary())?;
        files::remove(&data)?;
    }
    let startup = Startup {
        chat_ms: ready_ms(workspace, ninefold, &workspace.root.join("examples/chat"))?,
        wide_ms: ready_ms(workspace, ninefold, &wide)?,
        bench_ms,
        idle_mib,
        binary_mib,
    };
    files::remove(&wide)?;
    Ok(startup)
}

/// With a database that exists already.
fn ready_ms(workspace: &Workspace, ninefold: &Ninefold, app: &Path) -> Result<f64> {
    let data = files::folder(workspace)?.join("data");
    files::remove(&data)?;
    fs::create_dir_all(&data)?;
    let start = || {
        let address = free_address()?;
        let command = ninefold.serve(app, &format!("sqlite:{}/app.db", data.display()), &address);
        Running::start(&command, &address, "/readyz", &data.join("log"))
    };
    start()?.stop()?;
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let running = start()?;
        times.push(running.ready_after.as_secs_f64() * 1e3);
        running.stop()?;
    }
    files::remove(&data)?;
    Ok(median(times))
}

fn mib(file: &Path) -> Result<f64> {
    let bytes = fs::metadata(file)
        .with_context(|| format!("cannot find {}", file.display()))?
        .len();
    #[expect(clippy::cast_precision_loss, reason = "no program has 2^53 bytes")]
    Ok(bytes as f64 / 1024.0 / 1024.0)
}

/// Collections with some fields, an index and a rule through a relation to the one before.
fn wide_schema() -> String {
    let mut schema =
        "type User @collection(auth: true, signUp: OPEN) @access(read: \"auth != null\") { name: String! }\n"
            .to_owned();
    for number in 1..COLLECTIONS {
        let before = match number {
            1 => "User".to_owned(),
            _ => format!("Thing{}", number - 1),
        };
        let _ = writeln!(
            schema,
            "type Thing{number} @collection @index(fields: [\"kind\", \"size\"])\n  \
             @access(read: \"auth != null\", create: \"record.owner == auth.id\", update: \"record.owner == auth.id\") {{\n  \
             owner: User!\n  before: {before}\n  kind: String! @length(max: 40)\n  size: Int!\n  note: String\n}}"
        );
    }
    schema
}

/// Seconds to build the release binary with an empty target folder; the sources of the dependencies are there already.
pub(crate) fn cold_build(workspace: &Workspace) -> Result<f64> {
    let target = files::folder(workspace)?.join("cold");
    files::remove(&target)?;
    process::run(&mut workspace.cargo(["fetch", "--locked"]))?;
    let began = Instant::now();
    let mut build = workspace.cargo(["build", "--release", "--locked", "--offline", "-p", "ninefold"]);
    process::run(build.env("CARGO_TARGET_DIR", &target))?;
    let seconds = began.elapsed().as_secs_f64();
    files::remove(&target)?;
    Ok(seconds)
}
