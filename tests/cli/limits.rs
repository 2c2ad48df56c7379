//! Files that mean harm: each is refused, or read, within a fifth of a second and a hundred megabytes, by the real program.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use silo::source::Layer;

use super::{LIMIT, Place};
use crate::support::project::Project;

/// The most memory that any of them may take, in bytes.
const MEMORY: u64 = 100 * 1024 * 1024;

/// How much of a processor's time any of them may take: what other programs do at the same moment does not count. A program that is built
/// for finding mistakes is some three times slower than the one that people run, and machines differ.
const PROCESSOR: Duration = if cfg!(debug_assertions) { LIMIT.saturating_mul(10) } else { LIMIT };

/// Runs a command, and says how much memory it had at most and how long it took. The standard library does not tell; Python's does.
const MEASURE: &str = r#"
import json, os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
with open(os.environ["MEASURED"], "w") as out:
    json.dump({"code": os.waitstatus_to_exitcode(status), "memory": usage.ru_maxrss * 1024, "processor": usage.ru_utime + usage.ru_stime}, out)
"#;

struct Hostile {
    name: &'static str,
    make: fn(&Place),
    code: i64,
    /// What is said, once at least; nothing is said when the file is fine.
    says: &'static [&'static str],
}

/// Bytes without any meaning, the same each time.
fn junk(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..count).map(|_| byte()).collect()
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(|index| line(index) + "\n").collect()
}

const HOSTILE: &[Hostile] = &[
    Hostile {
        name: "nested slash-dash",
        make: |place| {
            place.write("silo.kdl", format!("{}a{}", "/-a {\n".repeat(5_000), "}\n".repeat(5_000)));
        },
        code: 1,
        says: &["silo::parse::too-deep"],
    },
    Hostile {
        name: "slash-dashes in a row",
        make: |place| {
            place.write("silo.kdl", format!("a {}\n", "/-".repeat(100_000)));
        },
        code: 1,
        says: &["silo::parse::"],
    },
    Hostile {
        name: "nested a hundred thousand deep",
        make: |place| {
            place.write("silo.kdl", "a{".repeat(100_000));
        },
        code: 1,
        says: &["silo::parse::too-deep"],
    },
    Hostile {
        name: "comments in comments",
        make: |place| {
            place.write("silo.kdl", "/*".repeat(100_000));
        },
        code: 1,
        says: &["silo::parse::too-deep"],
    },
    Hostile {
        name: "ten megabytes",
        make: |place| {
            place.write("silo.kdl", "agent a\n".repeat(1_300_000));
        },
        code: 1,
        says: &["silo::parse::too-large"],
    },
    Hostile {
        name: "junk",
        make: |place| {
            place.write("silo.kdl", junk(200_000));
        },
        code: 1,
        says: &["silo::parse::not-utf8"],
    },
    Hostile {
        name: "junk of ASCII",
        make: |place| {
            place.write("silo.kdl", junk(200_000).iter().map(|byte| 32 + byte % 95).collect::<Vec<u8>>());
        },
        code: 1,
        says: &["silo::parse::"],
    },
    Hostile {
        name: "control characters",
        make: |place| {
            place.write("silo.kdl", junk(100_000).iter().map(|byte| byte % 32).collect::<Vec<u8>>());
        },
        code: 1,
        says: &["silo::parse::"],
    },
    Hostile {
        name: "a byte order mark and the line breaks of Windows",
        make: |place| {
            place.write("silo.kdl", "\u{feff}silo edition=\"2026\"\r\nagent claude\r\n");
        },
        code: 0,
        says: &[],
    },
    Hostile {
        name: "a file of one line",
        make: |place| {
            place.write("silo.kdl", format!("env A=\"{}\" B=1.20\n", "x".repeat(250_000)));
        },
        code: 1,
        says: &["silo::check::wrong-type"],
    },
    Hostile {
        name: "thousands of mistakes",
        make: |place| {
            place.write("silo.kdl", lines(10_000, |index| format!("nonsense{index} x=1")));
        },
        code: 1,
        says: &["silo::check::unknown-node", "more; mend these first"],
    },
    Hostile {
        name: "thousands of values for one thing",
        make: |place| {
            place.write("silo.kdl", lines(10_000, |index| format!("use agent=a{index}")));
        },
        code: 1,
        says: &["silo::merge::conflict", "more than 8 values"],
    },
    Hostile {
        name: "thousands of things",
        make: |place| {
            place.write("silo.kdl", lines(8_000, |index| format!("env V{index}=\"{index}\"")));
        },
        code: 0,
        says: &[],
    },
    Hostile {
        name: "thousands of scripts",
        make: |place| {
            place.write("silo.kdl", lines(8_000, |index| format!("pre_run \"{index}\"")));
        },
        code: 0,
        says: &[],
    },
    Hostile {
        name: "thousands of removals",
        make: |place| {
            place.write("silo.kdl", lines(4_000, |index| format!("(remove)pre_run id=a{index}\npre_run \"{index}\" id=b{index}")));
        },
        code: 0,
        says: &["silo::merge::removes-nothing"],
    },
    Hostile {
        name: "ten thousand imports of nothing",
        make: |place| {
            place.write("silo.kdl", lines(10_000, |index| format!("import \"./{index}.kdl\"")));
        },
        code: 1,
        says: &["silo::import::missing", "more; mend these first"],
    },
    Hostile {
        name: "ten thousand imports of one file",
        make: |place| {
            place.write("a.kdl", "agent claude\n").write("silo.kdl", "import \"./a.kdl\"\n".repeat(10_000));
        },
        code: 0,
        says: &[],
    },
    Hostile {
        name: "ten thousand imports of ten thousand files",
        make: |place| {
            (0..10_000).for_each(|index| {
                place.write(&format!("{index}.kdl"), "agent claude\n");
            });
            place.write("silo.kdl", lines(10_000, |index| format!("import \"./{index}.kdl\"")));
        },
        code: 1,
        says: &["silo::import::"],
    },
    Hostile {
        name: "a chain of ten thousand imports",
        make: |place| {
            (0..10_000).for_each(|index| {
                place.write(&format!("{index}.kdl"), format!("import \"./{}.kdl\"\n", index + 1));
            });
            place.write("silo.kdl", "import \"./0.kdl\"\n");
        },
        code: 1,
        says: &["silo::import::"],
    },
    Hostile {
        name: "files that all import each other",
        make: |place| {
            let all = lines(60, |index| format!("import \"./{index}.kdl\""));
            (0..60).for_each(|index| {
                place.write(&format!("{index}.kdl"), &all);
            });
            place.write("silo.kdl", all);
        },
        code: 1,
        says: &["silo::import::cycle"],
    },
    Hostile {
        name: "files that import each other without a circle",
        make: |place| {
            for index in 0..60 {
                place
                    .write(&format!("{index}.kdl"), (index + 1..60).map(|other| format!("import \"./{other}.kdl\"\n")).collect::<String>());
            }
            place.write("silo.kdl", "import \"./0.kdl\"\nagent claude\n");
        },
        code: 1,
        // They are nested deeper than imports may be.
        says: &["silo::import::"],
    },
    Hostile {
        name: "texts that double each other",
        make: |place| {
            let double = |index: usize| format!("    v{} \"%{{vars.v{index}}}%{{vars.v{index}}}\"", index + 1);
            place.write(
                "silo.kdl",
                format!("vars {{\n    v0 \"0123456789\"\n{}}}\nenv A=\"%{{vars.v40}}\"\nagent claude\n", lines(40, double)),
            );
        },
        code: 1,
        says: &["silo::"],
    },
    Hostile {
        name: "names that double each other",
        make: |place| {
            let double = |index: usize| format!("let v{} \"%{{v{index}}}%{{v{index}}}\"", index + 1);
            place.write("silo.kdl", format!("let v0 \"0123456789\"\n{}env A=\"%{{v40}}\"\nagent claude\n", lines(40, double)));
        },
        code: 1,
        says: &["silo::"],
    },
    Hostile {
        name: "a text of thousands of placeholders",
        make: |place| {
            let text = "%{vars.a}".repeat(20_000);
            place.write("silo.kdl", format!("vars {{ a \"{}\"; }}\nenv A=\"{text}\"\nagent claude\n", "x".repeat(10_000)));
        },
        code: 1,
        says: &["silo::"],
    },
    Hostile {
        name: "a chain of thousands of names",
        make: |place| {
            let next = |index: usize| format!("let v{index} \"%{{v{}}}\"", index + 1);
            place.write("silo.kdl", format!("{}let v8000 \"x\"\nenv A=\"%{{v0}}\"\nagent claude\n", lines(8_000, next)));
        },
        code: 1,
        says: &["silo::"],
    },
    Hostile {
        name: "patterns of stars",
        make: |place| {
            let stars = "**/*a".repeat(2_000);
            place.write("silo.kdl", format!("when exists=\"{stars}\" host=\"{stars}\" repo=\"{stars}\" {{ agent claude; }}\n"));
        },
        code: 0,
        says: &[],
    },
    Hostile {
        name: "thousands of conditions",
        make: |place| {
            place.write("silo.kdl", lines(4_000, |index| format!("when exists=\"a{index}/**\" {{ env V{index}=\"x\"; }}")));
        },
        code: 0,
        says: &[],
    },
    Hostile {
        name: "conditions within conditions",
        make: |place| {
            place.write("silo.kdl", format!("{}agent claude\n{}", "when os=\"*\" {\n".repeat(31), "}\n".repeat(31)));
        },
        code: 0,
        says: &[],
    },
    Hostile {
        name: "a thousand conditions, every second within another",
        make: |place| {
            place
                .write("silo.kdl", lines(500, |index| format!("when os=\"*\" {{ when host=\"*\" {{ resources cpus={}; }}; }}", index + 1)));
        },
        code: 1,
        says: &["silo::merge::conflict"],
    },
];

#[test]
fn hostile_files_cost_little_and_are_told_clearly() {
    let mut wrong = Vec::new();
    for Hostile { name, make, code, says } in HOSTILE {
        let place = Place::new();
        std::fs::create_dir_all(place.repository()).unwrap();
        make(&place);
        let measured = place.folder.path().join("measured.json");
        let mut best: Option<Duration> = None;
        // A machine that is busy with other things is slow now and then, and silo would be slow each time.
        for _ in 0..3 {
            let silo = place.command(&["check"]);
            let mut command = Command::new("/usr/bin/env");
            command.env_clear().envs(silo.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("MEASURED", &measured);
            command.args(["python3", "-c", MEASURE]).arg(silo.get_program()).args(silo.get_args());
            let ran = command.current_dir(place.repository()).stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8(ran.stderr).expect("silo prints UTF-8");
            let json: Value = serde_json::from_str(&std::fs::read_to_string(&measured).unwrap()).unwrap();
            let (memory, took) = (json["memory"].as_u64().unwrap(), Duration::from_secs_f64(json["processor"].as_f64().unwrap()));
            let shown: String = said.chars().take(600).collect();
            if json["code"].as_i64() != Some(*code) {
                wrong.push(format!("{name}: exit code {} instead of {code}:\n{shown}", json["code"]));
                break;
            }
            for part in says.iter().filter(|part| !said.contains(**part)) {
                wrong.push(format!("{name}: `{part}` is not in\n{shown}"));
            }
            let lines = said.lines().count();
            if lines > 600 || said.len() > 60_000 {
                wrong.push(format!("{name}: floods the screen with {lines} lines, {} bytes", said.len()));
            }
            if said.chars().any(|c| c.is_control() && c != '\n') {
                wrong.push(format!("{name}: commands the terminal:\n{shown:?}"));
            }
            if memory > MEMORY {
                wrong.push(format!("{name}: took {} MB", memory >> 20));
            }
            best = Some(best.map_or(took, |best| best.min(took)));
            if took < PROCESSOR || !wrong.is_empty() {
                break;
            }
        }
        if let Some(took) = best.filter(|took| *took >= PROCESSOR) {
            wrong.push(format!("{name}: took {took:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A quarter of a megabyte of what people write, in five layers.
fn large() -> Project {
    let text = |layer: usize| {
        let mut text =
            String::from(if layer == 1 { "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\nagent claude\n" } else { "" });
        for index in 0.. {
            if text.len() >= 51 * 1024 {
                break;
            }
            // A third of what a layer says, the others say as well.
            let name = if index % 3 == 0 { format!("{index}") } else { format!("{layer}_{index}") };
            text.push_str(&format!("// What the {index}th thing is for, in a sentence.\nenv V{name}=\"value {layer}\"\n"));
            text.push_str(&format!("cache c{name} to=\"/srv/c{name}\"\npost_build \"echo {layer} $HOME\" id=s{name}\n"));
            text.push_str(&format!("layer l{name} {{\n    apt \"curl\" \"p{index}\"\n    run \"make -C /srv/c{name} all\" id=make\n}}\n"));
        }
        text
    };
    ["user.kdl", "silo.kdl", "silo.local.kdl", "below/silo.kdl", "command-line.kdl"]
        .into_iter()
        .enumerate()
        .fold(Project::default(), |project, (layer, path)| project.file(path, text(layer)))
}

#[test]
fn a_quarter_of_a_megabyte_is_read_in_no_time() {
    let project = large();
    // Parsed, merged and decoded, once for all layers and once for those that are shared.
    let limit = Duration::from_millis(if cfg!(debug_assertions) { 2_000 } else { 300 });
    let timed = || {
        let start = Instant::now();
        let loaded = project.load();
        assert!(!loaded.problems.has_errors(), "{}", loaded.rendered());
        start.elapsed()
    };
    let best = (0..3).map(|_| timed()).find(|took| *took < limit).unwrap_or_else(timed);
    assert!(best < limit, "took {best:?}");
}

#[test]
fn only_the_entries_that_are_named_are_read() {
    let entries = |text: &str| {
        let loaded = Project::of(text).load();
        assert!(!loaded.problems.has_errors(), "{}", loaded.rendered());
        loaded
            .sources
            .iter()
            .filter(|(_, source)| source.layer == Layer::Catalog)
            .map(|(_, source)| source.name.clone())
            .collect::<Vec<_>>()
    };
    let least = entries("base \"debian:bookworm\" from=bootstrap\n");
    let more = entries("base \"debian:bookworm\" from=bootstrap\ntool jq\n");
    let new: Vec<&String> = more.iter().filter(|name| !least.contains(name)).collect();
    assert_eq!(new, ["catalog:tool/jq"]);
    assert!(least.len() < 12, "{least:?}");
}
