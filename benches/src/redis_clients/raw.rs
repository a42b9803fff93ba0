//! redis-rs, with the commands that a program would write for the same purpose.

use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, FromRedisValue, RedisResult};

use super::request::{KEYS, Request, TTL};

/// A counter with a TTL, in one script.
const COUNT: &str = "local n = redis.call('INCR', KEYS[1]) redis.call('PEXPIRE', KEYS[1], ARGV[1]) return n";

pub(super) struct Raw {
    connection: MultiplexedConnection,
    value: String,
    count: String,
}

impl Raw {
    pub(super) async fn connect(client: &Client, value: &str) -> RedisResult<Self> {
        let mut connection = client.get_multiplexed_async_connection().await?;
        let count = redis::cmd("SCRIPT").arg("LOAD").arg(COUNT).query_async(&mut connection).await?;
        let raw = Self { connection, value: value.to_owned(), count };
        for n in 0..KEYS {
            let key = Request::IncrementField.peer_keys(n).remove(0);
            let _: () = raw.ask(redis::cmd("HSET").arg(key).arg(&["count", "0", "page", "\"/cart\""])).await;
        }
        Ok(raw)
    }

    pub(super) async fn call(&self, request: Request, n: usize) {
        let keys = request.peer_keys(n);
        let key = &keys[0];
        match request {
            Request::Get | Request::GetAny => {
                let value: Option<Vec<u8>> = self.ask(redis::cmd("GET").arg(key)).await;
                assert!(value.is_some());
            }
            Request::Put | Request::PutDefault => {
                self.ask::<()>(redis::cmd("SET").arg(key).arg(&self.value).arg("PX").arg(TTL.as_millis()))
                    .await;
            }
            Request::GetRefresh => {
                let value: Option<Vec<u8>> =
                    self.ask(redis::cmd("GETEX").arg(key).arg("PX").arg(TTL.as_millis())).await;
                assert!(value.is_some());
            }
            Request::Increment => {
                let call = &mut redis::cmd("EVALSHA");
                let _: i64 = self.ask(call.arg(&self.count).arg(1).arg(key).arg(TTL.as_millis())).await;
            }
            Request::IncrementField => {
                let _: i64 = self.ask(redis::cmd("HINCRBY").arg(key).arg("count").arg(1)).await;
            }
            Request::GetMany => {
                let values: Vec<Option<Vec<u8>>> = self.ask(redis::cmd("MGET").arg(&keys)).await;
                assert!(values.iter().all(Option::is_some));
            }
        }
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        command.query_async(&mut self.connection.clone()).await.expect("the server answers")
    }
}
