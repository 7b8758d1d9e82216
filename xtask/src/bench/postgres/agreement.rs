//! Before anything is measured: the floor answers what Ninefold does, and the peers with the same records.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::data::Data;
use super::programs::{Program, Tokens};
use super::{FLOOR, NINEFOLD, PROGRAMS};
use crate::bench::agreement::{ASKED, contents, lasting};
use crate::bench::cases::Case;

pub(super) fn check(programs: &[&dyn Program; PROGRAMS], data: &Data, tokens: &Tokens, cases: &[Case]) -> Result<()> {
    let mut answers = Vec::new();
    for program in programs {
        let copy = data.copy_for(program.source(), true)?;
        let running = program.start(&data.url(*program, &copy))?;
        let ask = |case: &Case| -> Result<Vec<Value>> {
            let answer = |number| {
                let answer = running.client.expect(&program.request(*case, number, tokens))?;
                let mistaken = program
                    .mistake()
                    .is_some_and(|mistake| answer.to_string().contains(mistake));
                ensure!(!mistaken, "answered {answer}");
                Ok(answer)
            };
            (0..ASKED)
                .map(answer)
                .collect::<Result<_>>()
                .with_context(|| format!("{}, {}", program.name(), case.name()))
        };
        answers.push(cases.iter().map(ask).collect::<Result<Vec<_>>>()?);
        running.stop()?;
    }
    for (place, case) in cases.iter().enumerate() {
        for number in 0..ASKED {
            let where_ = format!("{}, request {number}", case.name());
            let expected = contents(&answers[NINEFOLD][place][number]);
            ensure!(!expected.is_empty(), "{where_}: the answer holds nothing");
            for (program, answers) in programs.iter().zip(&answers) {
                let given = contents(&answers[place][number]);
                ensure!(
                    given == expected,
                    "{where_}: {} answers {given:?}, Ninefold {expected:?}",
                    program.name()
                );
            }
            let of = |program: usize| lasting(answers[program][place][number].clone(), *case);
            let (given, expected) = (of(FLOOR), of(NINEFOLD));
            ensure!(
                given == expected,
                "{where_}: the floor answers {given}, Ninefold {expected}"
            );
        }
    }
    println!("all of them give the same answers");
    Ok(())
}
