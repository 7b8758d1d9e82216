use super::*;

const SECOND: i64 = 1_000;

/// A session at generation 5, rotated at 100 s, that idles out at 200 s and ends at 1,000 s.
fn session() -> Session {
    Session {
        id: Uuid::from_u128(1),
        subject: Subject::User(Uuid::from_u128(2)),
        created: Timestamp(0),
        expires: Timestamp(1_000 * SECOND),
        idle_until: Timestamp(200 * SECOND),
        generation: 5,
        rotated: Timestamp(100 * SECOND),
        user_agent: None,
    }
}

fn check(generation: u32, at_ms: i64, expected: Verdict) {
    let rotation = Rotation {
        session: Uuid::from_u128(1),
        generation,
        now: Timestamp(at_ms),
        race_ms: 10 * SECOND,
        idle_ms: 100 * SECOND,
    };
    assert_eq!(
        session().judge(&rotation),
        expected,
        "generation {generation} at {at_ms} ms"
    );
}

#[test]
fn the_current_token_begins_the_next_generation() {
    check(
        5,
        150 * SECOND,
        Verdict::Advance {
            idle_until: Timestamp(250 * SECOND),
        },
    );
}

#[test]
fn only_the_direct_parent_within_the_window_is_a_race() {
    check(4, 100 * SECOND, Verdict::Repeat);
    check(4, 110 * SECOND, Verdict::Repeat);
    check(4, 110 * SECOND + 1, Verdict::Reuse);
    check(3, 100 * SECOND, Verdict::Reuse);
    check(0, 100 * SECOND, Verdict::Reuse);
}

#[test]
fn a_generation_from_a_lost_future_ends_the_family() {
    check(6, 100 * SECOND, Verdict::Reuse);
    check(u32::MAX, 100 * SECOND, Verdict::Reuse);
}

#[test]
fn idle_and_absolute_expiry_come_before_anything_else() {
    check(5, 200 * SECOND, Verdict::Expired);
    check(0, 200 * SECOND, Verdict::Expired);
    let late = Session {
        idle_until: Timestamp(1_000 * SECOND),
        ..session()
    };
    let rotation = Rotation {
        session: late.id,
        generation: 5,
        now: Timestamp(990 * SECOND),
        race_ms: 0,
        idle_ms: 100 * SECOND,
    };
    let capped = Verdict::Advance {
        idle_until: late.expires,
    };
    assert_eq!(late.judge(&rotation), capped, "idling never outlasts the session");
}
