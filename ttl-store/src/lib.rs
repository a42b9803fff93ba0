//! Entries that expire, behind one trait, in memory and on Redis or Valkey.
