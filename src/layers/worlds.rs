//! The machines that conditions tell apart: what a lock has to hold for all of them.

use super::condition::dependencies;
use super::{Facts, File};

/// How far something must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// On the machine that the facts are about, for every agent.
    ThisMachine,
    /// On every machine, for every agent: what is committed.
    EveryMachine,
}

/// The facts under which the files may come to different results: the given ones first, then those with every value of the architecture,
/// the operating system, CI, the backend and the agent that their conditions look at. The name of the host, the repository and its files
/// are always those of the given facts.
pub fn worlds(files: &[File], facts: &Facts, agents: &[String], reach: Reach) -> Vec<Facts> {
    let asked = dependencies(files.iter().map(|file| &file.document));
    let asks = |names: &[&str]| names.iter().any(|name| asked.contains(name));
    let mut worlds = vec![facts.clone()];
    let mut vary = |varied: bool, values: &[&dyn Fn(&mut Facts)]| {
        if varied {
            let every = |world: &Facts| {
                let world = world.clone();
                values.iter().map(move |set| {
                    let mut world = world.clone();
                    set(&mut world);
                    world
                })
            };
            worlds = worlds.iter().flat_map(every).collect();
        }
    };
    if reach == Reach::EveryMachine {
        vary(asks(&["arch", "platform"]), &[&|world| world.arch = "amd64".into(), &|world| world.arch = "arm64".into()]);
        vary(asks(&["os", "platform"]), &[&|world| world.os = "linux".into(), &|world| world.os = "macos".into()]);
        vary(asks(&["ci"]), &[&|world| world.ci = false, &|world| world.ci = true]);
        let backends: [&dyn Fn(&mut Facts); 2] =
            [&|world| world.backend = Some("docker".into()), &|world| world.backend = Some("apple".into())];
        vary(asks(&["backend"]), &backends);
    }
    if asks(&["agent"]) && !agents.is_empty() {
        worlds = worlds.iter().flat_map(|world| agents.iter().map(|agent| Facts { agent: Some(agent.clone()), ..world.clone() })).collect();
    }
    if !worlds.contains(facts) {
        worlds.insert(0, facts.clone());
    }
    worlds.sort_by_key(|world| world != facts);
    worlds
}

/// In which ways a world is not the one of some other facts, for people: `arch=arm64 ci=#true`.
pub fn difference(world: &Facts, from: &Facts) -> String {
    let Facts { os, arch, host: _, ci, repo: _, backend, agent } = world;
    let mut words = Vec::new();
    let mut differs = |name: &str, differs: bool, value: &str| {
        if differs {
            words.push(format!("{name}={value}"));
        }
    };
    differs("os", *os != from.os, os);
    differs("arch", *arch != from.arch, arch);
    differs("ci", *ci != from.ci, if *ci { "#true" } else { "#false" });
    differs("backend", *backend != from.backend, backend.as_deref().unwrap_or_default());
    differs("agent", *agent != from.agent, agent.as_deref().unwrap_or_default());
    words.join(" ")
}
