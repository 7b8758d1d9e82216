//! A condition taken apart where it is joined by `&&` and `||`, for people who ask which part decides.

use super::lower::Lowerer;
use super::typed::{Kind, Node};
use super::{Aliases, Before, Decision, Expression, Facts, Lowering};
use crate::model::Model;
use crate::query::{Alias, Pred};

/// How the parts of a condition make the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    All,
    Any,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Anatomy {
    /// As it stands in the schema.
    pub source: String,
    pub decision: Decision,
    /// How `parts` are joined, where there are some.
    pub joint: Option<Joint>,
    pub parts: Vec<Anatomy>,
    /// Of one record, where one was asked about.
    pub holds: Option<bool>,
    /// Where it holds; of a part that can't be asked of a database, nothing.
    pub(crate) predicate: Option<Pred>,
}

impl Anatomy {
    /// What depends on the record and is not joined of parts.
    pub(crate) fn leaves(&mut self) -> Vec<&mut Self> {
        if self.joint.is_none() {
            return vec![self];
        }
        self.parts.iter_mut().flat_map(Self::leaves).collect()
    }

    /// From the leaves up.
    pub(crate) fn conclude(&mut self) {
        self.parts.iter_mut().for_each(Self::conclude);
        self.holds = match self.joint {
            None => self.holds,
            Some(Joint::All) => self
                .parts
                .iter()
                .map(|part| part.holds)
                .reduce(|a, b| Some(a? && b?))
                .flatten(),
            Some(Joint::Any) => self
                .parts
                .iter()
                .map(|part| part.holds)
                .reduce(|a, b| Some(a? || b?))
                .flatten(),
        };
    }
}

impl Expression {
    /// The condition, part by part, as the caller's facts leave it.
    pub(crate) fn anatomy(&self, model: &Model, facts: Facts<'_>) -> Anatomy {
        Dissection {
            source: &self.source,
            model,
            facts,
        }
        .of(&self.root)
    }
}

struct Dissection<'a> {
    source: &'a str,
    model: &'a Model,
    facts: Facts<'a>,
}

impl Dissection<'_> {
    fn of(&self, node: &Node) -> Anatomy {
        let (joint, nodes) = match &node.kind {
            Kind::And(..) => (Some(Joint::All), joined(node, Joint::All)),
            Kind::Or(..) => (Some(Joint::Any), joined(node, Joint::Any)),
            _ => (None, Vec::new()),
        };
        let predicate = self.predicate(node);
        Anatomy {
            source: self.source.get(node.span.clone()).unwrap_or(self.source).to_owned(),
            decision: match &predicate {
                Some(Pred::Const(true)) => Decision::Always,
                Some(Pred::Const(false)) => Decision::Never,
                Some(_) | None => Decision::Depends,
            },
            joint,
            parts: nodes.into_iter().map(|node| self.of(node)).collect(),
            holds: None,
            predicate,
        }
    }

    fn predicate(&self, node: &Node) -> Option<Pred> {
        let mut lowering = Lowering {
            model: self.model,
            facts: self.facts,
            root: Alias::ROOT,
            aliases: &mut Aliases::default(),
            visibility: None,
            before: Before::Record,
        };
        Lowerer::new(&mut lowering).predicate(node).ok()
    }
}

/// The operands of a chain of one operator, in order.
fn joined(node: &Node, joint: Joint) -> Vec<&Node> {
    match (&node.kind, joint) {
        (Kind::And(left, right), Joint::All) | (Kind::Or(left, right), Joint::Any) => {
            let mut nodes = joined(left, joint);
            nodes.extend(joined(right, joint));
            nodes
        }
        _ => vec![node],
    }
}
