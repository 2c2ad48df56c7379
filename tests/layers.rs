//! Merging: each rule with literals, and the laws with random files.

use proptest::prelude::*;
use silo::document;
use silo::layers::{self, Facts, File, Layered, Path, Saying};
use silo::problem::{Code, Problems};
use silo::schema::{self, FileKind};
use silo::source::{Layer, Source, Sources};

/// Files of a test: layer, text, imports.
type Written<'a> = (Layer, &'a str, &'a [usize]);

fn files(written: &[Written<'_>]) -> (Sources, Vec<File>) {
    let mut sources = Sources::default();
    let mut files = Vec::new();
    for (index, (layer, text, imports)) in written.iter().enumerate() {
        let id = sources.add(Source { name: format!("{index}.kdl"), text: (*text).into(), layer: *layer });
        let (document, problems) = document::parse(id, text);
        assert!(problems.is_empty(), "{text}: {problems:?}");
        let document = document.unwrap();
        let problems = schema::check(&document, FileKind::Configuration);
        assert!(problems.is_empty(), "{text}: {problems:?}");
        files.push(File { imports: imports.to_vec(), ..File::new(*layer, document) });
    }
    (sources, files)
}

fn merge(written: &[Written<'_>]) -> (Sources, Layered, Problems) {
    let (sources, files) = files(written);
    let (layered, problems) = layers::merge(&files, &Facts::default());
    (sources, layered, problems)
}

/// What the files come to, printed; there must be no problem.
fn merged(written: &[Written<'_>]) -> String {
    let (_, layered, problems) = merge(written);
    assert!(problems.is_empty(), "{problems:#?}");
    document::print(&layered.nodes)
}

/// The one problem of the files: its code, and the places it labels.
fn problem(written: &[Written<'_>]) -> (Code, Vec<String>) {
    let (sources, _, problems) = merge(written);
    let found: Vec<_> = problems.iter().collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    let label = |label: &silo::problem::Label| format!("{} {}", sources.place(label.span), sources.slice(label.span));
    (found[0].code, found[0].labels.iter().map(label).collect())
}

const USER: Layer = Layer::User;
const PROJECT: Layer = Layer::Project(0);
const DEEPER: Layer = Layer::Project(1);

#[test]
fn the_nearer_layer_wins_value_by_value() {
    let text = merged(&[
        (PROJECT, "resources memory=\"8GiB\" cpus=4\nlanguage go version=\"1.22\"", &[]),
        (DEEPER, "resources memory=\"16GiB\"\nlanguage go source=vendor\nlanguage rust", &[]),
    ]);
    assert_eq!(text, "resources cpus=4 memory=\"16GiB\"\nlanguage \"go\" source=\"vendor\" version=\"1.22\"\nlanguage \"rust\"\n");
}

#[test]
fn a_value_keeps_the_place_that_set_it_and_what_lost_is_kept() {
    let (sources, layered, _) = merge(&[(USER, "resources memory=\"8GiB\" cpus=4", &[]), (PROJECT, "\nresources memory=\"16GiB\"", &[])]);
    let place = |name: &str| sources.place(layered.nodes[0].property(name).unwrap().span);
    assert_eq!((place("memory"), place("cpus")), ("1.kdl:2".into(), "0.kdl:1".into()));
    let told = layered.definitions(&Path::parse("resources.memory").unwrap());
    assert_eq!(
        told.iter().map(|d| (sources.place(d.span), d.holds)).collect::<Vec<_>>(),
        [("1.kdl:2".into(), true), ("0.kdl:1".into(), false)]
    );
    assert!(matches!(&told[1].saying, Saying::Values(values) if values[0].as_str() == Some("8GiB")));
}

#[test]
fn an_importing_file_is_stronger_and_siblings_must_agree() {
    let importing = "base \"b\"";
    assert_eq!(merged(&[(PROJECT, "base \"a\"", &[]), (PROJECT, importing, &[0])]), "base \"b\"\n");
    assert_eq!(merged(&[(PROJECT, "base \"a\"", &[]), (PROJECT, "", &[0]), (PROJECT, importing, &[1])]), "base \"b\"\n", "indirectly");
    let (code, places) = problem(&[(PROJECT, "base \"a\"", &[]), (PROJECT, "base \"b\"", &[]), (PROJECT, "", &[0, 1])]);
    assert_eq!((code, places), (Code::Conflict, vec!["0.kdl:1 \"a\"".into(), "1.kdl:1 \"b\"".into()]));
    assert_eq!(merged(&[(PROJECT, "base \"a\"", &[]), (PROJECT, "base \"a\"", &[]), (PROJECT, "", &[0, 1])]), "base \"a\"\n", "they agree");
    assert_eq!(
        merged(&[(PROJECT, "base \"a\"", &[]), (PROJECT, "base \"b\"", &[]), (PROJECT, "base \"c\"", &[0, 1])]),
        "base \"c\"\n",
        "the importing file settles it"
    );
}

#[test]
fn twice_in_one_file_is_a_conflict_unless_it_is_the_same() {
    let (code, places) = problem(&[(PROJECT, "use agent=a\nuse agent=b", &[])]);
    assert_eq!((code, places), (Code::Conflict, vec!["0.kdl:1 agent=a".into(), "0.kdl:2 agent=b".into()]));
    assert_eq!(merged(&[(PROJECT, "use agent=a\nuse agent=a backend=docker", &[])]), "use agent=\"a\" backend=\"docker\"\n");
}

#[test]
fn defaults_lose_and_forces_win() {
    assert_eq!(merged(&[(USER, "use agent=a", &[]), (PROJECT, "use agent=(default)b", &[])]), "use agent=\"a\"\n");
    assert_eq!(merged(&[(USER, "use agent=(force)a", &[]), (PROJECT, "use agent=b", &[])]), "use agent=\"a\"\n");
    assert_eq!(
        merged(&[(USER, "(default)language go version=\"1\"", &[]), (USER, "language go version=\"2\"", &[])]),
        "language \"go\" version=\"2\"\n"
    );
    assert_eq!(
        merged(&[(USER, "(force)resources cpus=1 memory=(default)\"1GiB\"", &[]), (PROJECT, "resources cpus=2 memory=\"2GiB\"", &[])]),
        "resources cpus=1 memory=\"2GiB\"\n",
        "the inner annotation wins over the outer one"
    );
    assert_eq!(
        merged(&[(USER, "(force)agent a { mcp x; env V=\"1\"; }", &[]), (PROJECT, "agent a { env V=\"2\"; mcp y; }", &[])]),
        "agent \"a\" {\n    mcp \"x\"\n    env V=\"1\"\n    mcp \"y\"\n}\n",
        "an annotation is pushed to the leaves and replaces no record"
    );
}

#[test]
fn among_forces_the_outermost_wins_with_a_warning() {
    let written: &[Written<'_>] = &[(USER, "use agent=(force)a", &[]), (PROJECT, "use agent=(force)b", &[])];
    let (_, layered, _) = merge(written);
    assert_eq!(document::print(&layered.nodes), "use agent=\"a\"\n");
    let (code, places) = problem(written);
    assert_eq!((code, places), (Code::ForceShadowed, vec!["1.kdl:1 agent=(force)b".into(), "0.kdl:1 agent=(force)a".into()]));
}

#[test]
fn removal_takes_weaker_things_away_and_the_stronger_start_fresh() {
    let removed = "(remove)language go";
    assert_eq!(merged(&[(USER, "language go version=\"1\"", &[]), (PROJECT, removed, &[])]), "");
    assert_eq!(
        merged(&[(USER, "language go version=\"1\" source=x", &[]), (PROJECT, removed, &[]), (DEEPER, "language go version=\"2\"", &[])]),
        "language \"go\" version=\"2\"\n"
    );
    assert_eq!(merged(&[(USER, "use agent=a backend=docker", &[]), (PROJECT, "use agent=#null", &[])]), "use backend=\"docker\"\n");
    assert_eq!(problem(&[(PROJECT, removed, &[])]).0, Code::RemovesNothing);
    assert_eq!(problem(&[(PROJECT, "(remove)post_build", &[])]).0, Code::RemovesNothing);
    assert_eq!(problem(&[(PROJECT, "language go\n(remove)language go", &[])]).0, Code::Conflict);
}

#[test]
fn replacement_starts_fresh() {
    assert_eq!(
        merged(&[(USER, "language go version=\"1\" { lsp gopls; }", &[]), (PROJECT, "(replace)language go source=x", &[])]),
        "language \"go\" source=\"x\"\n"
    );
    assert_eq!(
        merged(&[(USER, "base { apt \"a\" \"b\"; run \"x\"; }", &[]), (PROJECT, "base { (replace)apt \"c\"; }", &[])]),
        "base {\n    run \"x\"\n    apt \"c\"\n}\n"
    );
    assert_eq!(
        merged(&[(USER, "language go version=\"1\"", &[]), (PROJECT, "(replace)language go version=(default)\"2\"", &[])]),
        "language \"go\" version=\"2\"\n",
        "what stands in a replacement is never weaker than it"
    );
}

#[test]
fn lists_are_added_up_without_doubles() {
    assert_eq!(
        merged(&[(USER, "pre_run \"a\"\npre_run \"b\" id=x", &[]), (PROJECT, "pre_run \"a\"\npre_run \"c\"\npre_run \"d\" id=x", &[])]),
        "pre_run \"a\"\npre_run \"d\" id=\"x\"\npre_run \"c\"\n"
    );
    assert_eq!(
        merged(&[(USER, "pre_run \"b\" id=x\npre_run \"a\"", &[]), (PROJECT, "(remove)pre_run id=x\n(remove)pre_run \"a\"", &[])]),
        ""
    );
    assert_eq!(
        merged(&[
            (USER, "pre_run \"b\" id=x\npre_run \"a\"", &[]),
            (PROJECT, "(remove)pre_run id=x", &[]),
            (DEEPER, "pre_run \"n\" id=x", &[])
        ]),
        "pre_run \"a\"\npre_run \"n\" id=\"x\"\n",
        "what was removed and comes again stands where it comes again"
    );
}

#[test]
fn steps_keep_their_order() {
    assert_eq!(
        merged(&[(USER, "base { apt \"a\"; run \"x\"; apt \"b\" \"a\" \"c\"; path \"/p\"; }", &[])]),
        "base {\n    apt \"a\"\n    run \"x\"\n    apt \"b\" \"c\"\n    path \"/p\"\n}\n"
    );
    assert_eq!(
        merged(&[(USER, "base { apt \"a\" \"b\"; }", &[]), (PROJECT, "base { apt (remove)\"a\" \"c\"; }", &[])]),
        "base {\n    apt \"b\" \"c\"\n}\n"
    );
}

#[test]
fn arguments_of_an_agent_are_added_whole() {
    assert_eq!(
        merged(&[(USER, "agent a { args \"-c\" \"x\"; }", &[]), (PROJECT, "agent a { args \"-c\" \"y\"; command \"p\" \"q\"; }", &[])]),
        "agent \"a\" {\n    args \"-c\" \"x\"\n    args \"-c\" \"y\"\n    command \"p\" \"q\"\n}\n"
    );
}

#[test]
fn mounts_are_keyed_by_their_target() {
    assert_eq!(
        merged(&[
            (USER, "mount \"~/a\" \"~/b\" mode=ro\nmount \"~/c\" to=\"/d\"", &[]),
            (PROJECT, "mount \"~/a\" mode=rw\nmount \"./e\" to=\"/d\"", &[])
        ]),
        "mount \"~/a\" mode=\"rw\"\nmount \"~/b\" mode=\"ro\"\nmount \"./e\" to=\"/d\"\n"
    );
}

#[test]
fn variables_are_merged_by_name() {
    assert_eq!(
        merged(&[
            (USER, "env A B X=\"1\" Y=\"2\"", &[]),
            (PROJECT, "env A=\"v\" X=\"3\" { (remove)B; Y phase=both; Z from=host secret=#true; }", &[])
        ]),
        "env A=\"v\" X=\"3\" {\n    Y \"2\" phase=\"both\"\n    Z from=\"host\" secret=#true\n}\n"
    );
    assert_eq!(merged(&[(USER, "env A=\"1\"", &[]), (PROJECT, "env A", &[])]), "env \"A\"\n", "passed through instead of set");
    assert_eq!(
        merged(&[(USER, "env { A from=host required=#false; }", &[]), (PROJECT, "env A=\"1\"", &[])]),
        "env {\n    A \"1\" required=#false\n}\n"
    );
    assert_eq!(merged(&[(USER, "env A B=\"1\"", &[]), (PROJECT, "env (remove)A B=#null", &[])]), "");
    assert_eq!(merged(&[(USER, "env A B=\"1\"", &[]), (PROJECT, "(replace)env C=\"1\"", &[])]), "env C=\"1\"\n");
}

#[test]
fn definitions_are_closed() {
    let first = "define tool x { doc \"a\"; }";
    let second = "define tool x { doc \"b\"; }";
    assert_eq!(problem(&[(PROJECT, first, &[]), (PROJECT, second, &[]), (PROJECT, "", &[0, 1])]).0, Code::Conflict);
    assert_eq!(problem(&[(USER, first, &[]), (PROJECT, second, &[])]).0, Code::Redefinition);
    // Told once, against the weakest one, whatever the order of the files.
    let third = "define tool x { doc \"c\"; }";
    for (files, places) in [
        ([(USER, first), (PROJECT, second), (DEEPER, third)], ["2.kdl:1 define", "0.kdl:1 define"]),
        ([(DEEPER, third), (PROJECT, second), (USER, first)], ["0.kdl:1 define", "2.kdl:1 define"]),
    ] {
        let told = problem(&files.map(|(layer, text)| -> Written { (layer, text, &[]) }));
        assert_eq!(told, (Code::Redefinition, places.map(str::to_string).to_vec()));
    }
    // What was taken away in between is not there to be defined again.
    assert_eq!(
        merged(&[(USER, first, &[]), (PROJECT, "(remove)define tool x", &[]), (DEEPER, third, &[])]),
        "define \"tool\" \"x\" {\n    doc \"c\"\n}\n"
    );
    assert_eq!(merged(&[(USER, first, &[]), (PROJECT, first, &[])]), "define \"tool\" \"x\" {\n    doc \"a\"\n}\n");
    assert_eq!(
        merged(&[(USER, first, &[]), (PROJECT, "(replace)define tool x { doc \"b\"; }", &[])]),
        "(replace)define \"tool\" \"x\" {\n    doc \"b\"\n}\n",
        "the annotation stays for whoever compares with the catalog"
    );
}

#[test]
fn file_local_nodes_are_not_merged() {
    assert_eq!(merged(&[(USER, "silo edition=\"2026\"\nimport \"x\"\nuse agent=a", &[])]), "use agent=\"a\"\n");
}

#[test]
fn shown_with_its_sources() {
    let (sources, layered, _) = merge(&[
        (USER, "resources cpus=4\nenv A=\"1\"", &[]),
        (PROJECT, "resources memory=\"8GiB\"\nagent a { mcp x; }\npre_run \"\"\"\n  b\n\n  c\n  \"\"\"", &[]),
    ]);
    let text = layers::print_with_sources(&layered, &sources);
    insta::assert_snapshot!(text, @r#"
    resources cpus=4 memory="8GiB" // 0.kdl:1, 1.kdl:1
    env A="1" // 0.kdl:2
    agent "a" { // 1.kdl:2
        mcp "x" // 1.kdl:2
    }
    pre_run """
        b

        c
        """ // 1.kdl:3
    "#);
    let id = sources.clone().add(Source { name: "shown".into(), text: text.clone(), layer: PROJECT });
    assert_eq!(document::print(&document::parse(id, &text).0.unwrap().nodes), document::print(&layered.nodes));
    let json = layers::to_json(&layered, &sources);
    assert_eq!(json[0]["properties"]["memory"], serde_json::json!({ "value": "8GiB", "at": "1.kdl:1" }));
}

/// A random node in KDL that passes the check.
fn any_node() -> impl Strategy<Value = String> {
    let mark = || prop_oneof![5 => Just(""), 1 => Just("(default)"), 1 => Just("(force)"), 1 => Just("(remove)"), 1 => Just("(replace)")];
    let weight = || prop_oneof![4 => Just(""), 1 => Just("(default)"), 1 => Just("(force)")];
    let letter = || prop_oneof![Just("a"), Just("b")];
    prop_oneof![
        (mark(), letter(), weight(), letter()).prop_map(|(m, k, w, v)| format!("{m}language {k} version={w}\"{v}\"")),
        (mark(), letter(), letter()).prop_map(|(m, k, v)| format!("{m}post_build \"{v}\" id={k}")),
        (mark(), letter()).prop_map(|(m, v)| format!("{m}pre_run \"{v}\"")),
        (mark(), letter(), letter()).prop_map(|(m, k, v)| format!("base \"{k}\" {{ {m}apt \"{v}\" \"c\"; run \"{k}\"; }}")),
        (weight(), letter(), letter()).prop_map(|(w, k, v)| format!("env {k} {v}x={w}\"{k}\"")),
        (letter(), letter()).prop_map(|(k, v)| format!("env {{ {k} \"{v}\" phase=run; }}")),
        (mark(), letter()).prop_map(|(m, k)| format!("env {{ {m}{k} from=host; }}")),
        (mark(), letter(), letter()).prop_map(|(m, k, v)| format!("agent x {{ {m}mcp {k}; args \"{v}\"; }}")),
        (weight(), letter()).prop_map(|(w, v)| format!("use agent={w}{v}")),
        (mark(), letter(), letter()).prop_map(|(m, k, v)| format!("{m}mount \"{k}\" to=\"/{v}\"")),
        letter().prop_map(|_| "use agent=#null".to_string()),
    ]
}

/// Three files of two layers; the second project file imports the first when asked.
fn any_files() -> impl Strategy<Value = Vec<(Layer, String, Vec<usize>)>> {
    let text = || proptest::collection::vec(any_node(), 1..5).prop_map(|nodes| nodes.join("\n"));
    (text(), text(), text(), text(), any::<bool>()).prop_map(|(user, imported, sibling, root, chain)| {
        let imports = if chain { vec![1] } else { Vec::new() };
        vec![(USER, user, vec![]), (PROJECT, imported, vec![]), (PROJECT, sibling, imports), (PROJECT, root, vec![1, 2])]
    })
}

fn borrowed(written: &[(Layer, String, Vec<usize>)]) -> Vec<Written<'_>> {
    written.iter().map(|(layer, text, imports)| (*layer, text.as_str(), imports.as_slice())).collect()
}

/// Problems without regard to their order.
fn told(problems: &Problems) -> Vec<String> {
    let mut told: Vec<String> = problems.iter().map(|problem| format!("{problem:?}")).collect();
    told.sort();
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_global_rejects: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_files_means_nothing(written in any_files(), permutation in Just(vec![0usize, 1, 2, 3]).prop_shuffle()) {
        let (_, files) = files(&borrowed(&written));
        let (layered, problems) = layers::merge(&files, &Facts::default());
        let shuffled: Vec<File> = permutation
            .iter()
            .map(|from| {
                let place = |import: &usize| permutation.iter().position(|other| other == import).unwrap();
                File { imports: files[*from].imports.iter().map(place).collect(), ..files[*from].clone() }
            })
            .collect();
        let (again, problems_again) = layers::merge(&shuffled, &Facts::default());
        prop_assert_eq!(again.nodes, layered.nodes);
        prop_assert_eq!(told(&problems_again), told(&problems));
    }

    #[test]
    fn a_file_read_twice_is_read_once(written in any_files(), which in 0usize..4) {
        let (_, mut files) = files(&borrowed(&written));
        let (once, _) = layers::merge(&files, &Facts::default());
        let copy = files[which].clone();
        // Whoever imports the file imports the copy too.
        let copied = files.len();
        for file in &mut files {
            if file.imports.contains(&which) {
                file.imports.push(copied);
            }
        }
        files.push(copy);
        let (twice, _) = layers::merge(&files, &Facts::default());
        prop_assert_eq!(document::print(&twice.nodes), document::print(&once.nodes));
    }

    #[test]
    fn what_is_merged_merges_to_itself(written in any_files()) {
        let (_, layered, problems) = merge(&borrowed(&written));
        // After a conflict there is nothing that would be read again.
        prop_assume!(!problems.has_errors());
        let text = document::print(&layered.nodes);
        let (_, again, problems) = merge(&[(PROJECT, text.as_str(), &[])]);
        prop_assert!(!problems.has_errors(), "{}\n{:?}", text, problems);
        prop_assert_eq!(document::print(&again.nodes), text);
    }

    #[test]
    fn a_stronger_plain_value_decides_and_repairs(written in any_files()) {
        let plain: Vec<_> = written.iter().map(|(layer, text, imports)| (*layer, text.replace("(force)", ""), imports.clone())).collect();
        let mut with: Vec<Written<'_>> = borrowed(&plain);
        with.push((DEEPER, "use agent=z", &[]));
        let (_, layered, problems) = merge(&with);
        let agent = layered.nodes.iter().find(|node| node.name == "use").and_then(|node| node.property("agent"));
        prop_assert_eq!(agent.and_then(|entry| entry.value.as_str()), Some("z"));
        prop_assert!(!problems.iter().any(|problem| problem.message.contains("use.agent")));
    }

    #[test]
    fn provenance_is_a_place_of_an_input(written in any_files()) {
        let (sources, layered, _) = merge(&borrowed(&written));
        for node in layered.nodes.iter().flat_map(|node| std::iter::once(node).chain(node.children())) {
            for entry in &node.entries {
                let text = entry.value.as_str().unwrap_or_default();
                prop_assert!(sources.slice(entry.span).contains(text), "{:?} is not at {:?}", text, sources.slice(entry.span));
            }
        }
    }
}
