//! Functions of filters, each on every engine.

use super::Db;
use super::filters::find;

pub(super) async fn of_texts(database: Db) {
    find(
        &database,
        &[
            ("name.startsWith('a')", "ann"),
            ("name.startsWith('')", "ann bob cid dee"),
            ("name.startsWith('A')", ""),
            ("name.endsWith('d')", "cid"),
            ("name.contains('e')", "dee"),
            ("name.contains('%')", ""),
            ("place.city.endsWith('o')", "ann cid"),
            ("place.city.startsWith('\u{d6}')", "cid"),
            ("name.matches('^[ab]')", "ann bob"),
            ("name.matches('n')", "ann"),
            ("name.matches('^.{3}$')", "ann bob cid dee"),
            ("place.city.matches('^.{6}$')", "cid"),
            ("name.matches('(nn|ob)$')", "ann bob"),
            ("matches(name, 'd')", "cid dee"),
            ("size(name) == 3", "ann bob cid dee"),
            ("size(place.city) == 6", "cid"),
            ("name.size() == 3 && age == 0", "cid"),
            ("name.upperAscii() == 'ANN'", "ann"),
            ("place.city.lowerAscii() == 'rome'", "bob"),
            ("place.city.lowerAscii() == '\u{d6}rebro'", "cid"),
            ("(' ' + name + '\\t\\u00a0').trim() == 'ann'", "ann"),
            ("mood.startsWith('HA')", "ann"),
            ("string(age) == '40'", "bob"),
            ("string(active) == 'true'", "ann cid"),
            ("string(id).endsWith('0003')", "cid"),
            ("string(mood) + name == 'SADbob'", "bob"),
        ],
    )
    .await;
}

pub(super) async fn of_numbers(database: Db) {
    find(
        &database,
        &[
            ("int(score) == 1", "ann"),
            ("int(score) == -2", "bob"),
            ("int(money) == 12", "ann"),
            ("double(age) == 30.0", "ann"),
            ("double(money) == 12.5", "ann"),
            ("double(age) / 4.0 == 7.5", "ann"),
            ("decimal(age) == decimal('30')", "ann"),
            ("decimal(age) > money", "ann bob"),
            ("score == double(age)", "cid"),
        ],
    )
    .await;
}

pub(super) async fn of_times(database: Db) {
    find(
        &database,
        &[
            ("seen.getFullYear() == 2024", "ann bob cid"),
            ("seen.getMonth() == 4", "ann bob cid"),
            ("seen.getDate() == 1", "ann bob cid"),
            ("seen.getDayOfMonth() == 0", "ann bob cid"),
            ("seen.getDayOfWeek() == 3", "ann bob cid"),
            ("seen.getDayOfYear() == 121", "ann bob cid"),
            ("seen.getHours() == 11", "ann"),
            ("seen.getMinutes() == 0 && seen.getSeconds() == 0", "ann bob cid"),
            ("seen.getMilliseconds() == 1", "bob"),
            ("born.getFullYear() == 1984", "bob"),
            ("born.getMonth() == 1 && born.getDate() == 28", "ann"),
            ("born.getDayOfYear() == 365", "bob"),
            ("born.getDayOfWeek() == 1", "ann bob"),
            ("date(seen) == date('2024-05-01')", "ann bob cid"),
            ("date(seen) == born", "cid"),
            ("timestamp(born) <= now", "ann bob cid"),
            ("(now - seen).getMinutes() == 60", "ann"),
            ("(now - seen).getHours() == 1", "ann"),
        ],
    )
    .await;
}

pub(super) async fn of_lists(database: Db) {
    find(
        &database,
        &[
            ("size(tags) == 2", "ann cid"),
            ("size(tags) == 0", "bob"),
            ("tags.size() > 0", "ann cid"),
            ("size(marks) == 3", "cid"),
            ("size(photo) == 2", "ann cid"),
            ("tags.exists(t, t == 'x')", "ann"),
            ("tags.exists(t, t.startsWith('\u{1F600}'))", "cid"),
            ("tags.all(t, t == 'x' || t == 'y')", "ann bob"),
            ("marks.exists(m, m > 5)", "cid"),
            ("marks.all(m, m >= 5)", "bob cid"),
            ("marks.exists_one(m, m == 5)", "ann"),
            ("marks.exists(m, m == age + 5)", "cid"),
            ("[1, 5].exists(m, m in marks)", "ann cid"),
            ("['ann', 'zoe'].exists(n, n == name)", "ann"),
            ("size(marks.filter(m, m == 5)) == 2", "cid"),
            ("place.marks.exists(m, m == 2)", "ann"),
        ],
    )
    .await;
}
