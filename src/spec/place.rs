//! Whether two images are the same, wherever it was said.

use super::{Component, Hook, ImageSpec, Install, Step};
use crate::source::Span;

/// Whether two images are the same but for the places at which their parts were written. What a `copy` step names depends on its place, so that
/// one counts.
pub fn same_image(a: &ImageSpec, b: &ImageSpec) -> bool {
    a == b || placeless(a, a.base.origin) == placeless(b, a.base.origin)
}

/// The image with every place that means nothing replaced by one.
fn placeless(image: &ImageSpec, nowhere: Span) -> ImageSpec {
    let mut image = image.clone();
    let ImageSpec { base, fetch, layers, components, agents, pre_build, post_build, env: _ } = &mut image;
    for base in [base, fetch] {
        base.origin = nowhere;
        steps(&mut base.steps, nowhere);
    }
    for layer in layers {
        layer.origin = nowhere;
        steps(&mut layer.steps, nowhere);
    }
    for one in components.iter_mut().chain(agents.iter_mut().map(|agent| &mut agent.component)) {
        component(one, nowhere);
    }
    for agent in agents {
        agent.mcp.iter_mut().for_each(|server| server.origin = nowhere);
        hooks(&mut agent.post_build, nowhere);
    }
    hooks(pre_build, nowhere);
    hooks(post_build, nowhere);
    image
}

fn component(component: &mut Component, nowhere: Span) {
    let Component { id: _, request: _, installs, options: _, env: _, checks: _, cause: _, origin } = component;
    *origin = nowhere;
    for Install { source: _, requires: _, arch: _, versions: _, steps: list } in installs {
        steps(list, nowhere);
    }
}

fn steps(steps: &mut [Step], nowhere: Span) {
    for step in steps {
        match step {
            Step::Run(hook) => hook.origin = nowhere,
            Step::Apt { .. }
            | Step::Download { .. }
            | Step::Npm { .. }
            | Step::Pip { .. }
            | Step::Go { .. }
            | Step::Cargo { .. }
            | Step::Copy { .. }
            | Step::Bin { .. }
            | Step::Path { .. }
            | Step::Env { .. } => {}
        }
    }
}

fn hooks(hooks: &mut [Hook], nowhere: Span) {
    hooks.iter_mut().for_each(|hook| hook.origin = nowhere);
}
