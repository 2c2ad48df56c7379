//! The formatter: what it makes of texts, and what it must never do.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use silo::document::{self, Document, FormatError};
use silo::problem::Code;
use silo::source::{Layer, Source, SourceId, Sources};

fn id() -> SourceId {
    Sources::default().add(Source { name: String::new(), text: String::new(), layer: Layer::User })
}

fn parse(text: &str) -> Option<Document> {
    let (document, problems) = document::parse(id(), text);
    document.filter(|_| !problems.has_errors())
}

#[track_caller]
fn formatted(text: &str) -> String {
    let once = document::format(id(), text).unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
    assert_eq!(document::format(id(), &once).as_ref(), Ok(&once), "a second time");
    once
}

/// Blanks, comments and joined lines, as they may stand within a node.
fn within() -> BoxedStrategy<String> {
    prop_oneof![
        12 => Just(" "),
        2 => prop_oneof![Just("  "), Just("\t"), Just("\u{a0} ")],
        1 => prop_oneof![Just(" /* noteA */ "), Just("/*noteB*/"), Just("/* noteC\n   noteD\t\n*/ "), Just(" /* /* noteE */ */")],
        1 => prop_oneof![Just(" \\\n"), Just("\\\r\n    "), Just(" \\ // noteF\n\t"), Just(" \\ /* noteG */ \n"), Just(" \\\n \\\n")],
    ]
    .prop_map(str::to_string)
    .boxed()
}

/// As `within`, or nothing.
fn maybe() -> BoxedStrategy<String> {
    prop_oneof![12 => Just(String::new()), 1 => within()].boxed()
}

/// What may stand between nodes.
fn between() -> BoxedStrategy<String> {
    let piece = prop_oneof![
        6 => Just("\n"),
        2 => prop_oneof![Just("   "), Just("\t"), Just("\r\n"), Just("\n\n\n"), Just("\r")],
        2 => prop_oneof![Just("// noteH  \n"), Just("//noteI\r\n"), Just("/* noteJ */"), Just("/* noteK\n\tnoteL */")],
        1 => prop_oneof![Just("\u{85}"), Just("\u{2028}"), Just("\\\n"), Just("\\ // noteM\n")],
    ];
    proptest::collection::vec(piece, 0..3).prop_map(|pieces| pieces.concat()).boxed()
}

fn slashdash() -> BoxedStrategy<String> {
    prop_oneof![
        12 => Just(""),
        1 => prop_oneof![Just("/-"), Just("/- "), Just("/-\n"), Just("/- // noteN\n  "), Just("/-/* noteO */"), Just("/- \\\n")],
    ]
    .prop_map(str::to_string)
    .boxed()
}

fn annotation() -> BoxedStrategy<String> {
    let plain = prop_oneof![Just(String::new()), Just(String::new()), Just("(t)".to_string()), Just("(\"t\")".to_string())];
    prop_oneof![20 => plain, 1 => (maybe(), maybe(), maybe()).prop_map(|(a, b, c)| format!("({a}t{b}){c}"))].boxed()
}

fn text() -> BoxedStrategy<String> {
    let one_line = prop_oneof![
        Just("a"),
        Just("pre-run"),
        Just("-x"),
        Just("\"pre-build\""),
        Just("\"q // \\\" {\""),
        Just("\"x\\  \n   y\""),
        Just("\"\""),
        Just("#\"r\\\"#"),
        Just("##\"r\"#\"##"),
    ];
    let margin = prop_oneof![Just(""), Just("  "), Just("\t"), Just("            ")];
    let line = prop_oneof![
        Just("m"),
        Just("  m  "),
        Just("\tn"),
        Just(""),
        Just("   \u{a0}"),
        Just("e\\n\\\"\\\"\\\""),
        Just("j \\"),
        Just("j\\  "),
        Just("\\s"),
        Just("// x"),
        Just("};"),
        Just("\"\""),
        Just("k \\  l"),
        Just("\\"),
        Just("\\ "),
        Just("é\\u{e9}"),
    ];
    let raw = prop_oneof![Just(""), Just(""), Just("#"), Just("##")];
    let end = prop_oneof![Just("\n"), Just("\n"), Just("\r\n")];
    let block = (margin, proptest::collection::vec(line, 0..4), raw, end).prop_map(|(margin, lines, raw, end)| {
        let lines: String = lines.iter().map(|line| format!("{margin}{line}{end}")).collect();
        format!("{raw}\"\"\"{end}{lines}{margin}\"\"\"{raw}")
    });
    prop_oneof![6 => one_line.prop_map(str::to_string), 1 => block].boxed()
}

fn value() -> BoxedStrategy<String> {
    let other = prop_oneof![Just("1"), Just("-0.50"), Just("0x_1f"), Just("#true"), Just("#null"), Just("#-inf"), Just("1_0e+5")];
    (annotation(), prop_oneof![2 => text(), 1 => other.prop_map(str::to_string)]).prop_map(|(kind, value)| format!("{kind}{value}")).boxed()
}

fn entry() -> BoxedStrategy<String> {
    let property = (text(), maybe(), maybe(), value()).prop_map(|(name, a, b, value)| format!("{name}{a}={b}{value}"));
    (within(), slashdash(), prop_oneof![2 => value(), 1 => property]).prop_map(|(a, slash, entry)| format!("{a}{slash}{entry}")).boxed()
}

fn block(nodes: BoxedStrategy<String>) -> BoxedStrategy<String> {
    (maybe(), slashdash(), nodes).prop_map(|(a, slash, nodes)| format!("{a}{slash}{{{nodes}}}")).boxed()
}

fn nodes() -> BoxedStrategy<String> {
    between()
        .prop_recursive(4, 24, 3, |inner| {
            let blocks = proptest::collection::vec(block(inner), 0..2).prop_map(|blocks| blocks.concat());
            let terminator = prop_oneof![
                6 => Just("\n"),
                2 => prop_oneof![Just(";"), Just("; "), Just("\r\n"), Just("\u{c}")],
                1 => prop_oneof![Just(" // noteP\n"), Just("; // noteQ \n"), Just("; /* noteR */ "), Just(" \\\n\n")],
            ];
            let node =
                (between(), slashdash(), annotation(), text(), proptest::collection::vec(entry(), 0..3), blocks, maybe(), terminator);
            let node = node.prop_map(|(space, slash, kind, name, entries, blocks, after, end)| {
                format!("{space}{slash}{kind}{name}{}{blocks}{after}{end}", entries.concat())
            });
            (proptest::collection::vec(node, 0..4), between()).prop_map(|(nodes, last)| format!("{}{last}", nodes.concat()))
        })
        .boxed()
}

/// Holds a text that can be read to what formatting promises.
fn promises(text: &str) -> Result<(), TestCaseError> {
    let Some(before) = parse(text) else { return Err(TestCaseError::reject("not KDL")) };
    let once = match document::format(id(), text) {
        Ok(once) => once,
        Err(error) => return Err(TestCaseError::fail(format!("{text:?}: {error:?}"))),
    };
    prop_assert!(parse(&once).is_some_and(|after| document::same(&before, &after)), "{text:?} means something else as {once:?}");
    let twice = document::format(id(), &once);
    prop_assert_eq!(Ok(&once), twice.as_ref(), "a second time, of {:?}", text);
    for note in 'A'..='R' {
        let note = format!("note{note}");
        prop_assert_eq!(text.matches(&note).count(), once.matches(&note).count(), "{} in {:?} of {:?}", note, once, text);
    }
    prop_assert!(once.is_empty() || once.ends_with('\n') && !once.ends_with("\n\n") && !once.starts_with('\n'), "{once:?}");
    prop_assert!(!once.contains("\n\n\n") || text.contains("\"\"\""), "{once:?}");
    prop_assert!(!once.contains('\r') && !once.contains('\u{feff}'), "{once:?}");
    Ok(())
}

#[test]
fn a_handsome_file() {
    let text = "\u{feff}/-kdl-version 2\r\n\r\n\r\n\r\n// who\r\nuse   agent = claude;   base \"debian:bookworm\"  {   // the base\r\n\r\n  apt   \"git\"   \"curl\"\r\n/* more */ apt jq; run \"true\"   // done   \r\n\r\n\r\n\tpre-run \"x\"\r\n\r\n}\r\nlanguage python version=\"3.12\" {package-manager uv;lsp basedpyright;}\r\nenv{}\r\nlayer x {\r\n}\r\n( remove )tool jq\r\nresources memory=( default ) \"8GiB\"";
    insta::assert_snapshot!(formatted(text), @r#"
    /- kdl-version 2

    // who
    use agent=claude
    base "debian:bookworm" { // the base

        apt "git" "curl"
        /* more */ apt jq
        run "true" // done

        pre_run "x"
    }
    language python version="3.12" { package-manager uv; lsp basedpyright }
    env { }
    layer x { }
    (remove)tool jq
    resources memory=(default)"8GiB"
    "#);
}

#[test]
fn texts_of_several_lines_move_with_their_node() {
    let text = "layer x {\npost-build id=a \"\"\"\n  set -eu\n    indented  \n\n  echo \"$HOME\" \\\n      joined\n  \"\"\" as=user\n      run #\"\"\"\n\t\t\\d+\n\t\t\t\ttab\n\t\t\"\"\"#\n}\nrun \"\"\"\n\"\"\"\nfile \"/x\" \"\"\"\n{ \"a\": 1 }\n\"\"\"\n";
    insta::assert_snapshot!(formatted(text), @r##"
    layer x {
        post_build id=a """
            set -eu
              indented  

            echo "$HOME" \
                joined
            """ as=user
        run #"""
            \d+
            		tab
            """#
    }
    run """
        """
    file "/x" """
        { "a": 1 }
        """
    "##);
}

#[test]
fn comments_and_joined_lines_stay() {
    let text = "/* one\n   two */\nlayer x { // here\n      /* deep\n         deeper\n       */\n  // own line\n  /- run \"off\"\n /-\n // why\n apt a /- b /-c=d /* e */ f /-{ g }\n mount \"a\" \\\n\"b\" \\ // and\n   mode=ro\n\n\n  // last\n\n}\n\n// end\n\n";
    insta::assert_snapshot!(formatted(text), @r#"
    /* one
       two */
    layer x { // here
        /* deep
           deeper
         */
        // own line
        /-run "off"
        /- // why
        apt a /-b /-c=d /* e */ f /-{ g }
        mount "a" \
            "b" \ // and
            mode=ro

        // last
    }

    // end
    "#);
}

#[test]
fn what_is_written_on_one_line_stays_on_one() {
    let text = "a {b;c {d 1 ; e};/* f */ g;}\nh { i; // j\nk }\nl { /* m */ }\nn { run \"\"\"\n o\n \"\"\"; p }\nq; r\n";
    insta::assert_snapshot!(formatted(text), @r#"
    a { b; c { d 1; e }; /* f */ g }
    h {
        i // j
        k
    }
    l { /* m */ }
    n {
        run """
            o
            """
        p
    }
    q
    r
    "#);
}

#[test]
fn quotes_numbers_and_names_stay_as_they_were_written() {
    let text = "env A=\"x\" B=#\"y\\z\"# \"C\"=0x1F D=1_000 E=1.20 F=#true\n\"pre-build\" \"x\"\npre-build pre-build=pre-build\nuse \"update-hours\"=5 agent=update-hours\nunknown-node\n";
    insta::assert_snapshot!(formatted(text), @r##"
    env A="x" B=#"y\z"# "C"=0x1F D=1_000 E=1.20 F=#true
    pre_build "x"
    pre_build pre_build=pre-build
    use update_hours=5 agent=update-hours
    unknown-node
    "##);
}

#[test]
fn nothing_comes_of_nothing() {
    for text in ["", "\n\n", "\u{feff}", "  \r\n\t"] {
        assert_eq!(formatted(text), "");
    }
}

#[test]
fn what_cannot_be_read_is_not_formatted() {
    let codes = |text: &str| match document::format(id(), text) {
        Err(FormatError::Problems(problems)) => problems.iter().map(|problem| problem.code).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(codes("a {"), [Code::Syntax]);
    assert_eq!(codes("components clippy, rustfmt"), [Code::Syntax]);
    assert_eq!(codes("a #true\"x\""), [Code::Syntax]);
    assert_eq!(codes("a #true/-a \\\na"), [Code::Syntax]);
    assert_eq!(codes(&"a{".repeat(100_000)), [Code::TooDeep]);
    // Indented, it would be longer than silo reads.
    let wide = format!("{}{}{}", "a{".repeat(30), "b\n".repeat(100_000), "}".repeat(30));
    assert_eq!(codes(&wide), [Code::TooLarge]);
}

fn kdl_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            kdl_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "kdl") {
            found.push(path);
        }
    }
}

#[test]
fn what_silo_ships_is_formatted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("silo.kdl.example")];
    for folder in ["images", "examples", "schemas"] {
        kdl_files(&root.join(folder), &mut files);
    }
    assert!(files.len() > 60, "the files are found");
    let other: Vec<String> = files
        .iter()
        .filter(|path| {
            let text = fs::read_to_string(path).unwrap();
            document::format(id(), &text).as_ref() != Ok(&text)
        })
        .map(|path| path.display().to_string())
        .collect();
    assert!(other.is_empty(), "not in silo's style, `silo fmt` mends it:\n{}", other.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, max_global_rejects: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn formatting_keeps_all_that_is_said(text in nodes()) {
        promises(&text)?;
    }

    #[test]
    fn formatting_keeps_what_is_put_together_at_random(pieces in proptest::collection::vec(prop_oneof![
        6 => prop_oneof![Just("a"), Just("b"), Just("pre-run"), Just("1"), Just("#true"), Just("\"q\"")],
        6 => prop_oneof![Just(" "), Just("\n"), Just(" "), Just("\r\n"), Just("\t")],
        4 => prop_oneof![Just("="), Just(";"), Just("{"), Just("}"), Just("(t)"), Just(" {\n"), Just("{ x; y }"), Just("/-"), Just(" \\\n")],
        2 => prop_oneof![Just("// noteA\n"), Just("/* noteB */"), Just("/* noteC\n noteD */"), Just("\\ // noteE\n"), Just("/*noteF/**/*/")],
        1 => prop_oneof![Just("#\"r\\\"#"), Just("\"\"\"\n  m\n\n   n\n  \"\"\""), Just("#\"\"\"\r\n\t\"\r\n\t\"\"\"#"), Just("\"\"\"\n\"\"\""), Just("\u{feff}")],
    ], 0..12)) {
        promises(&pieces.concat())?;
    }
}
