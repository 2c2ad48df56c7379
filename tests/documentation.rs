//! The documentation is executed: every KDL block of it is a configuration that compiles.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::project::Project;

/// Stands in the first line of a block that is the user's own file.
const USER: &str = "// ~/.config/silo/silo.kdl";
/// Stands before a block that is no whole file, with the reason; the reader does not see it.
const FRAGMENT: &str = "<!-- not a whole file";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A block with where it stands and the line before it.
struct Block {
    place: String,
    before: String,
    text: String,
}

fn blocks(path: &Path) -> Vec<Block> {
    let text = fs::read_to_string(path).unwrap();
    let name = path.strip_prefix(root()).unwrap().display();
    let lines: Vec<&str> = text.lines().collect();
    let starts = lines.iter().enumerate().filter(|(_, line)| line.trim_start() == "```kdl");
    starts
        .map(|(at, start)| {
            let indent = &start[..start.len() - start.trim_start().len()];
            let body = lines[at + 1..].iter().take_while(|line| line.trim() != "```");
            Block {
                place: format!("{name}:{}", at + 1),
                before: lines[..at].iter().rev().find(|line| !line.is_empty()).unwrap_or(&"").to_string(),
                text: body.map(|line| format!("{}\n", line.strip_prefix(indent).unwrap_or(line))).collect(),
            }
        })
        .collect()
}

/// Everything wrong with a block, compiling it as far as it goes.
fn problems(block: &Block) -> Option<String> {
    let project = match block.text.starts_with(USER) {
        true => Project::of("silo edition=\"2026\"\nagent claude\n").file("user.kdl", &block.text),
        false => Project::of(&block.text),
    };
    let mut loaded = project.load();
    if let Some(spec) = loaded.spec.clone() {
        loaded.compile(&spec);
    }
    // The documentation's files do not lie beside it.
    let wrong = loaded.problems.has_errors().then(|| loaded.rendered())?;
    Some(format!("{}\n{wrong}", block.place))
}

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        // Examples of single nodes, which the schema's tests check each in its place.
        .filter(|path| path.extension().is_some_and(|extension| extension == "md") && !path.ends_with("reference.md"))
        .collect();
    pages.push(root().join("README.md"));
    pages.sort();
    pages
}

#[test]
fn every_block_of_the_pages_compiles() {
    let all: Vec<Block> = pages().iter().flat_map(|page| blocks(page)).collect();
    let (fragments, whole): (Vec<&Block>, Vec<&Block>) = all.iter().partition(|block| block.before.starts_with(FRAGMENT));
    assert!(whole.len() >= 5, "only {} blocks", whole.len());
    assert!(fragments.len() <= 2, "too many fragments: {:?}", fragments.iter().map(|block| &block.place).collect::<Vec<_>>());
    assert!(whole.iter().any(|block| block.text.starts_with(USER)), "no block is the user's own file");
    let wrong: Vec<String> = whole.iter().filter_map(|block| problems(block)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_problem_that_the_pages_show_is_what_silo_says() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let mut shown = 0;
        for (at, _) in text.match_indices("silo::") {
            let code: String = text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '-')).collect();
            assert!(silo::problem::Code::ALL.iter().any(|known| known.as_str() == code), "{}: {code} is no code", page.display());
            shown += 1;
        }
        if page.ends_with("README.md") {
            assert!(shown > 0);
            let loaded = Project::of("silo edition=\"2026\"\nlangauge node version=\"22\"\n").load();
            let picture: Vec<&str> = loaded.problems.iter().next().map(|_| loaded.rendered()).unwrap().leak().lines().collect();
            for line in picture.iter().map(|line| line.trim()).filter(|line| !line.is_empty()) {
                assert!(text.lines().any(|shown| shown.trim() == line), "README.md does not show `{line}` of\n{}", picture.join("\n"));
            }
        }
    }
}

#[test]
fn the_example_file_compiles() {
    let text = fs::read_to_string(root().join("silo.kdl.example")).unwrap();
    let block = Block { place: "silo.kdl.example".to_string(), before: String::new(), text: format!("{USER}\n{text}") };
    assert_eq!(problems(&block), None);
}

#[test]
fn the_examples_compile_with_their_own_locks() {
    for name in ["minimal", "polyglot"] {
        let folder = root().join("examples").join(name);
        let mut loaded = Project::read(&folder).load();
        let spec = loaded.spec.clone().unwrap_or_else(|| panic!("{}", loaded.rendered()));
        let text = fs::read_to_string(folder.join("silo.lock")).unwrap();
        let source = silo::source::Source { name: "silo.lock".into(), text: text.clone(), layer: silo::source::Layer::Project(4) };
        let (lock, problems) = silo::lock::parse(loaded.sources.add(source), &text);
        assert!(problems.is_empty(), "{problems:?}");
        let images = loaded.compile_with(&spec, &lock.unwrap(), &crate::support::project::host("/home/ada/work/api"));
        assert!(loaded.problems.is_empty(), "{}", loaded.rendered());
        assert_eq!(images.len(), spec.image.agents.len());
    }
}
