//! What every [`Store`] must do, as the engine's callers see it: data is reached through permits alone, and only the
//! engine makes those.

mod app;
mod changes;
mod reading;
mod writing;

use std::sync::Arc;

use engine::Model;
use engine::ports::store::Store;

use app::App;

/// For the store to be built from. A `Nook` sorts and filters, a `Room` has relations of every kind.
const SCHEMA: &str = r#"
type User @collection(auth: true, signUp: OPEN) @access(read: "auth != null") {
  name: String!
  rooms: [Room!]! @inverse(field: "members")
}

type Room @collection
  @access(read: "auth.id in record.members", create: "auth.id in record.members",
          update: "auth.id in record.members", delete: "'moderator' in auth.roles") {
  name: String! @length(max: 80)
  members: [User!]!
  pinned: Message @relation(onDelete: SET_NULL)
  messages: [Message!]! @inverse(field: "room")
}

type Message @collection @index(fields: ["room", "sent"])
  @access(read: "auth.id in record.room.members", create: "record.author == auth.id && auth.id in record.room.members",
          update: "record.author == auth.id", delete: "record.author == auth.id") {
  room: Room! @immutable @relation(onDelete: CASCADE)
  author: User! @immutable @default(value: "auth.id")
  body: String!
  sent: DateTime! @default(value: "now")
}

type Nook @collection @access(read: "true") {
  code: String @unique
  label: String
  flag: Boolean
  count: Int
  big: Long
  ratio: Float
  amount: Decimal
  at: DateTime
  day: Date
  raw: Bytes
  extra: JSON
  tags: [String!]
}
"#;

/// Runs the suite. `open` makes a new, empty store with the model's structure, which has adopted the model.
///
/// # Panics
/// Where a store does otherwise.
pub async fn conformance<F>(open: F)
where
    F: AsyncFn(Arc<Model>) -> Arc<dyn Store>,
{
    let model = Arc::new(Model::read(SCHEMA, "schema.graphql").expect("the suite's schema is well"));
    macro_rules! run {
        ($($case:path),* $(,)?) => {
            $(
                let app = App::new(open(Arc::clone(&model)).await, Arc::clone(&model)).await;
                $case(&app).await;
                app.store.close().await;
            )*
        };
    }
    run![
        reading::values_come_back_as_they_went_in,
        reading::text_is_ordered_by_code_point,
        reading::nulls_come_first,
        reading::rules_filter_lists_counts_and_expansions,
        reading::cursors_meet_each_record_once_while_others_come_and_go,
        reading::filters_reach_lists_documents_and_relations,
        writing::rules_hold_before_and_after,
        writing::a_unique_value_is_taken_once_however_many_come_at_once,
        writing::of_writers_with_one_version_one_wins,
        writing::a_batch_is_all_or_nothing,
        writing::many_writers_lose_nothing,
        writing::an_idempotency_key_writes_once,
        writing::cascades_take_along_what_hangs_on_a_record,
        writing::a_replacement_creates_or_updates,
        writing::what_is_too_late_is_not_done,
        changes::every_commit_is_told_once_in_order,
        changes::those_who_come_back_get_what_they_missed,
        changes::a_slow_listener_is_told_that_it_lost_some,
        changes::a_closed_store_ends_its_listeners,
        changes::another_model_needs_another_permit,
    ];
}
