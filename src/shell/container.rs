//! Running a container as a launch says, with the profile that every container of silo's has.

use silo::launch::{Launch, profile};

use super::engine::docker::{Docker, Streams};
use super::engine::{Accounts, Network, RunRequest, Security};
use super::failure::{Failure, system};
use super::files;
use super::project::Project;
use super::ui::Ui;

/// Runs a container to its end; returns the program's own exit code.
pub async fn run(ui: &Ui, project: &Project, engine: &Docker, launch: &Launch, network: Network, streams: Streams) -> Result<u8, Failure> {
    for folder in &launch.create {
        std::fs::create_dir_all(folder).map_err(system(format!("creating {folder}")))?;
    }
    let accounts = accounts(project, engine, launch).await?;
    let paths = |paths: &[&str]| Some(paths.iter().map(ToString::to_string).collect());
    let security = Security {
        seccomp: Some(profile::SECCOMP.to_string()),
        masked_paths: paths(profile::MASKED_PATHS),
        readonly_paths: paths(profile::READ_ONLY_PATHS),
    };
    let private = project.caller.run_directory();
    let request = RunRequest { launch, security: &security, accounts: Some(accounts), private, network };
    let exit = engine.run(&request, streams).await?;
    if let Some(error) = &exit.left_behind {
        ui.warn(&format!("the container {} is still there: {error}; `silo rm {0}` removes it", launch.name));
    }
    Ok(exit.code)
}

/// The image's own accounts with the caller's added. They are read from an image once and kept by its identity.
async fn accounts(project: &Project, engine: &Docker, launch: &Launch) -> Result<Accounts, Failure> {
    let folder = project.caller.cache_directory().join("accounts");
    let identity = launch.image.rsplit(':').next().unwrap_or_default();
    let read = async |file: &str| -> Result<String, Failure> {
        let kept = folder.join(format!("{identity}.{file}"));
        if let Ok(text) = std::fs::read_to_string(&kept) {
            return Ok(text);
        }
        let bytes = engine.image_file(&launch.image, &format!("/etc/{file}")).await?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // Only saves time: the next run reads the image again when this could not be kept.
        let _ = files::write_atomically(&kept, text.as_bytes());
        Ok(text)
    };
    Ok(Accounts { passwd: with_account(&read("passwd").await?, &launch.passwd), group: with_account(&read("group").await?, &launch.group) })
}

/// The lines of an account file with one more, in place of those with the same name or number.
fn with_account(text: &str, line: &str) -> String {
    let fields = |line: &str| -> Option<(String, String)> {
        let mut fields = line.split(':');
        Some((fields.next()?.to_string(), fields.nth(1)?.to_string()))
    };
    let own = fields(line);
    let differs = |known: &&str| match (fields(known), &own) {
        (Some((name, number)), Some((own_name, own_number))) => name != *own_name && number != *own_number,
        (None, _) | (_, None) => true,
    };
    let mut out: String = text.lines().filter(differs).map(|known| format!("{known}\n")).collect();
    out.push_str(line.trim_end());
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::with_account;

    #[test]
    fn the_caller_takes_the_place_of_an_account_with_the_same_name_or_number() {
        let image = "root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1000::/home/node:/bin/sh\n";
        let own = "ada:x:1000:1000::/home/ada:/bin/sh";
        assert_eq!(with_account(image, own), "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000::/home/ada:/bin/sh\n");
        assert_eq!(with_account(image, "root:x:0:0::/root:/bin/sh\n"), "node:x:1000:1000::/home/node:/bin/sh\nroot:x:0:0::/root:/bin/sh\n");
    }
}
