//! The table: its required shape, its checks and its creation.

mod shape;
mod table;
