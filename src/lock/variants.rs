//! One lock for an image whose parts depend on conditions.

use super::query::queries;
use crate::problem::{Code, Problem, Problems};
use crate::spec::{Component, ImageSpec, Step};

/// Everything that any of the specifications asks for. A lock of it answers each of them.
///
/// The first one decides what the others may not say differently: the base, and what is asked of one component or of the downloads of one
/// layer. Where they do, that is a problem.
pub fn union(first: &ImageSpec, others: &[ImageSpec]) -> (ImageSpec, Problems) {
    let mut all = first.clone();
    let mut problems = Problems::default();
    for other in others {
        let ImageSpec { base, fetch: _, layers, components, agents, pre_build: _, post_build: _, env: _ } = other;
        if (&base.reference, base.from) != (&all.base.reference, all.base.from) {
            let message = "the base depends on a condition, and a lock holds one base";
            problems.push(variant(message.to_string(), all.base.origin, base.origin));
        }
        // Packages of the distribution are looked up together, so those of any block can stand in the base's.
        let packages = std::iter::once(&base.steps).chain(layers.iter().map(|layer| &layer.steps)).flatten();
        all.base.steps.extend(packages.filter(|step| matches!(step, Step::Apt { .. })).cloned());
        for layer in layers {
            match all.layers.iter().find(|known| known.name == layer.name) {
                None => all.layers.push(layer.clone()),
                Some(known) if downloads(&known.steps) == downloads(&layer.steps) => {}
                Some(known) => {
                    let message = format!("what layer `{}` downloads depends on a condition, and a lock holds one list", layer.name);
                    problems.push(variant(message, known.origin, layer.origin));
                }
            }
        }
        if downloads(&base.steps) != downloads(&all.base.steps) {
            let message = "what the `base` block downloads depends on a condition, and a lock holds one list";
            problems.push(variant(message.to_string(), all.base.origin, base.origin));
        }
        for component in components {
            match all.components.iter().find(|known| known.id == component.id) {
                None => all.components.push(component.clone()),
                Some(known) => problems.extend(same(known, component)),
            }
        }
        for agent in agents {
            match all.agents.iter().find(|known| known.component.id == agent.component.id) {
                None => all.agents.push(agent.clone()),
                Some(known) => problems.extend(same(&known.component, &agent.component)),
            }
        }
    }
    all.components.sort_by(|a, b| a.id.cmp(&b.id));
    all.agents.sort_by(|a, b| a.component.id.cmp(&b.component.id));
    (all, problems)
}

fn downloads(steps: &[Step]) -> Vec<&Step> {
    steps
        .iter()
        .filter(|step| matches!(step, Step::Download { .. } | Step::Npm { .. } | Step::Pip { .. } | Step::Go { .. } | Step::Cargo { .. }))
        .collect()
}

/// The problem of a component of which different things are asked.
fn same(known: &Component, other: &Component) -> Problems {
    let Component { id, request, installs, options, env: _, checks: _, cause: _, origin } = other;
    let mut problems = Problems::default();
    if (&known.request, &known.installs, &known.options) != (request, installs, options) {
        let message = format!("what is asked of {id} depends on a condition, and a lock pins it once");
        problems.push(variant(message, known.origin, *origin));
    }
    problems
}

fn variant(message: String, first: crate::source::Span, other: crate::source::Span) -> Problem {
    let mut problem = Problem::new(Code::LockVariants, message).at(first, "here it is one");
    if other != first {
        problem = problem.at(other, "and here another");
    }
    problem.help("put what differs under the condition as something of its own: another layer, tool or language")
}

/// Whether a lock answers every question of a specification, whatever else it answers; if not, what is missing.
pub(super) fn missing(spec: &ImageSpec, lock: &super::Lock) -> Vec<String> {
    queries(spec).iter().filter_map(|query| super::query::unanswered(query, lock)).collect()
}
