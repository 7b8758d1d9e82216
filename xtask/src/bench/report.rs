//! What was measured, in words and tables: for the terminal, and for `bench/RESULTS.md`.

mod markdown;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use super::cases::{Bar, Case};
use super::chart::{self, Bars, Chart};
use super::disturbed::Disturbed;
use super::machine::Machine;
use super::options::Options;
use super::rounds::{Big, Round, median};
use super::startup::Startup;
pub(crate) use markdown::{rounded, write_verdicts};

/// The place of each in every array of three.
pub(crate) const NINEFOLD: usize = 0;
pub(crate) const POCKETBASE: usize = 1;
pub(crate) const FLOOR: usize = 2;

const OF_FLOOR: f64 = 0.75;
const AUTH_ONLY_COST: f64 = 0.05;
const CREATE_P99_MS: f64 = 25.0;
const CHAT_READY_MS: f64 = 100.0;
const WIDE_READY_MS: f64 = 300.0;
const IDLE_MIB: f64 = 30.0;
const BIG_COST: f64 = 1.3;
/// Twice `database.log_pages_max`.
const LOG_MIB: f64 = 64.0;

pub(crate) struct Report {
    rounds: usize,
    seconds: u32,
    records: usize,
    machine: Machine,
    cases: Vec<Medians>,
    pub(crate) sign_in_cost: Option<[f64; 3]>,
    pub(crate) startup: Option<Startup>,
    pub(crate) disturbed: Option<Disturbed>,
    pub(crate) big: Option<Big>,
    pub(crate) cold_build_s: Option<f64>,
}

/// Of one case, over its rounds.
pub(crate) struct Medians {
    case: Case,
    per_second: [f64; 3],
    p50_ms: [f64; 3],
    p99_ms: [f64; 3],
    /// The most that was held at the end of a round.
    anonymous_mib: [f64; 3],
}

/// A bar of the project's own, and whether it is reached.
#[derive(Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) asked: String,
    pub(crate) is_met: bool,
}

impl Report {
    pub(crate) fn new(options: &Options, machine: Machine) -> Self {
        Self {
            rounds: options.rounds,
            seconds: options.seconds,
            records: options.records,
            machine,
            cases: Vec::new(),
            sign_in_cost: None,
            startup: None,
            disturbed: None,
            big: None,
            cold_build_s: None,
        }
    }

    pub(crate) fn add(&mut self, case: Case, rounds: [Vec<Round>; 3]) {
        let of = |number: fn(&Round) -> f64| {
            rounds
                .each_ref()
                .map(|rounds| median(rounds.iter().map(number).collect()))
        };
        self.cases.push(Medians {
            case,
            per_second: of(|round| round.measured.per_second),
            p50_ms: of(|round| round.measured.p50_ms),
            p99_ms: of(|round| round.measured.p99_ms),
            anonymous_mib: rounds
                .each_ref()
                .map(|rounds| rounds.iter().map(|round| round.anonymous_mib).fold(0.0, f64::max)),
        });
    }

    pub(crate) fn chart(&self) -> Chart {
        let bars = |medians: &Medians| Bars {
            title: medians.case.title(),
            values: medians.per_second.to_vec(),
        };
        Chart {
            programs: &[
                ("Ninefold", chart::INDIGO),
                ("PocketBase", chart::AMBER),
                ("Floor: the same SQL, written by hand", chart::GREY),
            ],
            compared: (POCKETBASE, "PocketBase"),
            cases: self.cases.iter().map(bars).collect(),
        }
    }

    pub(crate) fn terminal(&self) -> String {
        let mut text = format!(
            "{:<40} {:>9} {:>10} {:>9} {:>7} {:>7}   {}\n",
            "requests/s, medians",
            "Ninefold",
            "PocketBase",
            "floor",
            "x PB",
            "x floor",
            "p99 in ms: Ninefold, PocketBase, floor"
        );
        for medians in &self.cases {
            let [ours, theirs, floor] = medians.per_second;
            let [our_p99, their_p99, floor_p99] = medians.p99_ms;
            let _ = writeln!(
                text,
                "{:<40} {ours:>9.0} {theirs:>10.0} {floor:>9.0} {:>7.2} {:>7.2}   {our_p99:.2}, {their_p99:.2}, {floor_p99:.2}",
                medians.case.title(),
                ours / theirs,
                ours / floor,
            );
        }
        write_missed(&mut text, &self.verdicts());
        text
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for medians in &self.cases {
            verdicts.extend(medians.verdicts());
        }
        verdicts.extend(self.auth_only());
        if let Some(at_equal_cost) = self.sign_in_at_equal_cost() {
            verdicts.push(at_least(
                "Sign in, of what the hash allows, against PocketBase's",
                at_equal_cost,
                1.0,
            ));
        }
        if let Some(startup) = &self.startup {
            verdicts.push(at_most("Ready, chat example", startup.chat_ms, CHAT_READY_MS, "ms"));
            verdicts.push(at_most("Ready, 200 collections", startup.wide_ms, WIDE_READY_MS, "ms"));
            verdicts.push(at_most(
                "Anonymous memory, idle",
                startup.idle_mib[NINEFOLD],
                IDLE_MIB,
                "MiB",
            ));
        }
        if let Some(disturbed) = &self.disturbed {
            for (whose, creates) in [
                ("a reader that stays", disturbed.by_reader),
                ("an import", disturbed.by_import),
            ] {
                verdicts.push(at_most(
                    &format!("Create beside {whose}: p99"),
                    creates.measured.p99_ms,
                    CREATE_P99_MS,
                    "ms",
                ));
            }
            verdicts.push(at_most(
                "The log, with nobody beside and with an import",
                disturbed.by_nobody.log_mib.max(disturbed.by_import.log_mib),
                LOG_MIB,
                "MiB",
            ));
        }
        if let Some(Big { small, large }) = self.big {
            verdicts.push(at_most(
                "A list by index: its cost in 1,000,000 records over that in 10,000",
                small / large,
                BIG_COST,
                "×",
            ));
        }
        verdicts
    }

    /// What `auth != null` costs.
    fn auth_only(&self) -> Option<Verdict> {
        let rate = |case| Some(self.of(case)?.per_second[NINEFOLD]);
        let cost = 1.0 - rate(Case::GetAuth)? / rate(Case::Get)?;
        Some(Verdict {
            what: "What a rule on `auth` alone costs (get)".to_owned(),
            measured: format!("{:.1} %", cost * 100.0),
            asked: format!("at most {:.0} %", AUTH_ONLY_COST * 100.0),
            is_met: cost <= AUTH_ONLY_COST,
        })
    }

    fn of(&self, case: Case) -> Option<&Medians> {
        self.cases.iter().find(|medians| medians.case == case)
    }

    /// How much of the processors' time goes into the hash: sign-ins a second, times what one costs alone, per core.
    fn hashing_share(&self) -> Option<[f64; 3]> {
        let (costs, rates) = (self.sign_in_cost?, self.of(Case::SignIn)?.per_second);
        #[expect(clippy::cast_precision_loss, reason = "no machine has 2^53 cores")]
        let cores = self.machine.cores as f64;
        Some([NINEFOLD, POCKETBASE, FLOOR].map(|index| rates[index] * costs[index] / 1e3 / cores))
    }

    fn sign_in_at_equal_cost(&self) -> Option<f64> {
        let share = self.hashing_share()?;
        Some(share[NINEFOLD] / share[POCKETBASE])
    }
}

impl Medians {
    fn verdicts(&self) -> Vec<Verdict> {
        let title = self.case.title();
        let [ours, theirs, floor] = self.per_second;
        let mut verdicts = vec![at_least(&format!("{title}: of the floor"), ours / floor, OF_FLOOR)];
        if let Bar::Times(times) = self.case.bar() {
            verdicts.push(at_least(&format!("{title}: of PocketBase"), ours / theirs, times));
        }
        let [our_p99, their_p99, _] = self.p99_ms;
        if self.case != Case::SignIn {
            verdicts.push(at_most(
                &format!("{title}: p99, PocketBase has {their_p99:.1} ms"),
                our_p99,
                their_p99,
                "ms",
            ));
        }
        if matches!(self.case, Case::Create | Case::CreateRelation) {
            verdicts.push(at_most(&format!("{title}: p99"), our_p99, CREATE_P99_MS, "ms"));
        }
        verdicts
    }
}

/// For the terminal.
pub(crate) fn write_missed(text: &mut String, verdicts: &[Verdict]) {
    for verdict in verdicts.iter().filter(|verdict| !verdict.is_met) {
        let _ = writeln!(
            text,
            "missed: {}: {}, asked for: {}",
            verdict.what, verdict.measured, verdict.asked
        );
    }
}

pub(crate) fn at_least(what: &str, measured: f64, asked: f64) -> Verdict {
    Verdict {
        what: what.to_owned(),
        measured: format!("{measured:.2}×"),
        asked: format!("at least {asked}×"),
        is_met: measured >= asked,
    }
}

fn at_most(what: &str, measured: f64, asked: f64, unit: &str) -> Verdict {
    Verdict {
        what: what.to_owned(),
        measured: format!("{measured:.1} {unit}"),
        asked: format!("at most {asked:.1} {unit}"),
        is_met: measured <= asked,
    }
}
