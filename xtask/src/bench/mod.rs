//! `cargo xtask bench`: Ninefold, PocketBase and a hand-written floor, in turn on this machine, with the same data and load.
//!
//! `bench/README.md` says what is compared and why that is fair. One server runs at a time, each round starts it anew,
//! and a case that writes starts from a fresh copy of the data. Before anything is measured all three must give the same
//! answers; one answer that isn't a success fails the run. A run of all cases writes `bench/RESULTS.md` and its chart.

mod agreement;
mod cases;
mod chart;
mod data;
mod disturbed;
mod files;
mod floor;
mod http;
mod load;
mod machine;
mod ninefold;
mod options;
mod pocketbase;
mod postgres;
mod report;
mod rounds;
mod server;
mod startup;

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use floor::Floor;
use machine::Machine;
use ninefold::Ninefold;
use options::Options;
use pocketbase::PocketBase;
use report::Report;
use server::Contender;

pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments)?;
    if options.postgres {
        return postgres::run(workspace, options);
    }
    let began = Instant::now();
    let ninefold = Ninefold::prepare(workspace, options.records)?;
    let floor = Floor::prepare(workspace, ninefold.template(), options.records)?;
    let pocketbase = PocketBase::prepare(workspace, options.records)?;
    let contenders: [&dyn Contender; 3] = [&ninefold, &pocketbase, &floor];
    agreement::check(workspace, &contenders, &options.cases)?;

    let machine = Machine::look(workspace, pocketbase.version()?)?;
    let mut report = Report::new(&options, machine);
    for case in &options.cases {
        let results = rounds::run(workspace, &contenders, *case, &options)?;
        report.add(*case, results);
    }
    if options.is_whole {
        report.sign_in_cost = Some(rounds::sign_in_cost(workspace, &contenders)?);
        report.startup = Some(startup::measure(workspace, &ninefold, &contenders)?);
        report.disturbed = Some(disturbed::measure(workspace, &ninefold, options.seconds)?);
        // What takes long comes last, and what is known by then is kept if it fails.
        publish(workspace, &report)?;
        if options.big {
            report.big = Some(rounds::big(workspace, &ninefold, &options)?);
        }
        if options.cold_build {
            report.cold_build_s = Some(startup::cold_build(workspace)?);
        }
        publish(workspace, &report)?;
        println!("written: bench/RESULTS.md, bench/results.svg");
    }
    print!("\n{}", report.terminal());
    println!("{:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn publish(workspace: &Workspace, report: &Report) -> Result<()> {
    write(workspace, "bench/RESULTS.md", &report.markdown())?;
    write(workspace, "bench/results.svg", &chart::draw(&report.chart()))
}

fn write(workspace: &Workspace, name: &str, text: &str) -> Result<()> {
    fs::write(workspace.root.join(name), text).with_context(|| format!("cannot write {name}"))
}
