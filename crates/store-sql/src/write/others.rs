//! Whether a write depends on records beside its own, which others may change meanwhile.

use engine::query::{Judgement, LinkChange, LinkOperation, Mutation, Pred, Reference};

use crate::compile::reads_others;

/// Whether what decides about these mutations is more than the records that they write. Of what a reference leads to, that
/// it is there is seen to by the database itself.
pub(crate) fn depends_on_others(mutations: &[Mutation]) -> bool {
    mutations.iter().any(|mutation| match mutation {
        Mutation::Create(plan) => references(&plan.references) || links(&plan.links) || judgements(&plan.after),
        Mutation::Update(plan) => update(plan),
        Mutation::Upsert(plan) => {
            let create = |plan: &engine::query::CreatePlan| {
                references(&plan.references) || links(&plan.links) || judgements(&plan.after)
            };
            update(&plan.update) || plan.create.as_ref().is_ok_and(create)
        }
        Mutation::Delete(plan) => judgements(&plan.before),
    })
}

fn update(plan: &engine::query::UpdatePlan) -> bool {
    judgements(&plan.before)
        || plan.captures.iter().any(reads_others)
        || references(&plan.references)
        || links(&plan.links)
        || judgements(&plan.after)
}

fn judgements(judgements: &[Judgement]) -> bool {
    judgements.iter().any(|judgement| reads_others(&judgement.holds))
}

fn references(references: &[Reference]) -> bool {
    references.iter().any(|reference| reference.guard != Pred::Const(true))
}

fn links(changes: &[LinkChange]) -> bool {
    changes.iter().any(|change| match &change.operation {
        LinkOperation::Replace { among, .. } => *among != Pred::Const(true),
        LinkOperation::Edit { .. } => false,
    })
}
