//! Ports for servers that a test starts itself.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
    },
};

/// The range of ports, below those that systems assign to outgoing connections.
const PORTS: Range<u16> = 10_000..20_000;

/// The start of the next search: random in each process, and after the last returned port.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(RandomState::new().hash_one(()) as u16));

/// Returns a TCP port that is free on all of these addresses, for a server that a test starts or stops
/// itself.
///
/// Port 0 is not suitable. Its port may be assigned to any connection while the server is not listening. A
/// client that tries to connect at that moment may then be connected to itself.
///
/// # Panics
/// If none of 10,000 ports is free on all addresses.
#[must_use]
pub fn free_port(addresses: &[Ipv4Addr]) -> u16 {
    let listens = |port| addresses.iter().all(|address| TcpListener::bind((*address, port)).is_ok());
    PORTS
        .map(|_| PORTS.start + NEXT.fetch_add(1, Ordering::Relaxed) % (PORTS.end - PORTS.start))
        .find(|port| listens(*port))
        .unwrap_or_else(|| panic!("no port from {} to {} is free on {addresses:?}", PORTS.start, PORTS.end))
}
