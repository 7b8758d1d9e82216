use super::*;

fn limiter(burst: u32, every_s: u32) -> Limiter {
    let every_ms = every_s * 1_000;
    Limiter::new(Quota { burst, every_ms })
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(1_700_000_000_000 + seconds * 1_000)
}

#[test]
fn a_burst_passes_and_then_one_at_a_time() {
    let limiter = limiter(3, 10);
    for _ in 0..3 {
        limiter.take(&"ana", at(0)).expect("within the burst");
    }
    let refused = limiter.take(&"ana", at(0)).expect_err("beyond the burst");
    assert_eq!(
        (refused.code, refused.retry_after_s),
        (ErrorCode::RateLimited, Some(10))
    );
    assert_eq!(
        limiter.take(&"ana", at(4)).expect_err("too early").retry_after_s,
        Some(6)
    );
    limiter.take(&"ana", at(10)).expect("one has leaked");
    limiter.take(&"ana", at(10)).expect_err("only one");
}

#[test]
fn a_refusal_counts_for_nothing_so_nobody_is_kept_out_for_good() {
    let limiter = limiter(2, 10);
    for _ in 0..1_000 {
        let _ = limiter.take(&"victim", at(0));
    }
    limiter.take(&"victim", at(10)).expect("ten seconds are enough");
}

#[test]
fn only_failures_are_charged_and_all_of_them() {
    let limiter = limiter(2, 10);
    for _ in 0..5 {
        limiter.check(&"ana", at(0)).expect("nothing was charged");
    }
    for _ in 0..5 {
        limiter.charge(&"ana", at(0));
    }
    let refused = limiter.check(&"ana", at(0)).expect_err("five failed at once");
    assert_eq!(refused.retry_after_s, Some(40), "until one of two is left");
    limiter.check(&"ana", at(40)).expect("room for one");
}

#[test]
fn others_are_counted_apart_even_in_a_crowd() {
    let limiter = limiter(5, 1_000);
    for crowd in 0..1_000 {
        let _ = limiter.take(&crowd, at(0));
    }
    limiter.take(&"ana", at(0)).expect("not of the crowd");
}

#[test]
fn a_flood_of_names_doesnt_empty_a_full_bucket() {
    let limiter = limiter(1, 1_000_000);
    limiter.take(&"ana", at(0)).expect("the first");
    for flood in 0..100_000 {
        let _ = limiter.take(&flood, at(0));
    }
    limiter.take(&"ana", at(0)).expect_err("still full");
}

#[test]
fn an_ipv6_network_is_one_client() {
    let parse = |text: &str| client(Some(text.parse().expect("an address")));
    assert_eq!(parse("2001:db8:1:2:3:4:5:6"), parse("2001:db8:1:2:ffff::1"));
    assert_ne!(parse("2001:db8:1:2::1"), parse("2001:db8:1:3::1"));
    assert_eq!(parse("::ffff:192.0.2.1"), parse("192.0.2.1"));
}
