//! A configuration that is looked at and not carried out: read and merged, whatever is wrong with it.

use std::path::{Path, PathBuf};

use silo::layers::{self, Definition, Facts, File, Layered};
use silo::problem::Problems;
use silo::source::Sources;

use super::cli::ContainerOptions;
use super::facts::{self, Caller};
use super::failure::{Failure, system};
use super::files::Places;
use super::reader::{self, Outside, Reading};

/// What the files of a directory come to.
#[derive(Debug)]
pub struct Merged {
    /// Every text that was read.
    pub sources: Sources,
    /// What is wrong with the files and with how they fit together.
    pub problems: Problems,
    /// What holds, and all that was said.
    pub layered: Layered,
    files: Vec<File>,
    facts: Facts,
}

impl Merged {
    /// Reads the files of a directory.
    pub fn load(directory: Option<&Path>) -> Result<Merged, Failure> {
        let caller = Caller::read();
        let places = Places::find(&caller, &workspace(directory)?);
        Ok(Merged::of(&caller, &places, None))
    }

    /// Reads the files of some places; where a text stands beside a path, it is read instead of that file.
    pub fn of(caller: &Caller, places: &Places, instead: Option<(&Path, &str)>) -> Merged {
        let reading = reader::read_with(caller, places, &ContainerOptions::default(), Outside::Skip, instead);
        let Reading { mut sources, mut problems, files, paths: _, complete: _, origins: _, outside: _, foreign: _, npmrc: _, versions } =
            reading;
        let facts = facts::facts(&places.root, &files);
        let (layered, found) = versions.merge(&files, &facts, &mut sources);
        problems.extend_new(found);
        Merged { sources, problems, layered, files, facts }
    }

    /// What stands under conditions that do not hold here.
    pub fn dormant(&self) -> Vec<Definition> {
        layers::dormant(&self.files, &self.facts)
    }
}

/// The working directory: absolute, links resolved.
pub fn workspace(directory: Option<&Path>) -> Result<PathBuf, Failure> {
    let directory = match directory {
        Some(directory) => directory.to_path_buf(),
        None => std::env::current_dir().map_err(system("finding the working directory"))?,
    };
    directory.canonicalize().map_err(system(format!("opening the directory {}", directory.display())))
}
