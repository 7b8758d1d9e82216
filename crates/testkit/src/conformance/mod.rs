//! What every store must do, asked through [`engine::Engine`], so that each permit is a real one.
//!
//! A store's tests call [`store_conformance!`](crate::store_conformance) with a function that gives a [`Database`]; it
//! expands to one test per check. A check gets a database of its own, and fails by panicking.
//!
//! A new check is an `async fn` in the file of its concept and a name in the list below; one that isn't listed is dead
//! code, which the compiler says.

#![expect(clippy::unwrap_used, reason = "a check fails by panicking")]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine::Model;
use engine::ports::store::Store;

mod answers;
mod app;
mod batches;
mod bulk;
mod cascades;
mod changes;
mod constraints;
mod defaults;
mod durability;
mod expansion;
mod explain;
mod fields;
mod filters;
mod following;
mod functions;
mod histories;
mod idempotency;
mod keys;
mod limits;
mod links;
mod listening;
mod live;
mod models;
mod names;
mod operations;
mod paging;
mod patching;
mod preconditions;
mod races;
mod relocation;
mod replacing;
mod rules;
mod scalars;
mod sorting;
mod staging;
mod traversal;
mod walking;

/// A database of one check's own, whose life the check decides about.
#[async_trait]
pub trait Database: Send + Sync {
    /// A store over it. The first call finds nothing and builds what `model` needs; a later one, made after the former
    /// store was closed, finds what that one left.
    async fn open(&self, model: Arc<Model>) -> Arc<dyn Store>;

    /// How the stores that it opens are bounded. Small numbers make the checks quick.
    fn bounds(&self) -> Bounds;

    /// Writes, with a read after each, that it does well within a second and a half while two long questions run. Fewer where the
    /// server under test has one thread for all that it computes.
    fn writes_beside_long_questions(&self) -> u32 {
        20
    }
}

/// What a store keeps for those who listen.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Commits that a listener may be behind without being told that it lost some.
    pub changes_behind: usize,
    /// Commits that `changes_since` can go back.
    pub changes_kept: usize,
}

type Db = Arc<dyn Database>;

/// One thing that a store must do.
#[derive(Clone, Copy)]
pub struct Check {
    /// `concept::what_it_does`.
    pub name: &'static str,
    run: fn(Db) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// No check takes nearly as long on a machine that isn't stuck.
const CHECK_TIMEOUT: Duration = Duration::from_secs(120);

impl Check {
    /// Runs it to its end on a runtime of its own.
    ///
    /// # Panics
    /// When the store fails it.
    pub fn run(&self, database: Arc<dyn Database>) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let timed = async { tokio::time::timeout(CHECK_TIMEOUT, (self.run)(database)).await };
        assert!(runtime.block_on(timed).is_ok(), "{} is stuck", self.name);
    }
}

/// Runs the check of that name.
///
/// # Panics
/// When the store fails it.
pub fn run(name: &str, database: Arc<dyn Database>) {
    let checks = checks();
    let check = checks.iter().find(|check| check.name == name);
    check.expect("a check of the list").run(database);
}

/// The list of checks, and a macro that makes a test of each. `$dollar` is what a macro can't write.
macro_rules! suite {
    ($dollar:tt $($concept:ident { $($check:ident)* })*) => {
        /// Every check there is.
        pub fn checks() -> Vec<Check> {
            vec![$($(Check {
                name: concat!(stringify!($concept), "::", stringify!($check)),
                run: |database| Box::pin($concept::$check(database)),
            },)*)*]
        }

        /// One test per check of [`conformance`](crate::conformance); takes the absolute path of a
        /// `fn() -> Arc<dyn Database>`, which is called once for each.
        #[macro_export]
        macro_rules! store_conformance {
            ($dollar database:path) => {
                $(mod $concept {
                    $(#[test]
                    fn $check() {
                        let name = concat!(stringify!($concept), "::", stringify!($check));
                        $crate::conformance::run(name, $dollar database());
                    })*
                })*
            };
        }
    };
}

suite! { $
    operations {
        a_record_lives what_is_not_there_is_not_found an_id_can_be_given_and_is_taken_once
        ids_that_are_made_follow_each_other collections_are_apart every_write_moves_the_version
        a_refused_write_leaves_nothing
    }
    scalars {
        texts_come_back_exactly whole_numbers_come_back_exactly floats_come_back_exactly decimals_come_back_exactly
        moments_and_days_come_back_exactly bytes_come_back_exactly identities_come_back_exactly
        json_comes_back_as_it_was documents_come_back_canonical lists_and_enums_come_back what_is_not_set_is_null
        what_a_type_cannot_hold_is_refused
    }
    fields {
        only_what_is_asked_for_is_answered private_fields_are_never_answered a_field_rule_holds_row_by_row
        a_hidden_field_is_null_to_questions a_field_rule_governs_writing relations_have_field_rules_too
    }
    constraints {
        unique_values_are_taken_once every_indexable_type_can_be_unique several_fields_are_unique_together
        a_partial_index_counts_its_records_alone bounds_hold_on_create_and_update
        checks_judge_the_record_as_it_becomes a_check_may_look_at_other_records immutables_are_set_once
        references_must_name_a_record
    }
    defaults { constants_fill_what_is_not_given expressions_know_the_caller_and_the_time an_update_takes_no_defaults }
    keys {
        of_several_fields_are_texts_in_an_answer of_several_fields_are_expanded of_several_fields_are_asked_about
    }
    patching { the_examples_of_the_rfc_hold fields_change_alone documents_are_merged_and_judged_whole }
    replacing {
        nothing_becomes_a_record what_is_not_given_is_reset rights_go_by_what_exists preconditions_decide_first
    }
    preconditions { a_stale_tag_is_refused every_answers_tag_can_be_matched refusals_keep_their_order }
    sorting {
        texts_sort_by_code_point numbers_sort_by_their_size longs_sort_by_their_size floats_sort_by_their_size
        decimals_sort_by_their_size moments_sort_by_time days_sort_by_time the_rest_sorts_too enums_sort_by_name
        ids_sort_by_their_text several_keys_each_in_its_direction relations_are_passed_through
        what_has_no_order_is_refused
    }
    paging {
        a_page_ends_where_the_next_begins a_cursor_survives_what_it_points_at a_cursor_is_for_its_question_and_caller
        counts_are_of_all_that_match page_sizes_are_bounded
    }
    walking { unmoved_rows_appear_exactly_once }
    filters {
        comparisons nulls_and_errors logic_and_arithmetic documents_and_json what_is_no_filter_is_refused
        texts_stay_texts
    }
    functions { of_texts of_numbers of_times of_lists }
    traversal {
        to_one to_many the_other_end hidden_records_are_not_passed_through filters_see_what_was_just_written
    }
    links {
        a_set_is_replaced_and_edited a_record_can_begin_with_links fields_do_not_share_their_links
        a_change_moves_the_owning_version the_other_end_reads_along what_cannot_be_read_cannot_be_named
        malformed_changes_are_refused too_many_for_an_answer_is_said
    }
    expansion {
        a_record_takes_its_ids_place many_come_as_a_list_by_key hidden_records_stay_hidden
        hidden_fields_stay_hidden_in_them pages_expand_row_by_row pages_are_the_same_as_values_and_as_json
        fields_and_expand_go_together
        writes_expand_their_answer depth_is_bounded_and_names_are_known
    }
    cascades {
        references_hold_a_record cascades_go_all_the_way_down a_restriction_far_down_stops_all
        a_record_that_both_cascades_and_restricts_goes_along set_null_is_a_change_like_any_other
        links_go_with_either_end records_of_one_kind_hang_together circles_go_whole a_cascade_is_bounded
        all_that_changes_counts
    }
    batches {
        steps_happen_together one_failure_undoes_all rules_see_the_steps_before names_stand_for_ids
        each_step_has_its_own_precondition
        batches_are_bounded
    }
    idempotency {
        the_same_write_happens_once a_key_is_for_one_request a_refused_write_keeps_no_key a_key_expires
        batches_replay_whole a_replay_shows_what_may_be_read_now the_same_key_at_once_writes_once
    }
    races {
        no_update_is_lost one_of_many_gets_a_unique_value one_of_many_creates_at_a_place
        links_of_many_writers_add_up batches_do_not_mix a_rule_that_reads_other_records_is_serial
        references_do_not_dangle an_answer_is_of_one_moment a_failure_harms_no_neighbour
    }
    rules {
        reading_goes_by_the_row an_update_rule_holds_before_and_after a_create_rule_holds_on_what_it_makes
        delete_goes_by_the_stored_row before_is_the_stored_record before_remembers_relations
        who_may_not_read_is_told_nothing negation_grants_to_nobody_by_way_of_null the_callers_record_is_at_hand
        now_is_the_requests_time rules_go_where_the_caller_may_not
    }
    explain {
        only_administrators_ask rules_are_told_as_they_stand_for_the_caller each_part_of_a_rule_is_judged_for_a_record
        a_list_is_carried_out_as_the_callers_own an_index_that_would_help_is_named_and_one_that_is_there_is_not
    }
    changes {
        every_change_is_told images_hold_the_whole_record a_batch_is_one_commit what_did_not_happen_is_not_told
        positions_follow_the_order_of_commits listeners_hear_from_now_on a_slow_listener_is_told_that_it_lost_some
        the_recent_past_can_be_had
    }
    live {
        a_list_follows_what_happens what_changes_nothing_is_not_told rights_change_through_other_records
        a_page_is_what_fits_in_it expanded_records_are_watched_too a_record_follows_too
        what_would_refuse_a_list_refuses_a_subscription whoever_is_nobody_any_more_hears_no_more
        time_passes_for_subscribers_too whoever_falls_behind_starts_over a_new_model_starts_over
        subscriptions_are_bounded a_subscribers_copy_is_right
    }
    models {
        new_rules_hold_from_then_on a_permit_of_another_model_is_refused requests_do_not_fail_for_a_new_model
    }
    limits {
        what_is_late_is_not_begun a_long_question_is_given_up long_questions_do_not_hold_up_others
        a_long_write_is_given_up
    }
    durability {
        all_of_it_is_there_again a_closed_store_says_so nothing_is_half_done_at_the_end positions_survive
    }
    staging {
        nothing_is_seen_before_it_is_published every_rule_of_the_schema_is_checked checks_that_read_other_records_hold
        records_of_one_file_refer_to_each_other what_others_do_meanwhile_counts an_import_that_ends_early_is_taken_back
        what_is_referred_to_by_then_stays one_import_at_a_time only_administrators_import_and_export listeners_start_over
        what_is_exported_can_be_imported
    }
    relocation {
        every_part_comes_back_by_key relations_may_come_later_but_not_never a_portion_is_all_or_nothing
        rows_go_and_others_come_in_one_step a_database_that_is_filled_is_marked of_two_moves_only_one_goes_on what_a_server_has_written_since_it_came_is_seen
        rows_are_found_by_their_keys
    }
    following {
        what_is_put_in_and_taken_away_is_logged what_the_engine_writes_is_logged a_log_is_whose_note_it_has
        entries_stay_until_they_are_forgotten
    }
    histories { histories_come_out_as_they_should }
    names { words_of_databases_are_names they_can_be_asked_about mapped_names_are_used }
    bulk {
        large_expansions_come_whole large_cascades_go_whole large_sets_are_replaced_whole long_values_come_back
        wide_questions_are_answered
    }
}
