//! Records the commands that a client sends, by `MONITOR`, and sends them again by redis-rs with other keys.

use std::future::Future;

use futures_util::StreamExt as _;
use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, Pipeline, RedisResult, Value};
use ttl_core::Key;

/// Returns the commands that the server receives during a call, without those of scripts. Nothing else may be sent
/// meanwhile.
pub(super) async fn record<F: Future<Output = ()>>(
    client: &Client,
    call: impl Fn() -> F,
) -> RedisResult<Vec<Vec<String>>> {
    const END: &str = "the end of the recording";
    // The first call may prepare something.
    call().await;
    let mut monitor = client.get_async_monitor().await?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let mut lines = monitor.on_message::<String>();
    call().await;
    redis::cmd("ECHO").arg(END).exec_async(&mut connection).await?;
    let mut commands = Vec::new();
    while let Some(line) = lines.next().await {
        if line.contains(END) {
            break;
        }
        let text = line.split_once("] ").map_or("", |(_, text)| text);
        if line.contains(" lua] ") || text.is_empty() {
            continue;
        }
        let arguments = arguments(text);
        // Of the keys of a request, each command has one at least.
        if arguments.iter().any(|argument| argument.contains(":session:")) {
            commands.push(arguments);
        }
    }
    Ok(commands)
}

/// Reads the quoted arguments of a line.
fn arguments(text: &str) -> Vec<String> {
    let (mut all, mut current, mut chars) = (Vec::new(), None::<String>, text.chars());
    while let Some(next) = chars.next() {
        match (&mut current, next) {
            (None, '"') => current = Some(String::new()),
            (None, _) => {}
            (Some(_), '"') => all.extend(current.take()),
            (Some(argument), '\\') => match chars.next() {
                Some('n') => argument.push('\n'),
                Some('r') => argument.push('\r'),
                Some('t') => argument.push('\t'),
                Some('x') => {
                    let code: String = chars.by_ref().take(2).collect();
                    argument.push(u8::from_str_radix(&code, 16).map_or('?', char::from));
                }
                Some(other) => argument.push(other),
                None => {}
            },
            (Some(argument), other) => argument.push(other),
        }
    }
    all
}

enum Argument {
    Fixed(String),
    /// The prefix of a key, and its place among the keys of the request.
    Key(String, usize),
}

/// The commands of a request.
pub(super) struct Replay {
    commands: Vec<Vec<Argument>>,
    connection: MultiplexedConnection,
}

impl Replay {
    /// Makes them from those of a request for these keys.
    pub(super) fn new(sent: &[Vec<String>], keys: &[Key], connection: MultiplexedConnection) -> Self {
        let argument = |text: &String| {
            let key =
                keys.iter().enumerate().find_map(|(at, key)| Some((text.strip_suffix(key.as_str())?, at)));
            match key {
                Some((prefix, at)) => Argument::Key(prefix.to_owned(), at),
                None => Argument::Fixed(text.clone()),
            }
        };
        let commands = sent.iter().map(|command| command.iter().map(argument).collect()).collect();
        Self { commands, connection }
    }

    pub(super) async fn call(&self, keys: &[Key]) {
        let command = |arguments: &Vec<Argument>| {
            let mut command = Cmd::new();
            for argument in arguments {
                match argument {
                    Argument::Fixed(text) => command.arg(text),
                    Argument::Key(prefix, at) => command.arg(format!("{prefix}{}", keys[*at].as_str())),
                };
            }
            command
        };
        let mut connection = self.connection.clone();
        if let [only] = self.commands.as_slice() {
            let answer = command(only).query_async::<Value>(&mut connection).await;
            std::hint::black_box(answer.expect("the server answers"));
            return;
        }
        let mut pipeline = Pipeline::with_capacity(self.commands.len());
        for arguments in &self.commands {
            pipeline.add_command(command(arguments));
        }
        // One of two commands may be for another kind of value. Its error is part of the answer.
        pipeline.ignore_errors();
        let answer = pipeline.query_async::<Vec<RedisResult<Value>>>(&mut connection).await;
        std::hint::black_box(answer.expect("the server answers"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_arguments_are_read() {
        assert_eq!(arguments(r#""SET" "a:b" "say \"hi\"\x00\n""#), ["SET", "a:b", "say \"hi\"\0\n"]);
        assert!(arguments("").is_empty());
    }
}
