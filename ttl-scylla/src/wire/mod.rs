//! What goes over the wire: every statement, and its named binds.

mod cells;
mod lww;
mod prepare;
mod reads;
mod strict;

pub(crate) use self::cells::WriteCells;
pub(crate) use self::lww::{DeleteAt, LwwStatements, MoveAt, WriteAt};
pub(crate) use self::prepare::RequestSettings;
pub(crate) use self::reads::{ReadStatements, TokenRange};
pub(crate) use self::strict::{
    DeleteLive, DeleteSeen, DeleteVersion, MarkExpired, MoveSeen, MoveVersion, MoveWithin, Replace,
    ReplaceVersion, StrictStatements,
};
