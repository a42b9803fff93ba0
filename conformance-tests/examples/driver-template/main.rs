//! A driver to copy: entries in one file, without a server. `docs/writing-a-driver.md` explains it. This program
//! runs the suite on it:
//!
//! ```sh
//! cargo run -p ttl-conformance --example driver-template -- files:/tmp/suite
//! ```

use std::process::ExitCode;
use std::sync::Arc;

use ttl_conformance::program;

// The items are public, as in a crate of their own.
#[allow(unreachable_pub)]
mod backend;
#[allow(unreachable_pub)]
mod harness;
#[allow(unreachable_pub)]
mod layout;
#[allow(unreachable_pub)]
mod store;

fn main() -> ExitCode {
    program::main("files:/path/of/a/folder", |url| {
        let folder = backend::Config::from_url(url)?.path;
        Ok(Arc::new(harness::FileHarness { folder, sweep: false }))
    })
}
