//! Judging what is staged, all at once: against itself, and against the live data.

use engine::model::Value;

use super::layout::{Layout, PLACE, STAGED};
use super::publish::Publisher;
use super::server::{Done, Server, plain, value};
use super::{Demand, Kind};
use crate::compile;

/// How deep records of one file may refer to each other.
const LEVELS_MAX: usize = 1_000;

/// Notes a problem of each staged record `s` for which `fails` is true, and which has none yet.
pub(super) async fn note(server: &mut impl Server, kind: Kind, what: &str, fails: &str) -> Done<u64> {
    let mut literal = String::new();
    server.dialect().literal(&mut literal, &Value::text(what));
    let sql = format!(
        "INSERT INTO {STAGED}_problem (place, kind, what)
         SELECT s.{PLACE}, {}, {literal} FROM {STAGED} s
         WHERE {fails} AND NOT EXISTS (SELECT 1 FROM {STAGED}_problem p WHERE p.place = s.{PLACE})",
        kind as i64
    );
    server.execute(plain(sql, &[])).await
}

impl<S: Server> Publisher<S> {
    /// Judges all that is staged, and settles in which order it is published.
    pub(super) async fn check(&mut self, demands: &[Demand], own: &[(u16, String)]) -> Done<u64> {
        self.analyze(&self.layout.staged_tables()).await?;
        for Demand { kind, what, fails } in demands {
            note(&mut self.server, *kind, what, &format!("({fails})")).await?;
        }
        while self.order(own).await? {}
        self.count(&format!("SELECT count(*) FROM {STAGED}_problem")).await
    }

    async fn analyze(&mut self, tables: &[String]) -> Done<()> {
        let analysis = self.server.analyze(tables);
        self.server.command(&analysis).await
    }

    async fn count(&mut self, sql: &str) -> Done<u64> {
        let count = value(&mut self.server, sql, compile::Kind::Int).await?;
        Ok(count
            .and_then(|count| count.as_int())
            .unwrap_or_default()
            .unsigned_abs())
    }

    /// Each record after those that it refers to. Whether records turned out to be out of reach, so that others may be by
    /// now.
    async fn order(&mut self, own: &[(u16, String)]) -> Done<bool> {
        let Layout { table, key, .. } = &self.layout;
        let reached = |column: &str| {
            format!(
                "(s.{column} IS NULL OR s.{column} = s.{key}
                  OR EXISTS (SELECT 1 FROM {table} t WHERE t.{key} = s.{column})
                  OR EXISTS (SELECT 1 FROM {STAGED} t JOIN {STAGED}_turn u ON u.place = t.{PLACE}
                             WHERE t.{key} = s.{column}))"
            )
        };
        let has_turn = format!("EXISTS (SELECT 1 FROM {STAGED}_turn u WHERE u.place = s.{PLACE})");
        let mut waiting = format!("NOT EXISTS (SELECT 1 FROM {STAGED}_problem p WHERE p.place = s.{PLACE})");
        if !own.is_empty() {
            waiting.push_str(&format!(" AND NOT {has_turn}"));
        }
        for (_, column) in own {
            waiting.push_str(&format!(" AND {}", reached(column)));
        }
        let unreached: Vec<(String, String)> = own
            .iter()
            .map(|(field, column)| (field.to_string(), format!("NOT {has_turn} AND NOT {}", reached(column))))
            .collect();

        self.server.command(&format!("TRUNCATE TABLE {STAGED}_turn")).await?;
        self.turns = 0;
        let rounds = if own.is_empty() { 1 } else { LEVELS_MAX };
        for _ in 0..rounds {
            let round = format!(
                "INSERT INTO {STAGED}_turn (turn, place)
                 SELECT {} + row_number() OVER (ORDER BY s.{PLACE}), s.{PLACE} FROM {STAGED} s WHERE {waiting}",
                self.turns
            );
            let found = self.server.execute(plain(round, &[])).await?;
            if found == 0 {
                break;
            }
            self.turns += found;
        }
        self.analyze(&[format!("{STAGED}_turn")]).await?;
        let mut found = 0;
        for (field, fails) in &unreached {
            found += note(&mut self.server, Kind::Unreached, field, fails).await?;
        }
        Ok(found + self.unlinked().await? > 0)
    }

    /// Records whose links name records of the file that are refused.
    async fn unlinked(&mut self) -> Done<u64> {
        let Self { server, layout, .. } = self;
        let Layout { table, key, links, .. } = layout;
        let mut found = 0;
        for links in links.iter().filter(|links| links.own) {
            let (staged, source, target) = (&links.staged, &links.source, &links.target);
            let fails = format!(
                "EXISTS (SELECT 1 FROM {staged} l WHERE l.{source} = s.{key}
                   AND NOT EXISTS (SELECT 1 FROM {table} t WHERE t.{key} = l.{target})
                   AND NOT EXISTS (SELECT 1 FROM {STAGED} t JOIN {STAGED}_turn u ON u.place = t.{PLACE}
                                   WHERE t.{key} = l.{target}))"
            );
            found += note(server, Kind::Unreached, &links.field.to_string(), &fails).await?;
        }
        Ok(found)
    }
}
