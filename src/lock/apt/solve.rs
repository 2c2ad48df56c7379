//! Which packages come along with those that are asked for, on one architecture: what they depend on, with versions, alternatives and names
//! that several packages have; nothing that is only recommended. As apt does it where only the base's packages are installed: of each package
//! there is one candidate, of alternatives the first that can be had. Source: Debian Policy, 7; apt-get(8).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use super::compare;
use super::index::{Entry, Index, Operator, Priority, Relation};

/// How many packages are tried before a search is given up.
const TRIES: usize = 20_000;

/// What is asked.
pub struct Question<'q> {
    /// What is looked up in.
    pub shelf: &'q Shelf,
    /// The packages asked for, with their versions where only one will do.
    pub asked: &'q BTreeMap<String, Option<String>>,
    /// What was locked before and stays unless something that is new needs it to move.
    pub locked: &'q BTreeMap<String, Locked>,
    /// Packages that every root file system has, besides those that the release says are essential or required.
    pub present: &'q [&'q str],
    /// What is known about the versions of the base's packages.
    pub base: Base,
    /// Which updates of the base's packages are wanted.
    pub updates: Updates,
}

/// The indexes of one architecture.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    /// Those of the release.
    pub release: Vec<Index>,
    /// Those of its updates.
    pub updates: Vec<Index>,
}

impl Shelf {
    fn indexes(&self) -> impl Iterator<Item = &Index> {
        self.release.iter().chain(&self.updates)
    }

    /// The newest version of a package. Of the same version in two suites the first is taken.
    pub fn newest(&self, name: &str) -> Option<Entry> {
        newest(self.indexes(), name)
    }

    /// A version of a package.
    pub fn version(&self, name: &str, version: &str) -> Option<Entry> {
        self.indexes().flat_map(|index| index.entries(name)).find(|entry| entry.version == version)
    }

    /// The packages that say that they are one of another name, sorted.
    pub fn providers(&self, name: &str) -> BTreeSet<&str> {
        self.indexes().flat_map(|index| index.providers(name)).collect()
    }
}

fn newest<'i>(indexes: impl Iterator<Item = &'i Index>, name: &str) -> Option<Entry> {
    let all = indexes.filter_map(|index| index.newest(name));
    all.reduce(|best, entry| if compare(&best.version, &entry.version).is_lt() { entry } else { best })
}

/// What is known about the versions of the base's packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// They are those of the release's index.
    Release,
    /// Nothing: it is an image of a registry, or was made of an older state of the release. What needs a certain version of one of its
    /// packages takes that along.
    Unknown,
}

/// Which updates of the base's packages are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Updates {
    /// All.
    Newest,
    /// Those that are locked.
    Locked,
}

/// A package that was locked before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// Its version.
    pub version: String,
    /// Its file, below the archive's address, and that file's SHA-256; `None` when only the version is known.
    pub file: Option<(String, String)>,
    /// The locked packages that it needs.
    pub needs: BTreeSet<String>,
    /// Whether it is an update of a package of the base.
    pub update: bool,
}

/// Why a package is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Something that is asked for needs it.
    Needed,
    /// It is asked for.
    Asked,
    /// It is newer than the base's.
    Update,
}

/// A package of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its version.
    pub version: String,
    /// Where its file is, below the archive's address.
    pub path: String,
    /// The file's SHA-256 in hexadecimal.
    pub sha256: String,
    /// Whether its file is that of every architecture.
    pub all: bool,
    /// The packages of the answer that it needs.
    pub needs: BTreeSet<String>,
    /// Why it is there.
    pub role: Role,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Solution {
    /// By name.
    pub packages: BTreeMap<String, Chosen>,
    /// Packages that were locked and had to move, by name, and the one whose needs moved each, where that is known.
    pub moved: BTreeMap<String, Option<String>>,
}

/// Finds all packages that come along. The error says which cannot be had, and what needs it.
pub fn solve(question: &Question<'_>) -> Result<Solution, String> {
    let mut moved: BTreeMap<String, Option<String>> = BTreeMap::new();
    let present = present(question)?;
    loop {
        let mut solver = Solver { question, present: &present, moved: &moved, wishes: BTreeMap::new(), tries: 0 };
        match solver.run() {
            Ok(packages) => {
                let again: BTreeMap<String, Option<String>> = solver.left_behind(&packages);
                if again.is_empty() {
                    let really = |name: &String| {
                        let version = packages.get(name).map(|package| &package.version);
                        version.is_some() && version != question.locked.get(name).map(|locked| &locked.version)
                    };
                    moved.retain(|name, _| really(name));
                    return Ok(Solution { packages, moved });
                }
                moved.extend(again);
            }
            Err(reason) => {
                let mut more = solver.wishes;
                more.retain(|name, _| !moved.contains_key(name));
                if more.is_empty() {
                    more.extend(question.locked.keys().filter(|name| !moved.contains_key(*name)).map(|name| (name.clone(), None)));
                }
                if more.is_empty() {
                    return Err(reason);
                }
                moved.extend(more);
            }
        }
    }
}

/// The base's packages as the release has them, by name.
fn present(question: &Question<'_>) -> Result<BTreeMap<String, Rc<Entry>>, String> {
    let shelf = Shelf { release: question.shelf.release.clone(), updates: Vec::new() };
    let others = question.present.iter().copied().filter(|name| shelf.newest(name).is_some());
    let asked = shelf.indexes().flat_map(Index::base).chain(others).map(|name| (name.to_string(), None)).collect();
    let (locked, moved, nothing) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let (base, updates) = (Base::Release, Updates::Locked);
    let question = Question { shelf: &shelf, asked: &asked, locked: &locked, present: &[], base, updates };
    let mut solver = Solver { question: &question, present: &nothing, moved: &moved, wishes: BTreeMap::new(), tries: 0 };
    let chosen = solver.run()?;
    Ok(chosen.keys().filter_map(|name| Some((name.clone(), Rc::new(shelf.newest(name)?)))).collect())
}

struct Solver<'s> {
    question: &'s Question<'s>,
    present: &'s BTreeMap<String, Rc<Entry>>,
    /// Locked packages that are not to stay.
    moved: &'s BTreeMap<String, Option<String>>,
    /// Locked packages that stood in something's way, and in whose.
    wishes: BTreeMap<String, Option<String>>,
    tries: usize,
}

/// A package that is being taken.
#[derive(Clone)]
struct Taken {
    entry: Rc<Entry>,
    /// The package that needs it; `None` for what is asked for.
    by: Option<String>,
    role: Role,
}

/// Alternatives, of which a package needs one.
#[derive(Clone)]
struct Need {
    of: String,
    group: Rc<Vec<Relation>>,
}

#[derive(Clone, Default)]
struct State {
    taken: BTreeMap<String, Taken>,
    next: VecDeque<Need>,
    /// What leaves a choice waits until everything that leaves none is taken.
    waiting: VecDeque<Need>,
    /// Packages of the base that have to come along with one that they want in exactly its version.
    drawn: BTreeSet<(String, String)>,
}

impl Solver<'_> {
    fn run(&mut self) -> Result<BTreeMap<String, Chosen>, String> {
        let mut state = State::default();
        for (name, version) in self.question.asked {
            let entry = self.asked(name, version.as_deref())?;
            self.take(&mut state, entry, None, Role::Asked)?;
        }
        for name in self.present.keys() {
            let wanted = match self.question.updates {
                Updates::Newest => true,
                Updates::Locked => self.question.locked.get(name).is_some_and(|locked| locked.update),
            };
            if let Some(entry) = self.candidate(name).filter(|entry| wanted && self.is_update(entry)) {
                match state.taken.get_mut(name) {
                    Some(taken) => taken.role = Role::Update,
                    None => self.take(&mut state, entry, None, Role::Update)?,
                }
            }
        }
        let state = self.search(state)?;
        Ok(self.finish(&state))
    }

    fn is_update(&self, entry: &Entry) -> bool {
        self.present.get(&entry.name).is_some_and(|present| compare(&present.version, &entry.version).is_lt())
    }

    fn asked(&self, name: &str, version: Option<&str>) -> Result<Rc<Entry>, String> {
        self.candidate(name).ok_or_else(|| {
            let of = version.map_or(String::new(), |version| format!(" {version}"));
            let others: Vec<&str> = self.question.shelf.providers(name).into_iter().collect();
            let hint = if others.is_empty() { String::new() } else { format!(" (a name for {})", others.join(" or ")) };
            format!("the distribution's archive has no package {name}{of}{hint}")
        })
    }

    /// The one version of a package that is considered: the one asked for, else what is locked, else the newest of all suites.
    fn candidate(&self, name: &str) -> Option<Rc<Entry>> {
        let newest = || self.question.shelf.newest(name);
        let asked = self.question.asked.get(name).and_then(Option::as_ref);
        let locked = self.question.locked.get(name).filter(|locked| match asked {
            Some(version) => *version == locked.version,
            None => !self.moved.contains_key(name),
        });
        let Some(Locked { version, file, needs, update: _ }) = locked else {
            return match asked {
                Some(version) => self.question.shelf.version(name, version),
                None => newest(),
            }
            .map(Rc::new);
        };
        let there = self.question.shelf.version(name, version);
        if let Some(entry) = there.filter(|entry| file.as_ref().is_none_or(|(_, sha256)| *sha256 == entry.sha256)) {
            return Some(Rc::new(entry));
        }
        let Some((path, sha256)) = file else { return newest().map(Rc::new) };
        // The archive has gone on; what it was is known from the lock.
        let now = newest();
        Some(Rc::new(Entry {
            name: name.to_string(),
            version: version.clone(),
            all: path.ends_with("_all.deb"),
            priority: now.as_ref().map_or(Priority::Optional, |entry| entry.priority),
            path: path.clone(),
            sha256: sha256.clone(),
            depends: needs.iter().map(|name| vec![Relation::any(name)]).collect(),
            conflicts: Vec::new(),
            provides: now.map(|entry| entry.provides).unwrap_or_default(),
        }))
    }

    fn search(&mut self, mut state: State) -> Result<State, String> {
        loop {
            while let Some(need) = state.next.pop_front() {
                if self.satisfied(&state, &need.group).is_some() {
                    continue;
                }
                let options = self.options(&need);
                match options.as_slice() {
                    [] => return Err(self.missing(&state, &need)),
                    [one] => self.take(&mut state, one.clone(), Some(&need.of), Role::Needed)?,
                    _ => state.waiting.push_back(need),
                }
            }
            if let Some(need) = state.waiting.pop_front() {
                if self.satisfied(&state, &need.group).is_some() {
                    continue;
                }
                let mut first = None;
                for option in self.options(&need) {
                    let mut trial = state.clone();
                    let result = self.take(&mut trial, option, Some(&need.of), Role::Needed).and_then(|()| self.search(trial));
                    match result {
                        Ok(state) => return Ok(state),
                        Err(reason) => first = first.or(Some(reason)),
                    }
                    if self.tries > TRIES {
                        break;
                    }
                }
                return Err(first.unwrap_or_else(|| self.missing(&state, &need)));
            }
            if !self.draw(&mut state)? {
                return Ok(state);
            }
        }
    }

    /// Takes a package, unless it cannot stand beside those that are there.
    fn take(&mut self, state: &mut State, entry: Rc<Entry>, by: Option<&str>, role: Role) -> Result<(), String> {
        self.tries += 1;
        if self.tries > TRIES {
            return Err("what the distribution's packages need is too entangled to be found out".to_string());
        }
        let clash = state.taken.values().find(|taken| conflict(&entry, &taken.entry) || conflict(&taken.entry, &entry));
        if let Some(other) = clash {
            let why = |name: &str, by: Option<&str>| by.map_or(format!("{name} is asked for"), |by| format!("{by} needs {name}"));
            return Err(format!(
                "{} {} and {} {} cannot be installed together: {}, and {}",
                entry.name,
                entry.version,
                other.entry.name,
                other.entry.version,
                why(&entry.name, by),
                why(&other.entry.name, other.by.as_deref())
            ));
        }
        let need = |group: &Vec<Relation>| Need { of: entry.name.clone(), group: Rc::new(group.clone()) };
        state.next.extend(entry.depends.iter().map(need));
        state.taken.insert(entry.name.clone(), Taken { entry, by: by.map(str::to_string), role });
        Ok(())
    }

    /// What satisfies a need already: a package that is taken, or (nothing in the inner option) one of the base.
    fn satisfied(&self, state: &State, group: &[Relation]) -> Option<Option<String>> {
        let present = self.present.values().filter(|entry| !state.taken.contains_key(&entry.name));
        let known = |relation: &Relation| self.question.base == Base::Release || relation.bound.is_none();
        // By its own name first, as most are.
        for relation in group {
            match (state.taken.get(&relation.name), self.present.get(&relation.name)) {
                (Some(taken), _) if relation.allows(&taken.entry.version) => return Some(Some(relation.name.clone())),
                (None, Some(entry)) if known(relation) && relation.allows(&entry.version) => return Some(None),
                (Some(_) | None, _) => {}
            }
        }
        for relation in group {
            if let Some(taken) = state.taken.values().find(|taken| provides(&taken.entry, relation)) {
                return Some(Some(taken.entry.name.clone()));
            }
            if known(relation) && present.clone().any(|entry| provides(entry, relation)) {
                return Some(None);
            }
        }
        None
    }

    /// The packages that would satisfy a need, the preferred one first.
    fn options(&mut self, need: &Need) -> Vec<Rc<Entry>> {
        let mut options: Vec<Rc<Entry>> = Vec::new();
        for relation in need.group.iter() {
            match self.candidate(&relation.name) {
                Some(entry) if relation.allows(&entry.version) => options.push(entry),
                Some(_) => self.wish(&relation.name, need),
                None => {}
            }
            let names = self.question.shelf.providers(&relation.name);
            let mut providers: Vec<Rc<Entry>> =
                names.into_iter().filter_map(|name| self.candidate(name)).filter(|entry| provides(entry, relation)).collect();
            providers.sort_by_key(|entry| (!self.present.contains_key(&entry.name), entry.priority));
            options.extend(providers);
        }
        let mut seen = BTreeSet::new();
        options.retain(|entry| seen.insert(entry.name.clone()));
        options
    }

    fn wish(&mut self, name: &str, need: &Need) {
        if self.question.locked.contains_key(name) {
            self.wishes.entry(name.to_string()).or_insert_with(|| Some(need.of.clone()));
        }
    }

    /// Packages of the base that want one that is taken in another version than it has now: they have to be of one state. Whether there were.
    fn draw(&mut self, state: &mut State) -> Result<bool, String> {
        for (name, old) in self.present {
            if state.taken.contains_key(name) {
                continue;
            }
            let Some(new) = self.candidate(name) else { continue };
            let wants = |entry: &Entry| -> Option<String> {
                entry.depends.iter().flatten().find_map(|relation| {
                    let taken = state.taken.get(&relation.name)?;
                    let exact = matches!(relation.bound, Some((Operator::Same, _)));
                    (exact && (self.question.base == Base::Unknown || !relation.allows(&taken.entry.version)))
                        .then(|| relation.name.clone())
                })
            };
            let held = match self.question.base {
                Base::Release => wants(old),
                Base::Unknown => wants(&new),
            };
            let refuses = |taken: &&Taken| conflict(&taken.entry, old) || conflict(old, &taken.entry);
            let broken = || state.taken.values().filter(|_| self.question.base == Base::Release).find(refuses);
            if let Some(with) = held.or_else(|| broken().map(|taken| taken.entry.name.clone())) {
                if self.question.base == Base::Release && new.version == old.version {
                    let other = state.taken.get(&with).map_or("", |taken| taken.entry.version.as_str());
                    return Err(format!("{with} {other} does not fit {name} {} of the base", old.version));
                }
                state.drawn.insert((with.clone(), name.clone()));
                self.take(state, new, Some(&with), Role::Needed)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Why a need cannot be satisfied, with everything on the way to what is asked for.
    fn missing(&self, state: &State, need: &Need) -> String {
        let words: Vec<String> = need.group.iter().map(Relation::to_string).collect();
        let version = |name: &str| state.taken.get(name).map_or(String::new(), |taken| format!(" {}", taken.entry.version));
        let mut text = format!("{}{} needs {}", need.of, version(&need.of), words.join(" or "));
        let there: Vec<String> = need
            .group
            .iter()
            .filter_map(|relation| {
                let taken = state.taken.get(&relation.name).map(|taken| taken.entry.clone());
                let entry = taken.or_else(|| self.candidate(&relation.name))?;
                Some(format!("{} {}", entry.name, entry.version))
            })
            .collect();
        match there.is_empty() {
            true => text.push_str(", which the distribution's archive does not have"),
            false => text.push_str(&format!(", and the distribution's archive has {}", there.join(" and "))),
        }
        let mut at = need.of.as_str();
        let mut way = Vec::new();
        while let Some(by) = state.taken.get(at).and_then(|taken| taken.by.as_deref()).filter(|_| way.len() < 8) {
            way.push(by);
            at = by;
        }
        if !way.is_empty() {
            text.push_str(&format!(" ({} is needed by {})", need.of, way.join(", that by ")));
        }
        text
    }

    fn finish(&self, state: &State) -> BTreeMap<String, Chosen> {
        let needs = |entry: &Entry| -> BTreeSet<String> {
            let own = entry.depends.iter().filter_map(|group| self.satisfied(state, group).flatten());
            let drawn = state.drawn.iter().filter(|(with, _)| *with == entry.name).map(|(_, name)| name.clone());
            own.chain(drawn).filter(|name| *name != entry.name).collect()
        };
        let chosen = |Taken { entry, by: _, role }: &Taken| Chosen {
            version: entry.version.clone(),
            path: entry.path.clone(),
            sha256: entry.sha256.clone(),
            all: entry.all,
            needs: needs(entry),
            role: *role,
        };
        state.taken.iter().map(|(name, taken)| (name.clone(), chosen(taken))).collect()
    }

    /// Locked packages of which the archive knows nothing any more, though something that they need has moved: they may not fit.
    fn left_behind(&self, packages: &BTreeMap<String, Chosen>) -> BTreeMap<String, Option<String>> {
        let moved = |name: &String| {
            let (now, before) = (packages.get(name), self.question.locked.get(name));
            now.zip(before).is_some_and(|(now, before)| now.version != before.version)
        };
        let mut found = BTreeMap::new();
        for (name, locked) in
            self.question.locked.iter().filter(|(name, _)| packages.contains_key(*name) && !self.moved.contains_key(*name))
        {
            let known = self.question.shelf.version(name, &locked.version).is_some();
            if let Some(other) = locked.needs.iter().find(|other| !known && moved(other)) {
                found.insert(name.clone(), Some(other.clone()));
            }
        }
        found
    }
}

/// Whether a package is what is meant by another name than its own. Only a version that it says it has counts then. Source: Debian Policy, 7.5.
fn provides(entry: &Entry, relation: &Relation) -> bool {
    entry.provides.iter().filter(|provided| provided.name == relation.name).any(|provided| match (&relation.bound, &provided.bound) {
        (None, _) => true,
        (Some(_), Some((_, version))) => relation.allows(version),
        (Some(_), None) => false,
    })
}

/// Whether a package refuses another one. A package does not refuse itself by a name that it has too.
fn conflict(one: &Entry, other: &Entry) -> bool {
    let meant = |relation: &Relation| (relation.name == other.name && relation.allows(&other.version)) || provides(other, relation);
    one.name != other.name && one.conflicts.iter().any(meant)
}
