//! What a project asks of the host reaches its container when the user trusts it, and not before.

use super::online;
use super::project::{KDL, LOCK, Project};

#[test]
fn a_value_of_the_host_is_in_the_container_once_the_project_is_trusted() {
    online!();
    // The image is the fixture's: what is asked for is in no identity.
    let _ = super::project::Built::ready();
    let project = Project::with(&format!("{KDL}\nenv SECRET_X\nmount \"~/shared\" mode=ro\n"), Some(LOCK));
    std::fs::create_dir(project.home().join("shared")).unwrap();
    std::fs::write(project.home().join("shared/note"), "from the host\n").unwrap();
    let run = |more: &[&str]| {
        let mut silo = project.silo(&["shell", "codex"]);
        silo.args(more).args(["--", "sh", "-c", "echo value=$SECRET_X; cat ~/shared/note"]);
        super::project::run({
            silo.env("SECRET_X", "hunter2");
            silo
        })
    };
    let refused = run(&[]).exited(1).says("the host's SECRET_X is handed to every container").says("trust --yes");
    assert_eq!(refused.stdout, "");
    assert!(project.containers().is_empty(), "nothing was started");

    let digest = project.run(&["trust", "--digest"]).succeeded().stdout.trim().to_string();
    assert_eq!(run(&["--trust", &digest]).succeeded().stdout, "value=hunter2\nfrom the host\n");
    run(&[]).exited(1);

    project.run(&["trust", "--yes"]).succeeded();
    assert_eq!(run(&[]).succeeded().stdout, "value=hunter2\nfrom the host\n");
    project.write("silo.kdl", &format!("{KDL}\nenv SECRET_X\nmount \"~/shared\" mode=rw\n"));
    run(&[]).exited(1).says("+ ~/shared is mounted into every container, read and write");
}
