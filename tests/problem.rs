//! The picture of a problem.

use silo::document;
use silo::layers::{self, File};
use silo::problem::{self, Code, Problem, Problems, RenderOptions};
use silo::schema::{self, FileKind};
use silo::source::{Layer, Source, Sources, Span};

const PLAIN: RenderOptions = RenderOptions { width: 100, color: false, unicode: true };

/// Parses, checks and merges files, the later ones importing nothing, and draws every problem.
fn drawn(files: &[(&str, Layer, &str)], options: RenderOptions) -> String {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let mut parsed = Vec::new();
    for (name, layer, text) in files {
        let id = sources.add(Source { name: (*name).into(), text: (*text).into(), layer: *layer });
        let (document, found) = document::parse(id, text);
        problems.extend(found);
        let Some(document) = document else { continue };
        problems.extend(schema::check(&document, FileKind::Configuration));
        parsed.push(File::new(*layer, document));
    }
    problems.extend(layers::merge(&parsed, &layers::Facts::default()).1);
    problem::render(&problems, &sources, options)
}

#[test]
fn a_version_that_kdl_reads_as_a_number() {
    insta::assert_snapshot!(drawn(&[("silo.kdl", Layer::Project(0), "use agent=claude\n\nlanguage go version=1.20\n")], PLAIN), @r#"
    silo::check::wrong-type

      × the version of `language` must be text, not a number
       ╭─[silo.kdl:3:13]
     2 │ 
     3 │ language go version=1.20
       ·             ──────┬─────
       ·                   ╰── this is a number
       ╰────
      help: write `version="1.20"`: without quotes KDL reads the number 1.2
    "#);
}

#[test]
fn a_misspelt_node() {
    insta::assert_snapshot!(drawn(&[("silo.kdl", Layer::Project(0), "\tlangauge rust")], PLAIN), @r#"
    silo::check::unknown-node

      × there is no node `langauge` at the top of a file
       ╭─[silo.kdl:1:2]
     1 │     langauge rust
       ·     ────┬───
       ·         ╰── not known here
       ╰────
      help: did you mean `language`?
    "#);
}

#[test]
fn a_missing_brace() {
    let text = "base \"debian:bookworm\" {\n    apt \"git\"\n\nlanguage go\n";
    insta::assert_snapshot!(drawn(&[("silo.kdl", Layer::Project(0), text)], PLAIN), @r#"
    silo::parse::syntax

      × a block is never closed
       ╭─[silo.kdl:1:24]
     1 │ base "debian:bookworm" {
       ·                        ┬
       ·                        ╰── this `{` has no `}`
     2 │     apt "git"
     3 │ 
     4 │ language go
       · ────┬───
       ·     ╰── the `}` is probably missing before this line
       ╰────
      help: add a `}` on a line of its own where the block ends
    "#);
}

#[test]
fn two_files_that_disagree() {
    let files = [
        ("team/one.kdl", Layer::Project(0), "// one\nlanguage node version=\"20\"\n"),
        ("team/two.kdl", Layer::Project(0), "// two\n// more\nlanguage node version=\"22\"\n"),
    ];
    insta::assert_snapshot!(drawn(&files, PLAIN), @r#"
    silo::merge::conflict

      × `language.node.version` is given two values, and neither is stronger
       ╭─[team/one.kdl:2:15]
     1 │ // one
     2 │ language node version="20"
       ·               ──────┬─────
       ·                     ╰── here it is `"20"`
       ╰────
       ╭─[team/two.kdl:3:15]
     2 │ // more
     3 │ language node version="22"
       ·               ──────┬─────
       ·                     ╰── here it is `"22"`
       ╰────
      help: say it in the file that imports both, or mark one of them `(default)` or `(force)`
    "#);
}

#[test]
fn a_warning_in_ascii() {
    let files = [
        ("~/.config/silo/silo.kdl", Layer::User, "resources memory=(force)\"8GiB\"\n"),
        ("silo.kdl", Layer::Project(0), "resources memory=(force)\"64GiB\"\n"),
    ];
    insta::assert_snapshot!(drawn(&files, RenderOptions { unicode: false, ..PLAIN }), @r#"
    silo::merge::force-shadowed

      ! `resources.memory` is forced twice, and the file further out wins
       ,-[~/.config/silo/silo.kdl:1:11]
     1 | resources memory=(force)"8GiB"
       :           ^^^^^^^^^^|^^^^^^^^^
       :                     `-- this holds
       `----
       ,-[silo.kdl:1:11]
     1 | resources memory=(force)"64GiB"
       :           ^^^^^^^^^^|^^^^^^^^^^
       :                     `-- this has no effect
       `----
      help: take the `(force)` away here; only the outermost one counts
    "#);
}

#[test]
fn a_quote_that_is_missing() {
    insta::assert_snapshot!(drawn(&[("silo.kdl", Layer::Project(0), "mount ~/.gitconfig mode=ro\r\nresources memory=8GiB\r\n")], PLAIN), @r#"
    silo::parse::syntax

      × `~/.gitconfig` needs quotes
       ╭─[silo.kdl:1:7]
     1 │ mount ~/.gitconfig mode=ro
       ·       ──────┬─────
       ·             ╰── here
     2 │ resources memory=8GiB
       ╰────
      help: quote it: `"~/.gitconfig"`

    silo::parse::syntax

      × `8GiB` begins like a number and is none
       ╭─[silo.kdl:2:18]
     1 │ mount ~/.gitconfig mode=ro
     2 │ resources memory=8GiB
       ·                  ──┬─
       ·                    ╰── here
       ╰────
      help: quote it: `"8GiB"`
    "#);
}

#[test]
fn nothing_in_a_file_moves_the_cursor_or_hides() {
    let hostile = "\u{1b}[2J\u{202e}\u{200b}\u{7}\r\u{9b}";
    let text = format!("x \"{hostile}\"\nlangauge{hostile} \"a\"\n");
    let shown = drawn(&[(&format!("a{hostile}.kdl"), Layer::Project(0), &text)], PLAIN);
    assert!(shown.contains("\\u{1b}[2J\\u{202e}\\u{200b}\\u{7}"), "{shown:?}");
    let bad = |c: &char| c.is_control() && *c != '\n' || matches!(*c, '\u{202e}' | '\u{200b}');
    assert_eq!(shown.chars().find(bad), None, "{shown:?}");
    // The label still points at the right place.
    let mut sources = Sources::default();
    let id = sources.add(Source { name: "x".into(), text: "a\u{1b}\u{202e}bcd".into(), layer: Layer::User });
    let mut problems = Problems::default();
    problems.push(Problem::new(Code::Syntax, "m\u{1b}\n").at(Span { source: id, start: 5, end: 8 }, "l\u{1b}").help("h\u{1b}"));
    let shown = problem::render(&problems, &sources, PLAIN);
    let lines: Vec<&str> = shown.lines().collect();
    let line = lines.iter().position(|line| line.contains("bcd")).unwrap();
    let column = |text: &str, what: &str| text.split(what).next().unwrap().chars().count();
    assert_eq!(column(lines[line], "bcd"), column(lines[line + 1], "─"), "{shown}");
    assert_eq!(lines.iter().filter(|line| line.contains("\\u{1b}")).count(), 4, "{shown}");
}

#[test]
fn a_long_line_is_cut_around_the_label() {
    let text = format!("base \"{}\" nope=1 \"{}\"", "a".repeat(5000), "b".repeat(5000));
    let shown = drawn(&[("silo.kdl", Layer::Project(0), &text)], PLAIN);
    assert!(shown.contains("nope=1") && shown.contains('…') && shown.lines().all(|line| line.chars().count() < 400), "{shown}");
}

#[test]
fn twenty_problems_and_a_count() {
    let text = "nope\n".repeat(25);
    let shown = drawn(&[("silo.kdl", Layer::Project(0), &text)], PLAIN);
    assert_eq!(shown.matches("silo::check::unknown-node").count(), problem::MAX_SHOWN);
    assert!(shown.ends_with("… and 5 more; mend these first.\n"), "{shown}");
}

#[test]
fn colour_only_where_it_is_asked_for() {
    let draw = |color| drawn(&[("silo.kdl", Layer::Project(0), "nope")], RenderOptions { color, ..PLAIN });
    assert!(draw(true).contains("\u{1b}[") && !draw(false).contains('\u{1b}'));
}
