//! `bench/RESULTS.md`.

use std::fmt::Write as _;

use super::{FLOOR, NINEFOLD, POCKETBASE, Report, Verdict};
use crate::bench::cases::Case;
use crate::bench::disturbed::{self, Disturbed};
use crate::bench::load;
use crate::bench::startup::Startup;

const HEAD: &str = "# Results

Written by `cargo xtask bench`; [README.md](README.md) says what is compared, and how. All numbers of a table are medians over the rounds.

![Requests a second of Ninefold, PocketBase and the floor](results.svg)
";

impl Report {
    pub(crate) fn markdown(&self) -> String {
        let mut text = HEAD.to_owned();
        self.write_machine(&mut text);
        self.write_cases(&mut text);
        self.write_sign_in(&mut text);
        self.write_memory(&mut text);
        if let Some(startup) = &self.startup {
            self.write_startup(&mut text, startup);
        }
        if let Some(disturbed) = &self.disturbed {
            write_disturbed(&mut text, disturbed);
        }
        if let Some(big) = self.big {
            let _ = write!(
                text,
                "\n## A large collection\n\nThe list by an index range: {:.0} requests a second among 10,000 records, {:.0} among 1,000,000.\n",
                big.small, big.large
            );
        }
        write_verdicts(&mut text, &self.verdicts());
        text
    }

    fn write_machine(&self, text: &mut String) {
        let machine = &self.machine;
        machine.write(text);
        let _ = write!(
            text,
            "Rust {}, wrk {}, PocketBase {}, Ninefold {}.\n\n\
             {} connections, {} threads of wrk, {} rounds of {} s, {} records in each of three collections.\n",
            machine.rust,
            machine.wrk,
            machine.database,
            env!("CARGO_PKG_VERSION"),
            load::CONNECTIONS,
            load::THREADS,
            self.rounds,
            self.seconds,
            self.records,
        );
    }

    fn write_cases(&self, text: &mut String) {
        text.push_str(
            "\n## Requests a second\n\n\
             Ninefold and the floor write with `synchronous=FULL`, so that an acknowledged write survives a loss of power, except where it \
             says otherwise; PocketBase always with its own `NORMAL`, which promises less.\n\n\
             | case | signed in | Ninefold | PocketBase | floor | of PocketBase | of the floor |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for medians in &self.cases {
            let [ours, theirs, floor] = medians.per_second;
            let signed_in = if medians.case.is_signed_in() { "yes" } else { "no" };
            let _ = writeln!(
                text,
                "| {} | {signed_in} | {} | {} | {} | {:.1}× | {:.2}× |",
                medians.case.title(),
                rounded(ours),
                rounded(theirs),
                rounded(floor),
                ours / theirs,
                ours / floor
            );
        }
        text.push_str(
            "\n## How long an answer takes\n\n\
             Milliseconds under that load: the median and the 99th percentile.\n\n\
             | case | Ninefold p50 | p99 | PocketBase p50 | p99 | floor p50 | p99 |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for medians in &self.cases {
            let _ = write!(text, "| {}", medians.case.title());
            for index in [NINEFOLD, POCKETBASE, FLOOR] {
                let _ = write!(text, " | {:.2} | {:.2}", medians.p50_ms[index], medians.p99_ms[index]);
            }
            text.push_str(" |\n");
        }
    }

    fn write_sign_in(&self, text: &mut String) {
        let (Some(costs), Some(shares), Some(medians)) =
            (self.sign_in_cost, self.hashing_share(), self.of(Case::SignIn))
        else {
            return;
        };
        text.push_str(
            "\n## Sign in, at equal cost of hashing\n\n\
             A password's hash is slow on purpose, and each product decides how slow: Ninefold and the floor use argon2id (19 MiB, 2 passes), \
             PocketBase bcrypt (cost 10). So not requests are compared, but how much of the processors' time goes into the hash: sign-ins a second under load, \
             times what one takes with nothing beside it, divided by the cores. More than 1 is possible where hashes side by side are cheaper than one alone.\n\n\
             | | one alone | a second | share of the hash |\n| --- | ---: | ---: | ---: |\n",
        );
        for (index, name) in ["Ninefold", "PocketBase", "floor"].into_iter().enumerate() {
            let _ = writeln!(
                text,
                "| {name} | {:.1} ms | {} | {:.2} |",
                costs[index],
                rounded(medians.per_second[index]),
                shares[index]
            );
        }
    }

    fn write_memory(&self, text: &mut String) {
        text.push_str(
            "\n## Memory\n\nAnonymous memory (`RssAnon`) in MiB at the end of a case's load, the most of its rounds.\n\n\
             | | Ninefold | PocketBase | floor |\n| --- | ---: | ---: | ---: |\n",
        );
        if let Some(startup) = &self.startup {
            let [ours, theirs, floor] = startup.idle_mib;
            let _ = writeln!(text, "| idle after the start | {ours:.1} | {theirs:.1} | {floor:.1} |");
        }
        for medians in &self.cases {
            let [ours, theirs, floor] = medians.anonymous_mib;
            let _ = writeln!(
                text,
                "| {} | {ours:.1} | {theirs:.1} | {floor:.1} |",
                medians.case.title()
            );
        }
    }

    fn write_startup(&self, text: &mut String, startup: &Startup) {
        let _ = write!(
            text,
            "\n## Start, size, build\n\n\
             From the process to its first ready answer: {:.0} ms with the chat example, {:.0} ms with 200 collections.\n\n\
             | | Ninefold | PocketBase | floor |\n| --- | ---: | ---: | ---: |\n",
            startup.chat_ms, startup.wide_ms
        );
        for (what, [ours, theirs, floor]) in [
            ("ready with the benchmark's data, ms", startup.bench_ms),
            ("the binary, MiB", startup.binary_mib),
        ] {
            let _ = writeln!(text, "| {what} | {ours:.1} | {theirs:.1} | {floor:.1} |");
        }
        if let Some(seconds) = self.cold_build_s {
            let _ = write!(
                text,
                "\nA release build with nothing compiled before: {seconds:.0} s.\n"
            );
        }
    }
}

fn write_disturbed(text: &mut String, disturbed: &Disturbed) {
    text.push_str(
        "\n## Creates beside others\n\n\
         Another program that stays in a transaction that reads, and `ninefold import` on the same database. The log can't be started over while a program \
         reads; it then grows up to `database.log_pages_limit`.\n\n\
         | beside | a second | p50, ms | p99, ms | the log at its longest, MiB |\n| --- | ---: | ---: | ---: | ---: |\n",
    );
    for (whom, creates) in [
        ("nobody", disturbed.by_nobody),
        ("a reader that stays", disturbed.by_reader),
        ("an import", disturbed.by_import),
    ] {
        let _ = writeln!(
            text,
            "| {whom} | {} | {:.2} | {:.2} | {:.0} |",
            rounded(creates.measured.per_second),
            creates.measured.p50_ms,
            creates.measured.p99_ms,
            creates.log_mib
        );
    }
    let _ = write!(
        text,
        "\nThe import of {} records with nobody beside it: {} a second.\n",
        disturbed::IMPORTED,
        rounded(disturbed.imported_per_second)
    );
}

pub(crate) fn write_verdicts(text: &mut String, verdicts: &[Verdict]) {
    text.push_str("\n## What is asked of Ninefold\n\n| | measured | asked | |\n| --- | ---: | ---: | --- |\n");
    for Verdict {
        what,
        measured,
        asked,
        is_met,
    } in verdicts
    {
        let met = if *is_met { "met" } else { "**missed**" };
        let _ = writeln!(text, "| {what} | {measured} | {asked} | {met} |");
    }
}

/// With commas, as people read large numbers; small ones with one decimal.
pub(crate) fn rounded(number: f64) -> String {
    if number < 100.0 {
        return format!("{number:.1}");
    }
    let digits = format!("{number:.0}");
    let mut text = String::with_capacity(digits.len() + 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
