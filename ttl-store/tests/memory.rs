//! The scenarios on the memory driver.

#[macro_use]
mod scenarios;

macro_rules! test {
    ($scenario:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $scenario() {
            scenarios::$scenario(ttl_store::connect("memory:").await.unwrap()).await;
        }
    };
}

for_each_scenario!(test);
