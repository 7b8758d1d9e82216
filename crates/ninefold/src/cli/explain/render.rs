//! An explanation for people, and for scripts.

use std::fmt::Write as _;

use engine::Model;
use engine::expr::{Anatomy, Decision, Joint};
use engine::operations::explain::{Asked, Explanation, RuleExplained};
use engine::query::trace::{Advice, Cost, Outcome, PlanStep, Traced};
use serde_json::{Value, json};

use crate::schema;

pub(super) struct Explained<'a> {
    pub(super) explanation: &'a Explanation,
    pub(super) asked: Asked,
    /// As it was written on the command line.
    pub(super) who: &'a str,
    pub(super) is_about_one: bool,
    pub(super) model: &'a Model,
    /// The text of the schema.
    pub(super) schema: &'a str,
}

impl Explained<'_> {
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{} {} as {}\n\nRules\n",
            self.asked.name(),
            self.explanation.collection,
            self.who
        );
        for rule in &self.explanation.rules {
            self.rule(&mut text, rule);
        }
        let Some(trace) = &self.explanation.trace else {
            text.push_str(match self.asked {
                Asked::Create => "\nThe database is only asked about what the new record refers to.\n",
                _ if self.is_about_one || self.asked == Asked::List => "\nThe database is not asked.\n",
                _ => "\nWith --id it says of a record what holds, and what the database is asked.\n",
            });
            return text;
        };
        for (index, statement) in trace.statements.iter().enumerate() {
            write_statement(&mut text, index + 1, statement);
        }
        text.push_str("\nIndex\n");
        if trace.advice.is_empty() {
            text.push_str(
                if trace.statements.iter().all(|statement| is_bounded(&statement.steps)) {
                    "  every step uses one\n"
                } else {
                    "  none that would help\n"
                },
            );
        }
        for advice in &trace.advice {
            self.advice(&mut text, advice);
        }
        text
    }

    fn rule(&self, text: &mut String, rule: &RuleExplained) {
        let field = rule.field.as_ref().map_or(String::new(), |field| format!(".{field}"));
        let _ = write!(text, "  {} {}{field}", rule.operation, rule.collection);
        match &rule.source {
            None => text.push_str(": no rule, so administrators only\n"),
            Some(source) => {
                let place = self.place(rule).map_or(String::new(), |(line, column)| {
                    format!("   {}:{line}:{column}", schema::FILE)
                });
                let _ = writeln!(text, ": {source}{place}");
            }
        }
        let decision = match rule.decision {
            Decision::Always => "always, for this caller".to_owned(),
            Decision::Never => format!("never, for this caller; {}", rule.otherwise),
            Decision::Depends => format!("depends on the record; otherwise {}", rule.otherwise),
        };
        let _ = writeln!(text, "    {decision}");
        if let Some(anatomy) = &rule.anatomy
            && (anatomy.joint.is_some() || anatomy.holds.is_some())
        {
            write_part(text, anatomy, 3);
        }
    }

    /// Line and column of a rule in the schema, where it stands as it is.
    fn place(&self, rule: &RuleExplained) -> Option<(usize, usize)> {
        let source = rule.source.as_deref()?;
        let begins = |line: &str| {
            let mut words = line.split_whitespace();
            words.next() == Some("type") && words.next() == Some(rule.collection.as_str())
        };
        let first = self.schema.lines().position(begins)?;
        let after: usize = self.schema.split_inclusive('\n').take(first).map(str::len).sum();
        // Of rules that are the same the one of this operation or field.
        let name = rule.field.as_deref().unwrap_or(rule.operation);
        let named = after + self.schema[after..].find(&format!("{name}:"))?;
        let at = named + self.schema[named..].find(source)?;
        let line_start = self.schema[..at].rfind('\n').map_or(0, |end| end + 1);
        let line = self.schema[..at].matches('\n').count() + 1;
        Some((line, self.schema[line_start..at].chars().count() + 1))
    }

    fn advice(&self, text: &mut String, advice: &Advice) {
        let _ = writeln!(
            text,
            "  add to type {}:  {}",
            self.type_name(advice),
            advice.directive(self.model)
        );
        text.push_str("  the plan with it:\n");
        write_steps(text, &advice.steps, "    ");
    }

    fn type_name(&self, advice: &Advice) -> &str {
        &self.model.collection(advice.collection).name
    }

    pub(super) fn json(&self) -> Value {
        let rule = |rule: &RuleExplained| {
            json!({
                "operation": rule.operation,
                "type": rule.collection,
                "field": rule.field,
                "rule": rule.source,
                "place": self.place(rule).map(|(line, column)| json!({"line": line, "column": column})),
                "decision": decision(rule.decision),
                "otherwise": rule.otherwise,
                "parts": rule.anatomy.as_ref().map(part),
            })
        };
        let advice = |advice: &Advice| {
            json!({
                "type": self.type_name(advice),
                "directive": advice.directive(self.model),
                "plan": advice.steps.iter().map(step).collect::<Vec<_>>(),
            })
        };
        let trace = self.explanation.trace.as_ref();
        let statements = trace.map(|trace| trace.statements.iter().map(statement).collect::<Vec<_>>());
        let advices = trace.map(|trace| trace.advice.iter().map(advice).collect::<Vec<_>>());
        json!({
            "operation": self.asked.name(),
            "type": self.explanation.collection,
            "as": self.who,
            "rules": self.explanation.rules.iter().map(rule).collect::<Vec<_>>(),
            "statements": statements.unwrap_or_default(),
            "indexes": advices.unwrap_or_default(),
        })
    }
}

/// A part of a rule, each on a line of its own with what came of it.
fn write_part(text: &mut String, part: &Anatomy, depth: usize) {
    let indent = "  ".repeat(depth);
    let verdict = match (part.holds, part.decision) {
        (Some(true), _) => "true",
        (Some(false), _) => "false",
        (None, Decision::Always) => "true for this caller",
        (None, Decision::Never) => "false for this caller",
        (None, Decision::Depends) => "depends",
    };
    match part.joint {
        None => {
            let _ = writeln!(text, "{indent}{verdict}: {}", part.source);
        }
        Some(joint) => {
            let name = match joint {
                Joint::All => "all of",
                Joint::Any => "any of",
            };
            let _ = writeln!(text, "{indent}{verdict}, {name}");
            part.parts.iter().for_each(|part| write_part(text, part, depth + 1));
        }
    }
}

fn write_statement(text: &mut String, number: usize, statement: &Traced) {
    let _ = writeln!(text, "\nStatement {number}\n  {}", statement.text);
    if !statement.values.is_empty() {
        let _ = writeln!(text, "  with {}", statement.values.join(", "));
    }
    match statement.outcome {
        Outcome::Rows { count, took } => {
            let rows = if count == 1 { "row" } else { "rows" };
            let _ = writeln!(text, "  {count} {rows} in {:.1} ms", took.as_secs_f64() * 1e3);
        }
        Outcome::Planned => {}
        Outcome::Interrupted => text.push_str("  took too long, and was given up\n"),
    }
    write_steps(text, &statement.steps, "    ");
}

fn write_steps(text: &mut String, steps: &[PlanStep], indent: &str) {
    for PlanStep {
        depth,
        text: step,
        cost,
    } in steps
    {
        let remark = match cost {
            Cost::Bounded => "",
            Cost::Scan => "   <- looks at record after record",
            Cost::Sort => "   <- sorts all that match",
        };
        let _ = writeln!(text, "{indent}{}{step}{remark}", "  ".repeat(*depth));
    }
}

fn is_bounded(steps: &[PlanStep]) -> bool {
    steps.iter().all(|step| step.cost == Cost::Bounded)
}

fn decision(decision: Decision) -> &'static str {
    match decision {
        Decision::Always => "always",
        Decision::Never => "never",
        Decision::Depends => "depends",
    }
}

fn part(part: &Anatomy) -> Value {
    json!({
        "rule": part.source,
        "decision": decision(part.decision),
        "holds": part.holds,
        "joint": part.joint.map(|joint| match joint {
            Joint::All => "all",
            Joint::Any => "any",
        }),
        "parts": part.parts.iter().map(self::part).collect::<Vec<_>>(),
    })
}

fn statement(statement: &Traced) -> Value {
    let (rows, took_ms) = match statement.outcome {
        Outcome::Rows { count, took } => (Some(count), Some(took.as_secs_f64() * 1e3)),
        Outcome::Interrupted | Outcome::Planned => (None, None),
    };
    json!({
        "text": statement.text,
        "values": statement.values,
        "rows": rows,
        "tookMs": took_ms,
        "plan": statement.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

fn step(step: &PlanStep) -> Value {
    json!({
        "depth": step.depth,
        "step": step.text,
        "cost": match step.cost {
            Cost::Bounded => "bounded",
            Cost::Scan => "scan",
            Cost::Sort => "sort",
        },
    })
}
