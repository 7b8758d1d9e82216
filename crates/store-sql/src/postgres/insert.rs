//! A record that is all that its transaction makes: one statement that commits by itself, in one round trip.
//!
//! Where its connection is lost nobody knows whether it was committed, or still will be. So it is not sent again as it
//! is, but within a transaction: there the record's own key is in its way if the first was committed, and as long as
//! it may still be, the server has the second wait. Then what is there is compared with what was sent.

use std::sync::Arc;
use std::time::Instant;

use engine::Model;
use engine::ports::store::StoreError;
use engine::query::{Committed, CreatePlan, Mutation};
use tokio::time::timeout_at;

use super::PostgresStore;
use super::session::PostgresSession;
use super::store::{Failed, Work, unanswered};
use crate::compile::{self, Frame};
use crate::insistent::Insistent;
use crate::pool::{self, finish, unavailable};
use crate::session::Session as _;
use crate::write;

impl Work {
    /// The record, if all that is sent is its insert.
    pub(super) fn lone(&self, model: &Model) -> Option<&CreatePlan> {
        let is_alone = self.effects.is_empty() && self.idempotency.is_none();
        match self.mutations.as_slice() {
            [Mutation::Create(plan)] if is_alone && write::is_one_insert(model, plan) => Some(plan),
            _ => None,
        }
    }
}

impl PostgresStore {
    /// It goes on when its caller doesn't: nobody else would know what came of it.
    pub(super) async fn insert_alone(
        &self,
        work: &Arc<Work>,
        plan: &CreatePlan,
        model: &Arc<Model>,
        deadline: Instant,
    ) -> Result<Committed, Failed> {
        let lease = self.lease_to_write(model, deadline).await?;
        let insert = self.order.insert(plan.collection, plan.image.clone());
        let (work, model) = (Arc::clone(work), Arc::clone(model));
        let given_up = pool::given_up(self.query_timeout);
        let inserting = Insistent::new(async move {
            let plan = work
                .lone(&model)
                .expect("what is inserted alone is so in the same model");
            let mut session = PostgresSession::new(lease.connection(), &model);
            let ran = timeout_at(given_up.into(), write::insert_alone(&mut session, &model, plan)).await;
            let Ok(ran) = ran else {
                return Err(unanswered());
            };
            let (again, was_lost) = (session.met_conflict(), session.was_lost());
            match ran {
                Ok(written) => {
                    lease.give_back();
                    Ok(insert.ticket().concluded(written).await?)
                }
                Err(error) => {
                    if !was_lost {
                        insert.ticket().rolled_back();
                        lease.give_back();
                    }
                    Err(Failed {
                        error,
                        again: again || was_lost,
                        is_open: was_lost,
                    })
                }
            }
        });
        let ended = timeout_at(deadline.into(), inserting).await;
        let ended = ended.unwrap_or_else(|_| Err(StoreError::Timeout.into()));
        if matches!(ended, Err(Failed { is_open: true, .. })) {
            // Others that waited are lost, too.
            self.pool.renew();
        }
        ended
    }

    /// What came of an insert that got no answer, now that another attempt finds something `taken` by which it is unique.
    pub(super) async fn find_inserted(
        &self,
        plan: &CreatePlan,
        taken: StoreError,
        model: &Model,
        deadline: Instant,
    ) -> Result<Committed, StoreError> {
        let collection = model.collection(plan.collection);
        let record = (collection, &plan.key);
        let lease = self.pool.lease(deadline).await?;
        let mut session = PostgresSession::new(lease.connection(), model);
        let statement = compile::stored_row(
            session.dialect(),
            Frame::reading(model, &plan.bindings),
            record,
            &[],
            &[],
        );
        let asked = timeout_at(deadline.into(), session.query(statement)).await;
        let Some(found) = finish(asked, lease)?.pop() else {
            return Err(taken);
        };
        if found != plan.image.0 {
            // Of ours and changed since, or of somebody who has given it the same key.
            return Err(unavailable("the connection to the database was lost"));
        }
        let written = write::inserted(collection, plan);
        self.order.ticket(&written.changes).concluded(written).await
    }
}
