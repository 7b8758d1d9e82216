//! `cargo xtask bench --postgres`: Ninefold on PostgreSQL beside a hand-written floor and three peers.
//!
//! All of them in turn on one server, which keeps what it acknowledges, with the same records. Servers alternate round by
//! round, each started anew; what a case writes goes into a fresh copy of the data. Before anything is measured the
//! floor must answer what Ninefold does, and the peers with the same records. A run of all cases writes
//! `bench/POSTGRES.md` and its chart.

mod agreement;
mod data;
mod peers;
mod programs;
mod report;

use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::cases::Case;
use super::load::{self, Measured};
use super::machine::Machine;
use super::ninefold::Ninefold;
use super::options::Options;
use super::{chart, files, write};
use crate::workspace::Workspace;
use data::Data;
use peers::{Django, Express, PostGraphile};
use programs::{Floor, OnPostgres, Program, Tokens};
use report::Report;

const CASES: [Case; 5] = [Case::Get, Case::GetRelation, Case::List, Case::ListExpand, Case::Create];
const WARM_UP_S: u32 = 2;

/// The place of each in an array of all.
pub(super) const NINEFOLD: usize = 0;
pub(super) const FLOOR: usize = 1;
pub(super) const PROGRAMS: usize = 5;
pub(super) const NAMES: [&str; PROGRAMS] = ["Ninefold", "the floor", "PostGraphile", "Express", "Django REST"];

pub(super) fn run(workspace: &Workspace, mut options: Options) -> Result<()> {
    let began = Instant::now();
    if options.is_whole {
        options.cases = CASES.to_vec();
    }
    for case in &options.cases {
        ensure!(CASES.contains(case), "`{}` is no case of --postgres", case.name());
    }
    let ninefold = Ninefold::build(workspace, options.records)?;
    let floor = Floor::prepare(workspace, options.records)?;
    let peers = peers::prepare(workspace, options.records)?;
    let data = Data::prepare(workspace, &ninefold)?;
    let tokens = Tokens::issue(&ninefold, &data)?;
    let (express, postgraphile, django) = (Express(&peers), PostGraphile(&peers), Django(&peers));
    let ninefold = OnPostgres(&ninefold);
    let programs: [&dyn Program; PROGRAMS] = [&ninefold, &floor, &postgraphile, &express, &django];
    agreement::check(&programs, &data, &tokens, &options.cases)?;
    data.make_copies()?;

    let machine = Machine::look(workspace, data.version()?)?;
    let mut report = Report::new(&options, machine, peers.versions()?);
    for case in &options.cases {
        let mut rounds: [Vec<Measured>; PROGRAMS] = Default::default();
        for number in 1..=options.rounds {
            for (program, measured) in programs.iter().zip(&mut rounds) {
                let round = round(workspace, *program, &data, *case, (&tokens, options.seconds))
                    .with_context(|| format!("{}, {}", program.name(), case.name()))?;
                println!(
                    "{:<14} round {number} {:<14} {:>9.0} requests/s, p50 {:.2} ms, p99 {:.2} ms",
                    case.name(),
                    program.name(),
                    round.per_second,
                    round.p50_ms,
                    round.p99_ms,
                );
                measured.push(round);
            }
        }
        report.add(*case, &rounds);
    }
    if options.is_whole {
        write(workspace, "bench/POSTGRES.md", &report.markdown())?;
        write(workspace, "bench/postgres.svg", &chart::draw(&report.chart()))?;
        println!("written: bench/POSTGRES.md, bench/postgres.svg");
    }
    print!("\n{}", report.terminal());
    println!("{:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn round(
    workspace: &Workspace,
    program: &dyn Program,
    data: &Data,
    case: Case,
    (tokens, seconds): (&Tokens, u32),
) -> Result<Measured> {
    let copy = data.copy_for(program.source(), case.writes())?;
    let running = program.start(&data.url(program, &copy))?;
    let requests: Vec<_> = (0..case.requests())
        .map(|number| program.request(case, number, tokens))
        .collect();
    // wrk counts refusals, but doesn't show them.
    running.client.expect(&requests[0])?;
    let file = files::folder(workspace)?.join("requests");
    let address = &running.client.address;
    load::write_requests(&file, address, &requests)?;
    load::run_watching(workspace, address, &file, WARM_UP_S, program.mistake())?;
    let measured = load::run_watching(workspace, address, &file, seconds, program.mistake())?;
    running.stop()?;
    Ok(measured)
}
