use super::*;

#[test]
fn what_was_read_is_found_again() {
    let cache = Cache::new(100);
    assert_eq!(cache.get(&1), None);
    let ticket = cache.begin(1);
    assert_eq!(cache.get(&1), None, "still being read");
    cache.finish(ticket, "one");
    assert_eq!(cache.get(&1), Some("one"));
    cache.invalidate(&1);
    assert_eq!(cache.get(&1), None);
}

#[test]
fn what_was_invalidated_while_being_read_is_not_kept() {
    let cache = Cache::new(100);
    let ticket = cache.begin(1);
    cache.invalidate(&1);
    cache.finish(ticket, "stale");
    assert_eq!(cache.get(&1), None);
}

#[test]
fn of_two_who_read_the_later_one_counts() {
    let cache = Cache::new(100);
    let earlier = cache.begin(1);
    cache.invalidate(&1);
    let later = cache.begin(1);
    cache.finish(earlier, "stale");
    assert_eq!(cache.get(&1), None);
    cache.finish(later, "fresh");
    assert_eq!(cache.get(&1), Some("fresh"));
}

#[test]
fn memory_is_bounded_and_what_is_used_stays() {
    let cache = Cache::new(160);
    cache.put(0, 0);
    for key in 1..100_000 {
        cache.put(key, key);
        assert_eq!(cache.get(&0), Some(0), "used all the time");
    }
    let held: usize = cache
        .shards
        .iter()
        .map(|shard| shard.lock().expect("not poisoned"))
        .map(|shard| shard.young.len() + shard.old.len())
        .sum();
    assert!(held <= 160, "{held}");
}
