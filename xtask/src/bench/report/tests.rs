use super::markdown::rounded;
use super::*;
use crate::bench::load::Measured;

fn machine() -> Machine {
    Machine {
        processor: "A Processor".to_owned(),
        cores: 2,
        memory_gib: 23.4,
        system: "Linux 6".to_owned(),
        syncs_per_second: 1234.0,
        rust: "1.95.0".to_owned(),
        wrk: "4.1.0".to_owned(),
        database: "0.40.6".to_owned(),
    }
}

fn rounds(rates: [f64; 3], p99_ms: f64) -> Vec<Round> {
    let round = |per_second| Round {
        measured: Measured {
            per_second,
            p50_ms: 1.0,
            p99_ms,
        },
        anonymous_mib: per_second / 1000.0,
    };
    rates.map(round).to_vec()
}

fn report(cases: &[(Case, [f64; 3], [f64; 3])]) -> Report {
    let options = Options::parse(&[]).unwrap();
    let mut report = Report::new(&options, machine());
    for (case, rates, p99) in cases {
        let of = |index: usize| rounds([rates[index], rates[index] * 3.0, rates[index] / 3.0], p99[index]);
        report.add(*case, [of(0), of(1), of(2)]);
    }
    report
}

#[test]
fn medians_over_the_rounds_and_ratios() {
    let report = report(&[(Case::Get, [30_000.0, 5_000.0, 50_000.0], [5.0, 20.0, 4.0])]);
    let text = report.markdown();
    assert!(
        text.contains("| Get one, open to all | no | 30,000 | 5,000 | 50,000 | 6.0× | 0.60× |"),
        "{text}"
    );
    assert!(text.contains("| 1.00 | 5.00 | 1.00 | 20.00 | 1.00 | 4.00 |"), "{text}");
    assert!(text.contains("2 cores, 23 GiB"), "{text}");
    assert!(
        report
            .terminal()
            .contains("missed: Get one, open to all: of the floor: 0.60×")
    );
    assert_eq!(report.cases[0].anonymous_mib[NINEFOLD], 90.0);
}

#[test]
fn judges_each_bar() {
    let met = |report: &Report, what: &str| {
        let verdicts = report.verdicts();
        let found = verdicts.iter().find(|verdict| verdict.what.contains(what));
        found.unwrap_or_else(|| panic!("{what}")).is_met
    };
    let report = report(&[
        (Case::Get, [40_000.0, 5_000.0, 50_000.0], [5.0, 20.0, 4.0]),
        (Case::GetAuth, [37_000.0, 5_000.0, 50_000.0], [5.0, 20.0, 4.0]),
        (Case::Create, [12_000.0, 4_000.0, 13_000.0], [30.0, 29.0, 4.0]),
    ]);
    assert!(met(&report, "Get one, open to all: of the floor"));
    assert!(met(&report, "Get one, open to all: of PocketBase"));
    assert!(!met(&report, "Create: of PocketBase"));
    assert!(!met(&report, "Create: p99, PocketBase"));
    assert!(!met(&report, "`auth` alone"));
}

#[test]
fn sign_in_is_compared_by_the_share_of_the_hash() {
    let mut report = report(&[(Case::SignIn, [80.0, 30.0, 82.0], [1.0; 3])]);
    report.sign_in_cost = Some([20.0, 60.0, 20.0]);
    let [ours, theirs, _] = report.hashing_share().unwrap();
    assert!((ours - 0.8).abs() < 1e-9 && (theirs - 0.9).abs() < 1e-9);
    assert!(report.markdown().contains("| PocketBase | 60.0 ms | 30.0 | 0.90 |"));
}

#[test]
fn large_numbers_have_commas() {
    assert_eq!(rounded(1_234_567.4), "1,234,567");
    assert_eq!(rounded(999.6), "1,000");
    assert_eq!(rounded(12.34), "12.3");
}
