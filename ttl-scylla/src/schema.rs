//! The keyspace and the table: the CQL that creates them, and checks of existing ones.

use std::time::Duration;

use scylla::client::session::Session;
use scylla::statement::Consistency;
use scylla::statement::unprepared::Statement;
use ttl_core::{Error, ErrorKind, Result};

use crate::config::{Places, Replication, ScyllaConfig, invalid};
use crate::wire::RequestSettings;
use crate::{Mode, error};

/// The columns: name, type, and whether the column is the key.
const COLUMNS: [(&str, &str, bool); 8] = [
    ("key", "text", true),
    ("kind", "tinyint", false),
    ("value", "blob", false),
    ("deadline", "bigint", false),
    ("covers", "bigint", false),
    ("cap", "bigint", false),
    ("version", "uuid", false),
    ("created", "bigint", false),
];

/// The minimum timeout for creating a keyspace or a table: all nodes must agree.
const MIN_CREATION_TIMEOUT: Duration = Duration::from_secs(10);

/// The prefix of a table's comment; the mode follows.
const MARK: &str = "ttl-store layout 1, mode ";

fn keyspace_cql(config: &ScyllaConfig, replication: &Replication) -> String {
    let places = match &replication.0 {
        Places::Everywhere(copies) => format!("'replication_factor': {copies}"),
        Places::Datacenters(places) => {
            let each: Vec<String> =
                places.iter().map(|(name, copies)| format!("'{name}': {copies}")).collect();
            each.join(", ")
        }
    };
    format!(
        "CREATE KEYSPACE IF NOT EXISTS \"{}\" WITH replication = {{'class': 'NetworkTopologyStrategy', {places}}}",
        config.keyspace
    )
}

fn table_cql(config: &ScyllaConfig) -> String {
    let columns =
        COLUMNS.map(|(name, kind, key)| format!("{name} {kind}{}", if key { " PRIMARY KEY" } else { "" }));
    // Levels keep few copies of a frequently rewritten row, and one place to look for it. Expired cells are
    // removed once an SSTable has enough of them, even if it overlaps with others.
    format!(
        "CREATE TABLE IF NOT EXISTS {} ({}) WITH comment = '{MARK}{}' AND default_time_to_live = 0 AND compaction = \
         {{'class': 'LeveledCompactionStrategy', 'unchecked_tombstone_compaction': 'true'}}",
        config.table_name(),
        columns.join(", "),
        config.mode
    )
}

/// Creates a missing table or keyspace if configured, and checks an existing table.
pub(crate) async fn ensure(
    session: &Session,
    config: &ScyllaConfig,
    settings: &RequestSettings,
) -> Result<()> {
    if check(session, config, settings).await? {
        return Ok(());
    }
    let has_keyspace = has_keyspace(session, config, settings).await?;
    if !config.ensure_schema {
        return Err(invalid(no_table(config, has_keyspace)));
    }
    // A user with permission to create tables in a keyspace may lack the permission to create keyspaces.
    if !has_keyspace {
        let Some(replication) = &config.replication else {
            return Err(invalid(format!(
                "the keyspace {:?} does not exist; create it, or set the replication with which to create it",
                config.keyspace
            )));
        };
        run(session, &keyspace_cql(config, replication), config, settings).await?;
    }
    run(session, &table_cql(config), config, settings).await?;
    if check(session, config, settings).await? {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unavailable, "the table was created, but not all nodes know it yet; try again")
        .with_backend(crate::BACKEND))
}

/// Returns the error text for a missing table or keyspace, with the CQL that creates it.
fn no_table(config: &ScyllaConfig, has_keyspace: bool) -> String {
    let (name, table) = (config.table_name(), table_cql(config));
    if has_keyspace {
        return format!("the table {name} does not exist; create it with: {table}; or set ensure_schema");
    }
    let keyspace = keyspace_cql(config, config.replication.as_ref().unwrap_or(&Replication::everywhere(3)));
    let copies = if config.replication.is_some() { "" } else { " (with the number of copies that you need)" };
    format!(
        "the keyspace {:?} does not exist; create it and the table with{copies}: {keyspace}; {table}; or set ensure_schema \
         and the replication",
        config.keyspace
    )
}

async fn run(session: &Session, cql: &str, config: &ScyllaConfig, settings: &RequestSettings) -> Result<()> {
    let mut statement = Statement::new(cql);
    statement.set_execution_profile_handle(Some(settings.profile.clone()));
    statement.set_request_timeout(Some(config.timeout().max(MIN_CREATION_TIMEOUT)));
    // Creating an existing keyspace or table changes nothing.
    session.query_unpaged(statement, ()).await.map(drop).map_err(error::not_created)
}

/// Returns a read of the servers' own tables, which any node answers.
fn select(columns: &str, from: &str, condition: &str, settings: &RequestSettings) -> Statement {
    let mut statement =
        Statement::new(format!("SELECT {columns} FROM system_schema.{from} WHERE {condition}"));
    statement.set_execution_profile_handle(Some(settings.profile.clone()));
    statement.set_consistency(Consistency::LocalOne);
    statement
}

async fn has_keyspace(session: &Session, config: &ScyllaConfig, settings: &RequestSettings) -> Result<bool> {
    let keyspaces = select("keyspace_name", "keyspaces", "keyspace_name = ?", settings);
    let found = session.query_unpaged(keyspaces, (config.keyspace.as_str(),)).await.map_err(error::read)?;
    Ok(found.into_rows_result().map_err(|_| error::unexpected_response())?.rows_num() > 0)
}

/// Returns whether the table exists, or an error if it does not fit.
async fn check(session: &Session, config: &ScyllaConfig, settings: &RequestSettings) -> Result<bool> {
    let names = (config.keyspace.as_str(), config.table.as_str());
    let table = "keyspace_name = ? AND table_name = ?";
    let tables = select("comment, default_time_to_live", "tables", table, settings);
    let tables = session.query_unpaged(tables, names).await.map_err(error::read)?;
    let tables = tables.into_rows_result().map_err(|_| error::unexpected_response())?;
    let Some((comment, lifetime)) = tables
        .maybe_first_row::<(Option<String>, Option<i32>)>()
        .map_err(|_| error::unexpected_response())?
    else {
        return Ok(false);
    };
    let columns = select("column_name, type, kind", "columns", table, settings);
    let columns = session.query_unpaged(columns, names).await.map_err(error::read)?;
    let columns = columns.into_rows_result().map_err(|_| error::unexpected_response())?;
    let mut found = Vec::new();
    for column in columns.rows::<(String, String, String)>().map_err(|_| error::unexpected_response())? {
        found.push(column.map_err(|_| error::unexpected_response())?);
    }
    check_columns(&found)?;
    if lifetime.is_some_and(|seconds| seconds != 0) {
        return Err(invalid(
            "the table has a default_time_to_live, which would delete persistent entries; set it to 0",
        ));
    }
    check_mark(&comment.unwrap_or_default(), config)?;
    Ok(true)
}

fn check_columns(found: &[(String, String, String)]) -> Result<()> {
    for (name, kind, key) in COLUMNS {
        let place = if key { "partition_key" } else { "regular" };
        if !found.iter().any(|(n, k, p)| n == name && k == kind && p == place) {
            return Err(invalid(format!(
                "the table has another layout: it has no column {name} of type {kind} ({place}); choose another table"
            )));
        }
    }
    let keys = found.iter().filter(|(_, _, place)| place == "partition_key" || place == "clustering").count();
    if keys > 1 {
        return Err(invalid(
            "the table has another layout: its key has several columns; choose another table",
        ));
    }
    Ok(())
}

fn check_mark(comment: &str, config: &ScyllaConfig) -> Result<()> {
    let written = comment.strip_prefix(MARK).map(|rest| rest.split_whitespace().next().unwrap_or_default());
    match written {
        Some(mode) if mode == config.mode.as_str() => Ok(()),
        Some(mode) if Mode::ALL.iter().any(|known| known.as_str() == mode) => Err(invalid(format!(
            "the table is in the mode {mode}, but the configuration says {}; a table has one mode for its whole life, because \
             writes of the two modes do not see each other",
            config.mode
        ))),
        Some(_) => Err(invalid(
            "the table is in a mode that this release of the driver does not support; update the driver",
        )),
        None => Err(invalid(format!(
            "the table's comment has no mode; if all programs that wrote to it used {}, set it with: ALTER TABLE {} WITH \
             comment = '{MARK}{}'",
            config.mode,
            config.table_name(),
            config.mode
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ScyllaConfig {
        ScyllaConfig::new("h", "shop", "sessions")
    }

    #[test]
    fn cql_is_complete() {
        assert_eq!(
            table_cql(&config()),
            "CREATE TABLE IF NOT EXISTS \"shop\".\"sessions\" (key text PRIMARY KEY, kind tinyint, value blob, deadline \
             bigint, covers bigint, cap bigint, version uuid, created bigint) WITH comment = 'ttl-store layout 1, mode strict' \
             AND default_time_to_live = 0 AND compaction = {'class': 'LeveledCompactionStrategy', \
             'unchecked_tombstone_compaction': 'true'}"
        );
        assert_eq!(
            keyspace_cql(&config(), &Replication::datacenters([("dc1", 3), ("dc2", 2)])),
            "CREATE KEYSPACE IF NOT EXISTS \"shop\" WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3, \
             'dc2': 2}"
        );
    }

    #[test]
    fn other_tables_are_refused() {
        let ours = |name: &str| {
            let of = COLUMNS.iter().filter(|column| column.0 != name);
            of.map(|(name, kind, key)| {
                let place = if *key { "partition_key" } else { "regular" };
                ((*name).to_owned(), (*kind).to_owned(), place.to_owned())
            })
            .collect::<Vec<_>>()
        };
        check_columns(&ours("")).unwrap();
        for (name, ..) in COLUMNS {
            assert_eq!(check_columns(&ours(name)).unwrap_err().kind(), ErrorKind::InvalidConfig, "{name}");
        }
        let mut more = ours("");
        more.push(("at".into(), "int".into(), "clustering".into()));
        assert!(check_columns(&more).is_err());
        let mut extra = ours("");
        extra.push(("note".into(), "text".into(), "regular".into()));
        check_columns(&extra).unwrap();
    }

    #[test]
    fn the_mode_is_for_life() {
        check_mark("ttl-store layout 1, mode strict", &config()).unwrap();
        check_mark("ttl-store layout 1, mode strict (the shop's)", &config()).unwrap();
        for (comment, word) in [
            ("ttl-store layout 1, mode lww", "whole life"),
            ("ttl-store layout 1, mode new", "update"),
            ("ttl-store layout 2, mode strict", "ALTER TABLE"),
            ("", "ALTER TABLE"),
        ] {
            let error = check_mark(comment, &config()).unwrap_err();
            assert!(error.to_string().contains(word), "{comment}: {error}");
        }
    }
}
