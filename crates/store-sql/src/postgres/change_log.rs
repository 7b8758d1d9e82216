//! The log of changes on PostgreSQL: a trigger on each table, which writes with the rights of whoever made it. It fires for
//! what a subscription applies, too.

use async_trait::async_trait;
use engine::Model;
use engine::ports::change_log::{Begun, ChangeLog, Entry};
use engine::ports::migrator::MigrateError;
use engine::ports::relocation::Part;
use engine::ports::store::StoreError;
use tokio_postgres::error::SqlState;

use super::error::unavailable;
use super::relocation::PostgresRelocation;
use crate::change_log;
use crate::compile::{LOG, LogTable, NOTE};
use crate::dialect::{Dialect as _, Postgres};
use crate::migrate::postgres::{self as migrate, Stop};

#[async_trait]
impl ChangeLog for PostgresRelocation {
    async fn note(&mut self) -> Result<Option<String>, StoreError> {
        change_log::note(&mut self.session().0).await
    }

    async fn begin(&mut self, note: String) -> Result<Begun, StoreError> {
        migrate::take_turn(&self.connection.client).await.map_err(migrating)?;
        let begun = self.begin_log(&note).await;
        let ended = migrate::end_turn(&self.connection.client).await.map_err(migrating);
        let begun = begun?;
        ended.map(|()| begun)
    }

    async fn renote(&mut self, from: &str, to: String) -> Result<bool, StoreError> {
        change_log::renote(&mut self.session().0, from, &to).await
    }

    async fn entries(&mut self, part: Part, after: i64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        let (mut session, model) = self.session();
        change_log::entries(&mut session, model, part, after, limit).await
    }

    async fn forget(&mut self, part: Part, numbers: Vec<i64>, from: &str, to: String) -> Result<bool, StoreError> {
        self.command("BEGIN").await?;
        let (mut session, model) = self.session();
        let done = change_log::forget(&mut session, model, part, &numbers, from, &to).await;
        self.transaction(done).await
    }

    async fn stands(&mut self, parts: &[Part]) -> Result<bool, StoreError> {
        let tables = parts.iter().map(|part| LogTable::of(&self.model, *part));
        let (tables, names): (Vec<_>, Vec<_>) = tables.map(|table| (table.of, table.name)).unzip();
        // Whoever loads data without triggers turns them on again as they are by default: not always.
        let sql = "SELECT count(*) FROM unnest($1::text[], $2::text[]) AS wanted (relname, tgname) \
                   JOIN pg_class c ON c.relname = wanted.relname AND c.relnamespace = current_schema()::regnamespace \
                   JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = wanted.tgname AND t.tgenabled = 'A' \
                   WHERE NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid)";
        let counted = self.connection.client.query_one(sql, &[&tables, &names]).await;
        let counted = counted.and_then(|row| row.try_get::<_, i64>(0));
        let counted = counted.map_err(|error| self.failed(&error))?;
        Ok(usize::try_from(counted) == Ok(parts.len()))
    }

    async fn end(&mut self) -> Result<bool, StoreError> {
        migrate::take_turn(&self.connection.client).await.map_err(migrating)?;
        let done = self.end_log().await;
        let ended = migrate::end_turn(&self.connection.client).await.map_err(migrating);
        let done = done?;
        ended.map(|()| done)
    }
}

impl PostgresRelocation {
    async fn begin_log(&mut self, note: &str) -> Result<Begun, StoreError> {
        self.end_log().await?;
        // From here on there is one that doesn't stand, and no migration.
        self.set(NOTE, "").await?;
        let model = std::sync::Arc::clone(&self.model);
        match self.follow(&model).await {
            Ok(without) => {
                self.set(NOTE, note).await?;
                Ok(Begun::Without(without))
            }
            Err(Stop::Postgres(error)) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                self.end_log().await?;
                let reason = error.as_db_error().map_or("it may not", |reported| reported.message());
                Ok(Begun::Refused(reason.to_owned()))
            }
            Err(stop) => Err(self.stopped(stop)),
        }
    }

    /// Answers the parts that can't be followed.
    async fn follow(&self, model: &Model) -> Result<Vec<Part>, Stop> {
        let client = &self.connection.client;
        // Rows of tables that inherit are seen in the parent's, whose trigger doesn't fire for them; each partition has a trigger that may be
        // turned off on its own.
        let sql = "SELECT current_schema()::text, array(SELECT relname::text FROM pg_class c \
                   WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' \
                   AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid))";
        let row = client.query_one(sql, &[]).await?;
        let (schema, tables): (String, Vec<String>) = (row.try_get(0)?, row.try_get(1)?);
        let mut without = Vec::new();
        for part in Part::all(model) {
            let table = LogTable::of(model, part);
            if tables.iter().any(|found| found == table.of) {
                // Waits for those who write to the table: who comes later finds the trigger.
                migrate::patiently(client, &definitions(&table, &schema)).await?;
            } else {
                // What a view shows changes elsewhere.
                without.push(part);
            }
        }
        Ok(without)
    }

    /// Answers whether there was one.
    async fn end_log(&self) -> Result<bool, StoreError> {
        let client = &self.connection.client;
        // Whoever follows it finds it gone before anything of it is.
        let sql = "UPDATE _ninefold_meta SET value = '' WHERE key = $1";
        let there = client.execute(sql, &[&NOTE]).await;
        let there = there.map_err(|error| self.failed(&error))? > 0;
        let sql = "SELECT 'DROP FUNCTION ' || quote_ident(proname) || '() CASCADE' FROM pg_proc \
                   WHERE pronamespace = current_schema()::regnamespace AND starts_with(proname, $1) \
                   UNION ALL SELECT 'DROP TABLE ' || quote_ident(relname) FROM pg_class \
                   WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND starts_with(relname, $1)";
        let rows = client.query(sql, &[&LOG]).await.map_err(|error| self.failed(&error))?;
        for row in rows {
            let drop: String = row.try_get(0).map_err(|error| self.failed(&error))?;
            // That the trigger goes along is what is wanted.
            let quietly = format!("SET LOCAL client_min_messages = warning; {drop}");
            let dropped = migrate::patiently(client, &quietly).await;
            dropped.map_err(|stop| self.stopped(stop))?;
        }
        let sql = "DELETE FROM _ninefold_meta WHERE key = $1";
        let gone = client.execute(sql, &[&NOTE]).await;
        gone.map_err(|error| self.failed(&error))?;
        Ok(there)
    }

    fn stopped(&self, stop: Stop) -> StoreError {
        match stop {
            Stop::Postgres(error) => self.failed(&error),
            stop => migrating(stop.at("follow the tables")),
        }
    }
}

fn migrating(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Unavailable(reason) => unavailable(&reason),
        error => StoreError::Failed(error.to_string()),
    }
}

fn definitions(table: &LogTable<'_>, schema: &str) -> String {
    let quoted = |name: &str| {
        let mut sql = String::new();
        Postgres.identifier(&mut sql, name);
        sql
    };
    let (of, schema) = (quoted(table.of), quoted(schema));
    let (name, columns) = (&table.name, table.columns());
    let selected = table
        .key(&Postgres, |column, place| format!("{column} AS key_{place}"))
        .join(", ");
    let row = |row: &str| table.key(&Postgres, |column, _| format!("{row}.{column}")).join(", ");
    let (old, new) = (row("OLD"), row("NEW"));
    let log = |row: &str| format!("INSERT INTO {schema}.{name} ({columns}) VALUES ({row});");
    let (log_old, log_new) = (log(&old), log(&new));
    // What compares as equal may be stored otherwise.
    format!(
        "CREATE TABLE {name} AS SELECT {selected} FROM {of} WITH NO DATA;
         ALTER TABLE {name} ADD number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
         CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
         AS $log$ BEGIN
             IF TG_OP = 'DELETE' THEN
                 {log_old}
             ELSE
                 {log_new}
                 IF TG_OP = 'UPDATE' AND record_image_ne(ROW({old}), ROW({new})) THEN
                     {log_old}
                 END IF;
             END IF;
             RETURN NULL;
         END $log$;
         CREATE TRIGGER {name} AFTER INSERT OR UPDATE OR DELETE ON {of} FOR EACH ROW EXECUTE FUNCTION {name}();
         ALTER TABLE {of} ENABLE ALWAYS TRIGGER {name}"
    )
}
