//! The power is cut: what was not synced is lost, in part or whole.
//!
//! The server runs on a disk that keeps a record of its writes and syncs, and each answer is booked with the length of the
//! record when it came. So from one run, the disk can be cut off at any moment, as often as there is time for: what it
//! may hold then is put into a folder of its own, and the real server started on it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::disk::{Disk, Order};
use super::kill::write_until;
use super::ledger::{self, SCHEMA, Writer};
use super::node::{Node, Setup, damage};
use super::record::{Luck, Record};
use super::{Dice, soak_factor};

const WRITERS: i64 = 6;
/// Some 800 steps.
const RECORD_BYTES: u64 = 16 * 1024 * 1024;
/// Between two failing syncs.
const CALM: Duration = Duration::from_millis(150);
/// What fails then, and for how long: all for a moment, or the rarer syncs of the database until one is hit.
const ROUGH: [(Order, Duration); 2] = [
    (Order::SyncsFail, Duration::from_millis(5)),
    (Order::DatabaseSyncsFail, Duration::from_millis(40)),
];
const CUTS: usize = 60;

/// How the disk behaves before the power is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    Fair,
    /// Now and then a sync fails.
    Rough,
}

/// Cuts the power so many times, or until something is found.
pub(super) async fn run(mut setup: Setup, weather: Weather, cuts: usize, mut dice: Dice) -> Vec<String> {
    // Small, so that in a short time the log is copied and begun anew many times.
    setup.set.extend([
        "database.checkpoint_writes=40".to_owned(),
        "database.log_pages_max=120".to_owned(),
    ]);
    let disk = Disk::new(SCHEMA, setup.clone(), true);
    let writers = write(&disk, weather, &mut dice).await;
    let record = Record::read(&disk.record());
    assert!(
        record.writes_to_the_database() > 100,
        "the log was copied into the database"
    );
    setup.mutant = None;
    for _ in 0..cuts {
        let moment = record.moment(&mut dice);
        let luck = Luck([0, 50, 95, 100][(dice.next() % 4) as usize]);
        let node = Node::new(SCHEMA, setup.clone());
        let data = node
            .database()
            .parent()
            .expect("the database is in a folder")
            .to_owned();
        std::fs::create_dir(&data).unwrap();
        record.restore(moment, luck, &mut dice, &data);
        let mut findings = findings_after(&node, &writers, moment).await;
        if !findings.is_empty() {
            findings.insert(0, format!("after a cut at {moment} with {luck:?}:"));
            return findings;
        }
    }
    Vec::new()
}

async fn write(disk: &Disk, weather: Weather, dice: &mut Dice) -> Vec<Writer> {
    let record = disk.record();
    let witness: ledger::Witness = Arc::new(move || std::fs::metadata(&record).map_or(0, |metadata| metadata.len()));
    let server = disk.node.start().await;
    let client = server.client();
    ledger::prepare(&client).await;
    let writers = (0..WRITERS).map(|id| {
        let writer = Writer::new(id, Dice(dice.next()), witness.clone());
        if weather == Weather::Rough {
            writer.patient()
        } else {
            writer
        }
    });
    let writers = writers.collect();
    write_until(&client, writers, async {
        while witness() < RECORD_BYTES {
            sleep(CALM).await;
            if weather == Weather::Rough {
                let (fails, time) = ROUGH[(dice.next() % 2) as usize];
                disk.order(fails);
                sleep(time).await;
                disk.order(Order::Well);
            }
        }
        server.kill().await;
    })
    .await
}

async fn findings_after(node: &Node, writers: &[Writer], moment: u64) -> Vec<String> {
    let database: &Path = &node.database();
    let mut findings: Vec<_> = damage(database).into_iter().collect();
    if findings.is_empty() {
        let server = node.start().await;
        findings = ledger::audit(&server.client(), writers, moment).await;
        server.kill().await;
    }
    findings
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_survives_a_power_cut() {
    let dice = Dice::fresh();
    let seed = dice.clone();
    let findings = run(Setup::default(), Weather::Fair, CUTS * soak_factor(), dice).await;
    assert!(findings.is_empty(), "{seed:?}:\n{}", findings.join("\n"));
}

/// A sync that has failed has promised nothing, and the next one makes nothing good.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_is_not_believed_later() {
    let dice = Dice::fresh();
    let seed = dice.clone();
    let findings = run(Setup::default(), Weather::Rough, CUTS / 2 * soak_factor(), dice).await;
    assert!(findings.is_empty(), "{seed:?}:\n{}", findings.join("\n"));
}

/// Which is what the setting says, and shows that the cuts do cut something off.
#[tokio::test(flavor = "multi_thread")]
async fn normal_loses_the_last_moments_and_damages_nothing() {
    let normal = Setup {
        set: vec!["database.synchronous=normal".to_owned()],
        ..Setup::default()
    };
    let dice = Dice::fresh();
    let seed = dice.clone();
    let findings = run(normal, Weather::Fair, CUTS, dice).await;
    assert!(!findings.is_empty(), "{seed:?}: nothing is lost");
    assert!(findings[1].starts_with("writer "), "{seed:?}:\n{}", findings.join("\n"));
}
