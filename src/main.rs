//! The `silo` program: parses the command line, carries the command out, says why it failed, exits.

mod shell;

use std::process::exit;

use shell::cli;
use shell::failure::code;
use shell::ui::Ui;

/// Reading a configuration is mostly small allocations that are freed together; this allocator takes a third off the time of a large one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::disallowed_methods, reason = "only main exits; reading standard input may block a thread for ever")]
fn main() {
    exit(i32::from(run()));
}

fn run() -> u8 {
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let ui = Ui::new(cli.color, cli.quiet);
    std::panic::set_hook(Box::new(move |info| {
        shell::ui::restore_terminal();
        ui.error(
            &format!("silo has a bug: {info}"),
            Some("please report it with the command line and the configuration that led here; nothing of yours was changed by the report"),
        );
    }));
    match std::panic::catch_unwind(|| shell::command::dispatch(cli, &ui)) {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => {
            ui.failure(&failure);
            failure.code()
        }
        Err(_) => code::BUG,
    }
}
