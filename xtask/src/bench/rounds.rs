//! The measured rounds.

use std::time::Instant;

use anyhow::{Context, Result};

use super::cases::Case;
use super::files;
use super::load::{self, Measured};
use super::ninefold::Ninefold;
use super::options::Options;
use super::server::{Contender, Durability};
use crate::workspace::Workspace;

const WARM_UP_S: u32 = 2;
/// Of a case whose answers take long under load: some for each connection.
const SLOW_WARM_UP_S: u32 = 6;
const SLOW_S: u32 = 10;
/// Sign-ins, one after another, that tell what one costs.
const ALONE: usize = 30;

/// A round of one server in one case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) measured: Measured,
    /// At the end, under load until just now.
    pub(crate) anonymous_mib: f64,
}

/// The rounds of each server, in the order of `contenders`. Servers alternate, so that what slows the machine down for
/// a while does not hit one alone.
pub(crate) fn run(
    workspace: &Workspace,
    contenders: &[&dyn Contender; 3],
    case: Case,
    options: &Options,
) -> Result<[Vec<Round>; 3]> {
    let mut results: [Vec<Round>; 3] = Default::default();
    for number in 0..options.rounds {
        for (contender, rounds) in contenders.iter().zip(&mut results) {
            let round = round(workspace, *contender, case, options.seconds)
                .with_context(|| format!("{}, {}", contender.name(), case.name()))?;
            println!(
                "{:<16} round {} {:<10} {:>9.0} requests/s, p50 {:.2} ms, p99 {:.2} ms",
                case.name(),
                number + 1,
                contender.name(),
                round.measured.per_second,
                round.measured.p50_ms,
                round.measured.p99_ms,
            );
            rounds.push(round);
        }
    }
    Ok(results)
}

fn round(workspace: &Workspace, contender: &dyn Contender, case: Case, seconds: u32) -> Result<Round> {
    let work = files::folder(workspace)?;
    let data = work.join("data");
    files::copy(contender.template(), &data)?;
    let running = contender.start(&data, case.durability())?;
    let token = contender.sign_in(&running.client, case.user())?;
    let requests: Vec<_> = (0..case.requests())
        .map(|number| contender.request(case, number, &token))
        .collect();
    // wrk counts refusals, but doesn't show them.
    running.client.expect(&requests[0])?;
    let file = work.join("requests");
    load::write_requests(&file, &running.client.address, &requests)?;
    let (warm_up_s, seconds) = match case {
        Case::SignIn | Case::ListRare => (SLOW_WARM_UP_S, seconds.max(SLOW_S)),
        _ => (WARM_UP_S, seconds),
    };
    load::run(workspace, &running.client.address, &file, warm_up_s)?;
    let measured = load::run(workspace, &running.client.address, &file, seconds)?;
    let anonymous_mib = running.anonymous_mib()?;
    running.stop()?;
    files::remove(&data)?;
    Ok(Round {
        measured,
        anonymous_mib,
    })
}

/// The median time of a sign-in with nothing beside it, in milliseconds: nearly all of it is the password's hash.
pub(crate) fn sign_in_cost(workspace: &Workspace, contenders: &[&dyn Contender; 3]) -> Result<[f64; 3]> {
    let mut costs = [0.0; 3];
    for (contender, cost) in contenders.iter().zip(&mut costs) {
        let data = files::folder(workspace)?.join("data");
        files::copy(contender.template(), &data)?;
        let running = contender.start(&data, Durability::Full)?;
        let mut times = Vec::with_capacity(ALONE);
        for number in 0..ALONE {
            let request = contender.request(Case::SignIn, number, "");
            let began = Instant::now();
            running.client.expect(&request)?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        running.stop()?;
        files::remove(&data)?;
        *cost = median(times);
    }
    Ok(costs)
}

/// A list by an index range in a small and in a large collection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Big {
    /// Requests a second.
    pub(crate) small: f64,
    pub(crate) large: f64,
}

pub(crate) const SMALL: usize = 10_000;
pub(crate) const LARGE: usize = 1_000_000;

pub(crate) fn big(workspace: &Workspace, ninefold: &Ninefold, options: &Options) -> Result<Big> {
    let (small, large) = (ninefold.with_posts(SMALL)?, ninefold.with_posts(LARGE)?);
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..options.rounds {
        for (contender, rates) in [&small, &large].into_iter().zip(&mut rates) {
            let round = round(workspace, contender, Case::List, options.seconds)?;
            rates.push(round.measured.per_second);
        }
    }
    let [small, large] = rates.map(median);
    Ok(Big { small, large })
}

pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => 0.0,
        count if count % 2 == 1 => numbers[count / 2],
        count => f64::midpoint(numbers[count / 2 - 1], numbers[count / 2]),
    }
}
