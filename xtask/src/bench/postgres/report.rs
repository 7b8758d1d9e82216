//! What was measured on PostgreSQL: for the terminal, and for `bench/POSTGRES.md`.

use std::fmt::Write as _;

use super::{FLOOR, NAMES, NINEFOLD, PROGRAMS};
use crate::bench::cases::Case;
use crate::bench::chart::{self, Bars, Chart};
use crate::bench::load::{self, Measured};
use crate::bench::machine::Machine;
use crate::bench::options::Options;
use crate::bench::report::{Verdict, at_least, rounded, write_missed, write_verdicts};
use crate::bench::rounds::median;

const OF_FLOOR: f64 = 0.8;
const OF_EVERY_PEER: f64 = 1.0;
const OF_THE_SLOWEST: f64 = 4.0;
const SLOWEST: usize = 2;

const HEAD: &str = "# Results on PostgreSQL

Written by `cargo xtask bench --postgres`; [README.md](README.md) says what is compared, and how. All numbers of a table are medians over the rounds.

![Requests a second of Ninefold on PostgreSQL, the floor, PostGraphile, Express and Django REST framework](postgres.svg)
";

pub(super) struct Report {
    rounds: usize,
    seconds: u32,
    records: usize,
    machine: Machine,
    peers: String,
    cases: Vec<Medians>,
}

/// Of one case, over its rounds.
struct Medians {
    case: Case,
    per_second: [f64; PROGRAMS],
    p50_ms: [f64; PROGRAMS],
    p99_ms: [f64; PROGRAMS],
}

impl Report {
    pub(super) fn new(options: &Options, machine: Machine, peers: String) -> Self {
        Self {
            rounds: options.rounds,
            seconds: options.seconds,
            records: options.records,
            machine,
            peers,
            cases: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, case: Case, rounds: &[Vec<Measured>; PROGRAMS]) {
        let of = |number: fn(&Measured) -> f64| {
            rounds
                .each_ref()
                .map(|rounds| median(rounds.iter().map(number).collect()))
        };
        self.cases.push(Medians {
            case,
            per_second: of(|measured| measured.per_second),
            p50_ms: of(|measured| measured.p50_ms),
            p99_ms: of(|measured| measured.p99_ms),
        });
    }

    pub(super) fn chart(&self) -> Chart {
        let bars = |medians: &Medians| Bars {
            title: medians.case.title(),
            values: medians.per_second.to_vec(),
        };
        Chart {
            programs: &[
                ("Ninefold", chart::INDIGO),
                ("Floor: by hand", chart::GREY),
                ("PostGraphile", chart::AMBER),
                ("Express and pg", "#10b981"),
                ("Django REST framework", "#ec4899"),
            ],
            compared: (FLOOR, "the floor"),
            cases: self.cases.iter().map(bars).collect(),
        }
    }

    pub(super) fn terminal(&self) -> String {
        let mut text = format!("{:<40}", "requests/s, medians");
        for name in NAMES {
            let _ = write!(text, " {name:>14}");
        }
        text.push('\n');
        for medians in &self.cases {
            let _ = write!(text, "{:<40}", medians.case.title());
            for rate in medians.per_second {
                let _ = write!(text, " {rate:>14.0}");
            }
            text.push('\n');
        }
        write_missed(&mut text, &self.verdicts());
        text
    }

    pub(super) fn markdown(&self) -> String {
        let mut text = HEAD.to_owned();
        self.machine.write(&mut text);
        let _ = write!(
            text,
            "PostgreSQL {} with its own durability (`fsync`, `synchronous_commit`) and 1 GiB of `shared_buffers`. Rust {}, wrk {}, Ninefold {}; {}\n\n\
             {} connections, {} threads of wrk, {} rounds of {} s, {} records in each of two collections.\n",
            self.machine.database,
            self.machine.rust,
            self.machine.wrk,
            env!("CARGO_PKG_VERSION"),
            self.peers,
            load::CONNECTIONS,
            load::THREADS,
            self.rounds,
            self.seconds,
            self.records,
        );
        text.push_str(
            "\n## Requests a second\n\nBelow each of the others, how many times as fast Ninefold is.\n\n| case |",
        );
        for name in NAMES {
            let _ = write!(text, " {name} |");
        }
        text.push_str("\n| --- | ---: | ---: | ---: | ---: | ---: |\n");
        for medians in &self.cases {
            let ours = medians.per_second[NINEFOLD];
            let _ = write!(text, "| {} | {} |", medians.case.title(), rounded(ours));
            for rate in &medians.per_second[FLOOR..] {
                let _ = write!(text, " {}<br>{:.2}× |", rounded(*rate), ours / rate);
            }
            text.push('\n');
        }
        text.push_str(
            "\n## How long an answer takes\n\nMilliseconds under that load: the median, and the 99th percentile.\n\n| case |",
        );
        for name in NAMES {
            let _ = write!(text, " {name} p50, p99 |");
        }
        text.push_str("\n| --- | ---: | ---: | ---: | ---: | ---: |\n");
        for medians in &self.cases {
            let _ = write!(text, "| {} |", medians.case.title());
            for (p50, p99) in medians.p50_ms.iter().zip(medians.p99_ms) {
                let _ = write!(text, " {p50:.2}, {p99:.2} |");
            }
            text.push('\n');
        }
        write_verdicts(&mut text, &self.verdicts());
        text
    }

    fn verdicts(&self) -> Vec<Verdict> {
        self.cases.iter().flat_map(Medians::verdicts).collect()
    }
}

impl Medians {
    fn verdicts(&self) -> Vec<Verdict> {
        let title = self.case.title();
        let times = |place: usize| self.per_second[NINEFOLD] / self.per_second[place];
        let mut peers: Vec<usize> = (FLOOR + 1..PROGRAMS).collect();
        peers.sort_by(|left, right| self.per_second[*left].total_cmp(&self.per_second[*right]));
        let mut verdicts = vec![at_least(&format!("{title}: of the floor"), times(FLOOR), OF_FLOOR)];
        for (place, peer) in peers.into_iter().enumerate() {
            let asked = if place < SLOWEST { OF_THE_SLOWEST } else { OF_EVERY_PEER };
            verdicts.push(at_least(&format!("{title}: of {}", NAMES[peer]), times(peer), asked));
        }
        verdicts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rates: [f64; PROGRAMS]) -> Report {
        let machine = Machine {
            processor: "A Processor".to_owned(),
            cores: 2,
            memory_gib: 23.4,
            system: "Linux 6".to_owned(),
            syncs_per_second: 1234.0,
            rust: "1.95.0".to_owned(),
            wrk: "4.1.0".to_owned(),
            database: "15.19".to_owned(),
        };
        let mut report = Report::new(&Options::parse(&["--postgres"]).unwrap(), machine, "Peers.".to_owned());
        let rounds = rates.map(|rate| {
            let measured = |per_second| Measured {
                per_second,
                p50_ms: 1.0,
                p99_ms: 2.0,
            };
            [rate / 2.0, rate, rate * 3.0].map(measured).to_vec()
        });
        report.add(Case::List, &rounds);
        report
    }

    #[test]
    fn medians_and_how_many_times_as_fast() {
        let text = report([8000.0, 10_000.0, 1000.0, 4000.0, 500.0]).markdown();
        let row = "| 8,000 | 10,000<br>0.80× | 1,000<br>8.00× | 4,000<br>2.00× | 500<br>16.00× |";
        assert!(text.contains(row), "{text}");
        assert!(text.contains("PostgreSQL 15.19 with"), "{text}");
    }

    #[test]
    fn the_slowest_two_are_to_be_left_far_behind() {
        let missed = |rates| -> Vec<String> {
            let verdicts = report(rates).verdicts();
            let missed = verdicts.into_iter().filter(|verdict| !verdict.is_met);
            missed.map(|verdict| verdict.what).collect()
        };
        assert_eq!(missed([8000.0, 10_000.0, 1000.0, 4000.0, 500.0]), [""; 0]);
        let missed = missed([7000.0, 10_000.0, 3000.0, 9000.0, 500.0]);
        let whose: Vec<&str> = missed.iter().filter_map(|what| what.rsplit(": of ").next()).collect();
        assert_eq!(whose, ["the floor", "PostGraphile", "Express"]);
    }
}
