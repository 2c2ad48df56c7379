//! A launch as a program reads it.

use serde_json::{Value, json};

use super::{Launch, LaunchMount, Limits};
use crate::spec::Access;

/// The launch as JSON.
pub fn to_json(launch: &Launch) -> Value {
    let Launch { name, image, argv, env, workdir, user, passwd, group, mounts, tmpfs, create, limits, labels, terminal } = launch;
    let Limits { milli_cpus, memory, pids } = limits;
    let mounts: Vec<Value> = mounts
        .iter()
        .map(|mount| match mount {
            LaunchMount::Bind { source, target, access } => {
                let access = match access {
                    Access::ReadOnly => "ro",
                    Access::ReadWrite => "rw",
                };
                json!({ "source": source, "target": target, "access": access })
            }
            LaunchMount::Volume { name, target } => json!({ "volume": name, "target": target }),
        })
        .collect();
    json!({
        "name": name,
        "image": image,
        "argv": argv,
        "env": env,
        "workdir": workdir,
        "user": [user.0, user.1],
        "passwd": passwd,
        "group": group,
        "mounts": mounts,
        "tmpfs": tmpfs,
        "create": create,
        "limits": { "milli_cpus": milli_cpus, "memory": memory, "pids": pids },
        "labels": labels,
        "terminal": terminal,
    })
}
