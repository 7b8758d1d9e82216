//! The end of a record, and of what cascades with it.

use crate::access::Operation;
use crate::error::Error;
use crate::expr::Decision;
use crate::operations::write::{Plan, Planner};
use crate::query::{DeletePlan, Mutation};

impl Planner<'_> {
    pub(crate) fn delete(&self, key: &str) -> Result<Plan, Error> {
        let key = self.target(key)?;
        if self.grants.facts.principal.is_anonymous()
            && self.grants.decide(self.collection, Operation::Delete) == Decision::Never
            && !mutant!(DeleteRule)
        {
            return Err(self.grants.denied("delete this"));
        }
        let plan = DeletePlan {
            collection: self.collection.id,
            key: key.clone(),
            before: self.before(Operation::Delete)?,
            expected: self.expected(),
            cascade_max: self.engine.limits().cascade_max,
            bindings: self.moment.bindings(self.ctx),
        };
        Ok((key, Mutation::Delete(Box::new(plan)), None))
    }
}
