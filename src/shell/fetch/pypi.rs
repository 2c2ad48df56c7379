//! PyPI: documents are fetched until the wheels are known.

use futures_util::StreamExt;
use silo::lock::pypi::{Need, Project, Registry, Root, Solution, Target, Unsolved, resolve};

use super::client::{Ask, Client};
use super::{FetchError, chain};

/// The wheels of some projects.
pub async fn wheels(client: &Client, base: &str, roots: &[Root], target: &Target) -> Result<Solution, String> {
    let mut registry = Registry::default();
    loop {
        let need = match resolve(roots, target, &registry) {
            Ok(solution) => return Ok(solution),
            Err(Unsolved::Failed(reasons)) => return Err(reasons.join("; ")),
            Err(Unsolved::Need(need)) => need,
        };
        let mut answers = futures_util::stream::iter(need)
            .map(|need| async move {
                let url = match &need {
                    Need::Project(name) => format!("{base}pypi/{name}/json"),
                    Need::Version(name, version) => format!("{base}pypi/{name}/{version}/json"),
                };
                let answer = match client.get(&url, &Ask::default()).await {
                    Ok(bytes) => {
                        serde_json::from_slice::<Project>(&bytes).map(Some).map_err(|error| format!("{url} is not understood: {error}"))
                    }
                    Err(FetchError::Missing { url: _ }) => Ok(None),
                    Err(error) => Err(chain(&error)),
                };
                (need, answer)
            })
            .buffer_unordered(16);
        while let Some((need, answer)) = answers.next().await {
            let answer = answer?;
            match need {
                Need::Project(name) => {
                    registry.projects.insert(name, answer);
                }
                Need::Version(name, version) => {
                    registry.requirements.insert((name, version), answer.map(|project| project.info.requires_dist.unwrap_or_default()));
                }
            }
        }
    }
}
