//! fred, with the commands that it has methods for.

use bytes::Bytes;
use fred::prelude::{
    Builder, Client, ClientLike as _, Config, Expiration, HashesInterface as _, KeysInterface as _,
};

use super::request::{Request, TTL};

/// Its keys are those of redis-rs.
pub(super) struct Fred {
    client: Client,
    value: Bytes,
}

impl Fred {
    pub(super) async fn connect(url: &str, value: &str) -> Result<Self, fred::error::Error> {
        let client = Builder::from_config(Config::from_url(url)?).build()?;
        client.init().await?;
        Ok(Self { client, value: Bytes::copy_from_slice(value.as_bytes()) })
    }

    /// It has no GETEX, and scripts are another feature.
    pub(super) const fn supports(request: Request) -> bool {
        !matches!(request, Request::GetRefresh | Request::Increment)
    }

    pub(super) async fn call(&self, request: Request, n: usize) {
        let mut keys = request.peer_keys(n);
        match request {
            Request::GetMany => {
                let values: Vec<Option<Bytes>> = self.client.mget(keys).await.expect("the server answers");
                assert!(values.iter().all(Option::is_some));
            }
            Request::Put | Request::PutDefault => {
                let expiry = Some(Expiration::PX(i64::try_from(TTL.as_millis()).expect("an hour")));
                let set = self.client.set(keys.remove(0), self.value.clone(), expiry, None, false);
                let _: () = set.await.expect("the server answers");
            }
            Request::IncrementField => {
                let add = self.client.hincrby(keys.remove(0), "count", 1);
                let _: i64 = add.await.expect("the server answers");
            }
            _ => {
                let value: Option<Bytes> = self.client.get(keys.remove(0)).await.expect("the server answers");
                assert!(value.is_some());
            }
        }
    }
}
