//! Import and export take as much memory for a large file as for a quarter of it.
//!
//! What is measured is the process's own memory (`RssAnon`): the database's pages in the memory map belong to the system, which takes
//! them back when it needs room. `cargo xtask soak` does it with the release binary and a gigabyte.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use ninefold::mutants::Mutant;
use tempfile::TempDir;

use super::{ninefold, run};
use crate::binary::folder;

const SCHEMA: &str = r#"
type Reading @collection @index(fields: ["station"]) @access(read: "true") { number: Int! @unique station: String! text: String! }
"#;
/// Of the whole file. A quarter of it fills all caches: 30 s in a debug build.
const MEGABYTES: usize = 200;
/// The same with `NINEFOLD_SOAK`.
const MEGABYTES_OF_SOAK: usize = 1000;
/// What the whole file may take more than a quarter of it, as a part of the other three quarters: on a busy machine the
/// queues between the threads are fuller at one time than at another, and what keeps the file keeps all of it.
const GROWTH_PART: usize = 3;
/// What a quarter that is kept takes more, at the least.
const KEPT_MIB: u64 = 16;
const ATTEMPTS: usize = 3;
const SAMPLED_EACH: Duration = Duration::from_millis(2);

/// Anonymous memory, at its highest.
#[derive(Debug)]
struct Peaks {
    import_mib: u64,
    export_mib: u64,
}

/// Imports a file of so many megabytes into an empty database, and exports it again; each without one of its defences.
async fn measure(megabytes: usize, mutants: [Option<Mutant>; 2]) -> Peaks {
    let application = folder(SCHEMA);
    let dir = application.path().to_str().unwrap();
    let applied = run(["migrate", "apply", dir]).await;
    assert_eq!(applied.code, Some(0), "{}", applied.stderr);
    let file = application.path().join("readings.csv");
    write_readings(&file, megabytes);
    let length = std::fs::metadata(&file).unwrap().len();
    let import_mib = peak_mib(&application, "import", &file, mutants[0]).await;
    std::fs::remove_file(&file).unwrap();
    let exported = application.path().join("exported.csv");
    let export_mib = peak_mib(&application, "export", &exported, mutants[1]).await;
    assert!(
        std::fs::metadata(&exported).unwrap().len() > length,
        "all of it is there, and ids"
    );
    Peaks { import_mib, export_mib }
}

fn write_readings(path: &Path, megabytes: usize) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let text = "all is well and nothing stirs, ".repeat(12);
    writeln!(file, "number,station,text").unwrap();
    let mut written = 0;
    for number in 0.. {
        if written > megabytes * 1_000_000 {
            break;
        }
        let row = format!("{number},station {},\"{text}{number}\"\n", number % 1000);
        written += row.len();
        file.write_all(row.as_bytes()).unwrap();
    }
    file.flush().unwrap();
}

async fn peak_mib(application: &TempDir, command: &str, file: &Path, mutant: Option<Mutant>) -> u64 {
    let dir = application.path().to_str().unwrap();
    let mut command = ninefold([command, "readings", file.to_str().unwrap(), dir]);
    if let Some(mutant) = mutant {
        command.env("NINEFOLD_MUTANT", mutant.name());
    }
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id().unwrap());
    let mut peak_kib = 0;
    let ended = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        let now = std::fs::read_to_string(&status).unwrap_or_default();
        let line = now.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak_kib = peak_kib.max(kib.unwrap_or(0));
        tokio::time::sleep(SAMPLED_EACH).await;
    };
    assert!(ended.success(), "{ended}");
    assert!(peak_kib > 0, "nothing is measured");
    peak_kib / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_flat() {
    let megabytes = match std::env::var_os("NINEFOLD_SOAK") {
        Some(_) => MEGABYTES_OF_SOAK,
        None => MEGABYTES,
    };
    let growth_mib = (megabytes * 3 / 4 / GROWTH_PART) as u64;
    let is_flat = |whole: &Peaks, quarter: &Peaks| {
        whole.import_mib < quarter.import_mib + growth_mib && whole.export_mib < quarter.export_mib + growth_mib
    };
    let quarter = measure(megabytes / 4, [None, None]).await;
    let mut whole = measure(megabytes, [None, None]).await;
    // A busy machine may make a run take more for a moment; what keeps the file takes more in every run.
    for _ in 1..ATTEMPTS {
        if is_flat(&whole, &quarter) {
            break;
        }
        whole = measure(megabytes, [None, None]).await;
    }
    println!("{megabytes} MB: {whole:?}, a quarter of it: {quarter:?}");
    assert!(is_flat(&whole, &quarter), "{quarter:?}, {whole:?}");

    // The control: what is kept in memory is seen.
    let control = [Some(Mutant::ImportInParts), Some(Mutant::ExportInParts)];
    let kept = measure(megabytes / 4, control).await;
    assert!(kept.import_mib > quarter.import_mib + KEPT_MIB, "{quarter:?}, {kept:?}");
    assert!(kept.export_mib > quarter.export_mib + KEPT_MIB, "{quarter:?}, {kept:?}");
}
