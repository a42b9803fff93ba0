//! The arguments of the programs.

use lexopt::prelude::*;

/// The scale of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Whether the run is short: fewer operations and rounds, and no workloads that take minutes.
    pub quick: bool,
}

impl Scale {
    /// Reads the arguments of the process. Prints the help and exits on `--help`, or if an argument is unknown.
    #[must_use]
    pub fn from_arguments(purpose: &str) -> Self {
        let mut scale = Self { quick: false };
        let mut parser = lexopt::Parser::from_env();
        loop {
            match parser.next() {
                Ok(None) => return scale,
                Ok(Some(Long("quick"))) => scale.quick = true,
                // `cargo bench` and `cargo test` add these.
                Ok(Some(Long("bench" | "test"))) => {}
                Ok(Some(Long("help") | Short('h'))) => {
                    println!("{purpose}\n\n  --quick   fewer operations and rounds");
                    std::process::exit(0);
                }
                Ok(Some(other)) => refuse(&other.unexpected()),
                Err(error) => refuse(&error),
            }
        }
    }

    /// Returns the first number in a quick run, and the second otherwise.
    #[must_use]
    pub const fn pick(self, quick: usize, full: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// Returns the number of rounds: 7 in a quick run, and 11 otherwise.
    #[must_use]
    pub const fn rounds(self) -> usize {
        self.pick(7, 11)
    }
}

fn refuse(error: &lexopt::Error) -> ! {
    eprintln!("error: {error}; see --help");
    std::process::exit(2);
}
