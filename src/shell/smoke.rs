//! The smoke tests of an image's components, run in containers of it.

use silo::launch::Program;
use silo::plan::{self, SmokeTest, Target};
use silo::spec::ComponentId;
use tokio::io::{AsyncReadExt, DuplexStream};

use super::container;
use super::engine::Network;
use super::engine::docker::{Docker, Streams};
use super::failure::Failure;
use super::project::{Compiled, Project};
use super::ui::Ui;

/// Output of one test that is looked at.
const OUTPUT_LIMIT: u64 = 1 << 20;
/// Bytes that a test's output may be ahead of its reader.
const BUFFER: usize = 64 << 10;

/// Runs every test, or those of one component, without a network, and says how it went. The failures come back as one.
pub async fn test(
    ui: &Ui,
    project: &Project,
    compiled: &Compiled,
    target: &Target,
    engine: &Docker,
    only: Option<&ComponentId>,
) -> Result<(), Failure> {
    let image_path = engine.find(&compiled.reference()).await?.and_then(|image| image.path);
    let mut failed = Vec::new();
    for SmokeTest { component, argv, contains, matches } in plan::smoke_tests(&compiled.locked, target) {
        if only.is_some_and(|only| component != *only) {
            continue;
        }
        let command = argv.join(" ");
        let launch = project.launch(target, &Program::Command(argv), compiled, image_path.clone())?;
        let (output, mut seen) = tokio::io::duplex(BUFFER);
        let (error, mut complaint) = tokio::io::duplex(BUFFER);
        let streams = Streams { input: Box::new(tokio::io::empty()), output: Box::new(output), error: Box::new(error) };
        let work = container::run(ui, project, engine, &launch, Network::None, streams);
        let (code, said, complained) = tokio::join!(work, beginning(&mut seen), beginning(&mut complaint));
        let code = code?;
        let said = said + &complained;
        let reason = match (contains, matches) {
            (_, _) if code != 0 => Some(format!("exit code {code}")),
            (Some(text), _) if !said.contains(&text) => Some(format!("its output does not hold `{text}`")),
            (_, Some(pattern)) if !pattern.is_match(&said) => Some(format!("its output does not match `{}`", pattern.as_str())),
            (Some(_) | None, _) => None,
        };
        let first = said.lines().next().unwrap_or_default();
        match reason {
            None => ui.say(&format!("{target}: {component}: `{command}` works: {first}")),
            Some(reason) => {
                ui.say(&format!("{target}: {component}: `{command}` fails: {reason}: {first}"));
                failed.push(format!("{component}: `{command}`: {reason}"));
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::Refused {
        message: format!("{} of the smoke tests of {target} failed: {}", failed.len(), failed.join("; ")),
        help: Some(format!("look into the image: `silo shell {target}`")),
    })
}

/// The beginning of what comes, as text; the rest is read and dropped, so that nobody waits for it to be taken.
async fn beginning(stream: &mut DuplexStream) -> String {
    let mut bytes = Vec::new();
    // A stream within this process ends; it does not fail.
    let _ = (&mut *stream).take(OUTPUT_LIMIT).read_to_end(&mut bytes).await;
    let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&bytes).into_owned()
}
