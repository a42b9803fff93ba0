//! The Docker daemon: whether it answers, and the removal of a container.

use std::error::Error;
use std::time::Duration;

use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as DockerError;
use testcontainers::bollard::query_parameters::RemoveContainerOptionsBuilder;
use testcontainers::core::client::docker_client_instance;
use tokio::time::timeout;

/// The time limit of an answer of the daemon, which answers immediately if it runs.
const ANSWER: Duration = Duration::from_secs(5);

/// Removes a container, running or not, with its volumes. A missing container is not an error.
pub(super) async fn remove(name: &str) -> Result<(), String> {
    let docker = docker_client_instance().await.map_err(one_line)?;
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match docker.remove_container(name, Some(options)).await {
        Ok(()) | Err(DockerError::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        Err(error) => Err(one_line(error)),
    }
}

/// Returns a client of the daemon, if the daemon answers.
pub(super) async fn daemon() -> Result<Docker, String> {
    let docker = docker_client_instance()
        .await
        .map_err(|error| format!("Docker cannot be used ({})", one_line(error)))?;
    match timeout(ANSWER, docker.ping()).await {
        Ok(Ok(_)) => Ok(docker),
        Ok(Err(error)) => Err(format!("no Docker daemon answers ({})", one_line(error))),
        Err(_) => Err(format!("the Docker daemon did not answer within {ANSWER:?}")),
    }
}

/// Returns an error and its causes in one line, each once.
pub(super) fn one_line(error: impl Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
