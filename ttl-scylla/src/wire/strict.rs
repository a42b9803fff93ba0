//! The lightweight transactions of strict mode.
//!
//! A bind occurs several times in a condition that compares several columns with it.

use scylla::SerializeRow;
use scylla::client::session::Session;
use scylla::statement::prepared::PreparedStatement;
use ttl_core::Result;
use uuid::Uuid;

use super::cells::{SET_CELLS, WriteCells};
use super::prepare::{RequestSettings, prepare};
use crate::layout::NEVER;

/// Extra comparisons in statements whose rejections are evaluated. They are true for every row of this
/// driver, for an absent row, and as far as possible for damaged rows. A server that returns only the
/// compared columns of a rejected transaction then returns everything that explains the rejection.
const SHOW: &str = "kind != -128 AND covers != -9223372036854775808 AND cap != -9223372036854775808";
const SHOW_KIND: &str = "kind != -128";
/// A random version that no entry has. Damage is less likely to produce it than the nil version.
const SHOW_VERSION: &str = "version != 0ba1f9d7-5b27-4e0c-9a3e-61c7d84f2b90";

/// Statements for lightweight transactions.
#[derive(Debug)]
pub(crate) struct StrictStatements {
    /// Writes every cell, if there is no deadline. Its binds are [`WriteCells`].
    pub(crate) create: PreparedStatement,
    /// Writes every cell over remaining cells of any content, if there is no deadline. Its binds are
    /// [`WriteCells`].
    pub(crate) create_over: PreparedStatement,
    /// Writes every cell, over the state that was read.
    pub(crate) replace: PreparedStatement,
    /// Writes every cell, over a live entry of this version without a cap.
    pub(crate) replace_version: PreparedStatement,
    /// Writes the deadline, over the state that was read.
    pub(crate) move_seen: PreparedStatement,
    /// Writes the deadline, within bounds.
    pub(crate) move_within: PreparedStatement,
    /// Writes the deadline, within bounds and for one version.
    pub(crate) move_version: PreparedStatement,
    /// Writes another version, and cells that end before the deadline, over the state that was read.
    pub(crate) mark_expired: PreparedStatement,
    /// Deletes the state that was read.
    pub(crate) delete_seen: PreparedStatement,
    /// Deletes a live entry.
    pub(crate) delete_live: PreparedStatement,
    /// Deletes a live entry of this version.
    pub(crate) delete_version: PreparedStatement,
}

/// The binds of [`StrictStatements::replace`].
#[derive(SerializeRow)]
pub(crate) struct Replace<'a> {
    #[scylla(flatten)]
    pub(crate) row: WriteCells<'a>,
    pub(crate) seen_version: Option<Uuid>,
    pub(crate) seen_deadline: Option<i64>,
}

/// The binds of [`StrictStatements::replace_version`].
#[derive(SerializeRow)]
pub(crate) struct ReplaceVersion<'a> {
    #[scylla(flatten)]
    pub(crate) row: WriteCells<'a>,
    pub(crate) seen_version: Uuid,
    pub(crate) now: i64,
}

/// The binds of [`StrictStatements::move_seen`].
#[derive(SerializeRow)]
pub(crate) struct MoveSeen<'a> {
    pub(crate) key: &'a str,
    pub(crate) ttl: i32,
    pub(crate) new_deadline: i64,
    pub(crate) seen_version: Option<Uuid>,
    pub(crate) seen_deadline: Option<i64>,
    pub(crate) seen_covers: Option<i64>,
}

/// The binds of [`StrictStatements::move_within`]: the bounds of the present deadline and of the instant until
/// which the other cells exist.
#[derive(Clone, Copy, SerializeRow)]
pub(crate) struct MoveWithin<'a> {
    pub(crate) key: &'a str,
    pub(crate) ttl: i32,
    pub(crate) new_deadline: i64,
    pub(crate) deadline_above: i64,
    pub(crate) deadline_at_most: i64,
    pub(crate) covers_at_least: i64,
    pub(crate) covers_at_most: i64,
}

/// The binds of [`StrictStatements::move_version`].
#[derive(SerializeRow)]
pub(crate) struct MoveVersion<'a> {
    #[scylla(flatten)]
    pub(crate) within: MoveWithin<'a>,
    pub(crate) seen_version: Uuid,
}

/// The binds of [`StrictStatements::mark_expired`].
#[derive(SerializeRow)]
pub(crate) struct MarkExpired<'a> {
    pub(crate) key: &'a str,
    pub(crate) ttl: i32,
    pub(crate) new_covers: i64,
    pub(crate) new_version: Uuid,
    pub(crate) seen_version: Option<Uuid>,
    pub(crate) seen_deadline: i64,
    pub(crate) seen_covers: i64,
}

/// The binds of [`StrictStatements::delete_seen`].
#[derive(SerializeRow)]
pub(crate) struct DeleteSeen<'a> {
    pub(crate) key: &'a str,
    pub(crate) seen_version: Option<Uuid>,
    pub(crate) seen_deadline: Option<i64>,
}

/// The binds of [`StrictStatements::delete_live`].
#[derive(SerializeRow)]
pub(crate) struct DeleteLive<'a> {
    pub(crate) key: &'a str,
    pub(crate) now: i64,
}

/// The binds of [`StrictStatements::delete_version`].
#[derive(SerializeRow)]
pub(crate) struct DeleteVersion<'a> {
    pub(crate) key: &'a str,
    pub(crate) now: i64,
    pub(crate) seen_version: Uuid,
}

impl StrictStatements {
    pub(crate) async fn prepare(session: &Session, table: &str, settings: &RequestSettings) -> Result<Self> {
        let write = async |text: String| prepare(session, &text, settings).await;
        let update = format!("UPDATE {table} USING TTL :ttl");
        let set_cells = format!("{update} {SET_CELLS} WHERE key = :key");
        let move_deadline = format!("{update} SET deadline = :new_deadline WHERE key = :key");
        let mark = format!("{update} SET covers = :new_covers, version = :new_version WHERE key = :key");
        let delete = format!("DELETE FROM {table} WHERE key = :key");
        let seen = "version = :seen_version AND deadline = :seen_deadline";
        let within = format!(
            "deadline > :deadline_above AND deadline <= :deadline_at_most AND deadline != :new_deadline AND \
             cap >= :new_deadline AND covers >= :covers_at_least AND covers <= :covers_at_most AND {SHOW_KIND}"
        );
        let live = format!("deadline > :now AND covers > :now AND cap > :now AND {SHOW_KIND}");
        Ok(Self {
            create: write(format!("{set_cells} IF deadline = null AND {SHOW} AND {SHOW_VERSION}")).await?,
            create_over: write(format!("{set_cells} IF deadline = null")).await?,
            replace: write(format!("{set_cells} IF {seen}")).await?,
            replace_version: write(format!(
                "{set_cells} IF version = :seen_version AND deadline > :now AND covers > :now AND cap = {NEVER} AND \
                 {SHOW_KIND}"
            ))
            .await?,
            move_seen: write(format!("{move_deadline} IF {seen} AND covers = :seen_covers")).await?,
            move_within: write(format!("{move_deadline} IF {within} AND {SHOW_VERSION}")).await?,
            move_version: write(format!("{move_deadline} IF {within} AND version = :seen_version")).await?,
            mark_expired: write(format!("{mark} IF {seen} AND covers = :seen_covers")).await?,
            delete_seen: write(format!("{delete} IF {seen}")).await?,
            delete_live: write(format!("{delete} IF {live} AND {SHOW_VERSION}")).await?,
            delete_version: write(format!("{delete} IF {live} AND version = :seen_version")).await?,
        })
    }
}
